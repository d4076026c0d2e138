"""`python -m ops restore`: what prevents it, its output and its effects."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from ops.failover import restoration, switching
from ops.recovery import reconcile
from runtime.contract import EAST, WEST, Kind, Outcome
from tests.ops.conftest import EASTERN, WESTERN
from tests.ops.customer_zone import zone  # noqa: F401 - a fixture
from tests.ops.fleet import EASTERNER, WESTERNER, WHY, Fleet, fleet  # noqa: F401 - a fixture
from tests.runtime.cells import eventually

OUT = f"to take it out: mft-ops evacuate {WESTERN}"


@pytest.fixture
def without_west(fleet: Fleet) -> Fleet:  # noqa: F811
    """Two customers in East; West has been out for longer than a period of the switch's metric."""
    assert fleet.apply("evacuate", WESTERN)[0] == 0
    published = int(time.time())
    eventually(lambda: int(time.time()) > published)  # of a period the highest value counts
    return fleet


def test_a_region_comes_back_with_all_customers(without_west):
    place = without_west.place
    place.relay.forget()
    plan = without_west.plan("restore", WESTERN)
    assert (plan["position"], plan["now"], plan["names"], plan["warnings"]) == ("in", "out", 8, [])
    assert place.position(WEST) == "out"
    result = without_west.apply_as_text("restore", WESTERN, digest=plan["digest"])
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0] == f"take {WESTERN} back into DNS, through {EASTERN}: one parameter, one datapoint"
    assert lines[-1].startswith("done; every answer of 1 name server moved within ")
    assert "ops notice" not in result.out
    assert place.position(WEST) == "in"
    assert without_west.answers() == {
        WESTERNER: {"east": EAST, "west": WEST, "primary": WEST},
        EASTERNER: {"east": EAST, "west": WEST, "primary": EAST},
    }
    intent, outcome = (
        each for key, each in sorted(without_west.recorded(EAST).items()) if "/restore/" in key
    )
    assert (intent["why"], outcome["left"]) == (WHY[1], [])
    assert {call.split()[1] for call in place.relay.calls}.isdisjoint({"route53", "iam"})
    result = place.ops("restore", WESTERN)
    assert (result.code, result.line) == (1, f"{WESTERN} is in already; nothing was done; {OUT}")


def test_what_was_refused_by_a_partner_and_told_to_the_customer_holds_nothing_back(without_west):
    without_west.fail(WEST, told=Outcome.FAILED)
    plan = without_west.plan("restore", WESTERN)
    (warning,) = plan["warnings"]
    assert warning == "not held back by 1 gaps: 1 undelivered (not delivered, and the customer was told)"
    assert without_west.apply("restore", WESTERN, digest=plan["digest"])[0] == 0
    assert without_west.place.position(WEST) == "in"


@pytest.mark.parametrize(
    ("kind", "told", "cause"),
    [
        (Kind.FAILED, None, "not delivered, and the customer was not told"),
        (Kind.FAILED, Outcome.HELD, "not delivered, and the customer was not told"),
        (Kind.HELD, Outcome.HELD, "held until a person decides"),
    ],
)
def test_other_gaps_keep_a_region_out_until_the_sentence_is_typed(without_west, kind, told, cause):
    without_west.fail(WEST, kind, told=told)
    sentence = f"1 gap remains open in {WESTERN}: 1 undelivered ({cause})"
    for words in ((), (*WHY, "--apply", "--digest", "0"), ("--override", "it does not matter")):
        result = without_west.place.ops("restore", WESTERN, *words)
        assert result.code == 1
        first, *_, last = result.err.splitlines()
        assert first.startswith(f"{sentence}: to see them: mft-ops gaps --since ")
        assert last == f"to do it all the same: --override '{sentence}'"
    command = first.split("to see them: mft-ops ")[1].split(";")[0]
    shown = without_west.place.ops(*command.split())
    assert "undelivered" in shown.out
    _, *release = first.split("the command that releases each that is held: mft-ops ")
    assert bool(release) == (kind is Kind.HELD)
    for words in release:
        listed = without_west.place.ops(*words.split())
        assert {"--delivered", "--resend"} <= set(listed.out.split())
    assert not [key for key in without_west.recorded(EAST) if "/restore/" in key]
    plan = without_west.plan("restore", WESTERN, "--override", sentence)
    assert f"--override '{sentence}'" in plan["command"]
    code, document = without_west.apply("restore", WESTERN, "--override", sentence, digest=plan["digest"])
    assert (code, document["override"]) == (0, sentence)
    assert without_west.place.position(WEST) == "in"
    intent = next(each for key, each in without_west.recorded(EAST).items() if "/restore/" in key)
    assert (intent["override"], intent["why"]) == (sentence, WHY[1])


def test_a_gap_that_appears_after_the_sentence_was_typed_is_refused_again(without_west):
    without_west.fail(WEST, Kind.HELD)
    sentence = f"1 gap remains open in {WESTERN}: 1 undelivered (held until a person decides)"
    plan = without_west.plan("restore", WESTERN, "--override", sentence)
    without_west.fail(EAST, Kind.HELD, key="inbound/sdk/b.csv")
    result = without_west.apply_as_text("restore", WESTERN, "--override", sentence, digest=plan["digest"])
    assert result.code == 1
    assert f"2 gaps remain open in {WESTERN}: 2 undelivered (held until a person decides)" in result.err
    assert without_west.place.position(WEST) == "out"


