"""`python -m ops restore`: what prevents it, its output and its effects."""

from __future__ import annotations

import time

import pytest

from ops.failover import switching
from runtime.contract import EAST, WEST, Kind
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


@pytest.mark.parametrize("kind", [Kind.FAILED, Kind.HELD])
def test_gaps_since_15_minutes_before_its_evacuation_keep_a_region_out(without_west, kind):
    """A file that was received there five minutes before the evacuation is not delivered."""
    without_west.fail(WEST, kind)
    assert without_west.apply("evacuate", WESTERN, "--lost")[0] == 0
    for words in ((), (*WHY, "--apply", "--digest", "0"), ("--override", f"{WESTERN} is not ready")):
        result = without_west.place.ops("restore", WESTERN, *words)
        assert result.code == 1
        assert result.line.startswith(
            "1 gaps remain of what was submitted from 15 minutes before it went out: "
        )
        assert "1 undelivered" in result.line
    command = result.line.split("to see them: mft-ops ")[1].split(";")[0]
    shown = without_west.place.ops(*command.split())
    assert shown.code == 1
    assert "undelivered" in shown.out
    assert without_west.place.position(WEST) == "lost"
    assert not [key for key in without_west.recorded(EAST) if "/restore/" in key]


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