def test_a_gap_of_what_was_under_way_when_the_region_was_lost_counts_although_it_is_older(without_west):
    without_west.fail(WEST, Kind.HELD, age=timedelta(days=2))
    result = without_west.place.ops("restore", WESTERN)
    assert result.code == 1
    assert result.err.startswith(f"1 gap remains open in {WESTERN}: 1 undelivered (held until")
    command = result.err.split("to see them: mft-ops ")[1].split(";")[0]
    assert "undelivered" in without_west.place.ops(*command.split()).out


def test_a_gap_from_between_going_out_and_being_declared_lost_counts(without_west, monkeypatch):
    """A region may be out for planned work for days before it is lost."""
    monkeypatch.setattr(restoration, "DAYS", timedelta(0))
    without_west.fail(WEST, Kind.HELD, age=timedelta(0))
    submitted = int(time.time())
    eventually(lambda: int(time.time()) > submitted)  # transfers are dated to the second
    assert without_west.apply("evacuate", WESTERN, "--lost")[0] == 0
    result = without_west.place.ops("restore", WESTERN)
    assert result.code == 1
    assert result.err.startswith(f"1 gap remains open in {WESTERN}: 1 undelivered (held until")


def test_nothing_overrides_what_replication_may_still_bring(without_west, aws, monkeypatch):
    monkeypatch.setattr(reconcile, "GRACE", timedelta(minutes=-1))
    aws.replication_lag(dynamodb=600)
    try:
        without_west.fail(EAST, told=Outcome.FAILED)
        sentence = f"2 gaps remain open in {WESTERN}"
        for words in ((), ("--override", sentence)):
            result = without_west.place.ops("restore", WESTERN, *words)
            assert result.code == 1
            assert "replication may still close them: 1 record missing (replication may still" in result.line
            assert "--override" not in result.line
    finally:
        aws.replication_lag()


def test_a_region_that_does_not_answer_stays_out(without_west, aws):
    digest = without_west.plan("restore", WESTERN)["digest"]
    aws.region_down(WESTERN)
    try:
        result = without_west.apply_as_text("restore", WESTERN, digest=digest)
    finally:
        aws.region_up(WESTERN)
    assert result.code == 1
    assert result.line.startswith(
        f"whether gaps remain is not known, because {WESTERN} cannot be looked at, "
    )
    assert "mft-ops gaps --since " in result.line
    assert without_west.place.position(WEST) == "out"


def test_a_cell_that_is_not_ready_stays_out_unless_the_sentence_is_typed(without_west, monkeypatch):
    monkeypatch.setattr(
        "ops.health.cell_health.problems", lambda cell: ["it has no server"] if cell.side == WEST else []
    )
    result = without_west.place.ops("restore", WESTERN)
    assert result.code == 1
    assert result.err.splitlines() == [
        f"{WESTERN} is not ready: it has no server",
        f"to do it all the same: --override '{WESTERN} is not ready'",
    ]
    code, document = without_west.apply("restore", WESTERN, "--override", f"{WESTERN} is not ready")
    assert (code, document["left"], document["override"]) == (0, [], f"{WESTERN} is not ready")


def test_a_shifted_customer_stays_shifted_and_is_named(without_west, monkeypatch):
    monkeypatch.setattr(switching, "GIVE_UP", 2.0)
    without_west.shift_out(WESTERNER, WEST)
    result = without_west.apply_as_text("restore", WESTERN)
    assert result.code == 1
    otherwise = [line for line in result.out.splitlines() if line.startswith("answers otherwise: ")]
    assert len(otherwise) == 4
    assert all(WESTERNER in line for line in otherwise)
    assert result.out.splitlines()[-1].endswith(
        "if customers were shifted out, bring them back: mft-ops shift CUSTOMER --back"
    )
    assert without_west.place.position(WEST) == "in"


def test_without_a_registry_the_plan_says_which_names_are_not_watched(without_west):
    (without_west.place.root / "customers" / f"agency-{WESTERNER}.yaml").write_text("id: [")
    plan = without_west.plan("restore", WESTERN)
    assert plan["names"] == 4
    (warning,) = plan["warnings"]
    assert warning.startswith("the registry cannot be read, so where `primary.` points is not watched: cust")


def test_an_action_that_cannot_be_recorded_is_not_carried_out(without_west):
    place = without_west.place
    digest = without_west.plan("restore", WESTERN)["digest"]
    place.relay.cut = lambda when, what: what.startswith("PUT") and when == "before"
    result = without_west.apply_as_text("restore", WESTERN, digest=digest)
    assert result.code == 1
    assert result.err.startswith(f"{EASTERN} does not record it in {without_west.bucket('audit', EAST)}: ")
    assert result.err.endswith("nothing was done, for it must be recorded\n")
    assert place.position(WEST) == "out"


@pytest.mark.parametrize("dies", ["PutParameter", "PutMetricData"])
def test_an_unconfirmed_action_is_completed_by_the_same_command(without_west, dies):
    digest = without_west.plan("restore", WESTERN)["digest"]
    without_west.place.relay.closed = {dies}
    assert without_west.apply_as_text("restore", WESTERN, digest=digest).code == 1
    without_west.place.relay.closed = set()
    assert without_west.apply("restore", WESTERN, digest=digest)[0] == 0
    assert [key.rpartition("/")[2] for key in sorted(without_west.recorded(EAST))] == [
        "intent.json",
        "outcome.json",
    ] * 2


def test_a_stale_digest_says_what_changed(without_west):
    digest = without_west.plan("restore", WESTERN)["digest"]
    assert without_west.apply("evacuate", WESTERN, "--lost")[0] == 0
    result = without_west.apply_as_text("restore", WESTERN, digest=digest)
    assert result.code == 1
    assert (
        f"plan {digest} no longer holds: {WESTERN}: version is 3, was 2, was is 'lost', was 'out'"
        in result.err
    )
    assert without_west.place.position(WEST) == "lost"
