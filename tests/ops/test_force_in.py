"""`python -m ops force-in`: from plan to DNS and back, its record, and what ends it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing

import pytest

from local.aws.emulator import Emulator
from ops.failover import switching
from runtime.contract import EAST, REGION_OF, WEST
from runtime.metric_names import SwitchKind
from tests.ops.conftest import EASTERN, WESTERN, Clients, Place, RecordingRelay
from tests.ops.lever_world import LeverWorld, Region, typed_at

WHY = ("--reason", "East does not answer")
SILENT = ("--override", f"{EASTERN} is silent")
OUT, DEAD = Region(position="out"), Region(is_alive=False)


@pytest.fixture(scope="module")
def made(
    aws: Emulator, relay: RecordingRelay, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LeverWorld]:
    place = Place(aws=aws, relay=relay, root=tmp_path_factory.mktemp("levers"))
    with closing(LeverWorld(place, SwitchKind.ALARM)) as levers:
        levers.register()
        yield levers


@pytest.fixture
def levers(made: LeverWorld, clients: Clients, monkeypatch: pytest.MonkeyPatch) -> Iterator[LeverWorld]:
    monkeypatch.setattr(switching, "GIVE_UP", 0.1)
    with typed_at(made, clients, monkeypatch):
        yield made


def act(place: Place, verb: str, region: str, *words: str) -> dict:
    """Plan and apply; return the document of what was done."""
    _, plan = place.json(verb, region, *words)
    _, document = place.json(verb, region, *words, *WHY, "--apply", "--digest", plan["digest"])
    assert document["applied"], document
    return document


def recorded(levers: LeverWorld, side: str) -> dict[str, dict]:
    s3, bucket = levers.place.aws.client("s3", REGION_OF[side]), levers.bucket("audit", side)
    return {
        each["Key"]: json.loads(s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read())
        for each in s3.list_objects_v2(Bucket=bucket).get("Contents", ())
    }


def test_from_the_second_failure_to_both_regions_in(levers):
    """West is out and well when East dies; one region after the other is put in order."""
    place = levers.place
    with levers.state({WEST: OUT, EAST: DEAD}, is_controlled=False):
        assert levers.answers() == EAST, "dead, and all are sent there"
        refused = place.ops("force-in", WESTERN)
        assert refused.code == 1
        assert f"to do it all the same: --override '{EASTERN} is silent'" in refused.err
        place.relay.forget()
        before = recorded(levers, WEST)
        plan = place.ops("force-in", WESTERN, *SILENT)
        assert plan.out.splitlines()[0] == (
            f"force {WESTERN} in from its own side, through {WESTERN} alone: one parameter, one datapoint"
        )
        assert f"overridden: {EASTERN} is silent" in plan.out
        assert levers.answers() == EAST
        document = act(place, "force-in", WESTERN, *SILENT)
        assert (document["through"], document["override"]) == (WESTERN, f"{EASTERN} is silent")
        acted = {call for call in place.relay.calls if call.startswith(WESTERN)}
        assert {f"{WESTERN} ssm PutParameter", f"{WESTERN} monitoring PutMetricData"} <= acted
        assert {call.split()[2] for call in place.relay.calls if call.startswith(EASTERN)} == {"GetParameter"}
        assert not {call.split()[1] for call in place.relay.calls} & {"route53", "iam"}
        levers.minute()
        assert levers.answers() == "own"
        after = sorted(recorded(levers, WEST).items())
        intent, outcome = (each for key, each in after if key not in before)
        assert (intent["verb"], intent["why"], intent["override"]) == ("force-in", WHY[1], SILENT[1])
        assert intent["plan"][WESTERN].items() > {"through": WESTERN, "forced": True, "was": False}.items()
        assert outcome["digest"] == intent["digest"]

        again = place.ops("force-in", WESTERN, *SILENT)
        assert again.code == 1
        assert again.line.startswith(
            f"{WESTERN} is forced in already; nothing was done; to take {EASTERN} out:"
        )
        assert act(place, "evacuate", EASTERN, "--lost")["position"] == "lost"
        levers.minute()
        assert levers.answers() == WEST

        levers.revive()
        for _ in range(3):
            levers.now += 60
            levers.minute()
            assert levers.answers() == WEST, "East returns with its older word, and leaves it unsaid"
        assert act(place, "restore", WESTERN)["position"] == "in"
        levers.minute()
        assert not levers.is_forced(WEST), "its keeper has spoken"
        assert act(place, "restore", EASTERN)["position"] == "in"
        levers.now += 60
        levers.minute()
        assert levers.answers() == "own"


def test_a_region_that_was_forced_in_is_taken_out_by_its_keeper_when_that_is_back(levers):
    place = levers.place
    with levers.state({WEST: Region(position="out", force="yes"), EAST: Region()}):
        assert levers.answers() == "own"
        assert act(place, "evacuate", WESTERN)["position"] == "out"
        levers.now += 60
        levers.minute()
        assert (levers.answers(), levers.is_forced(WEST)) == (EAST, False)
        levers.now += 600
        levers.minute()
        assert levers.answers() == EAST


def test_a_word_is_taken_back_from_the_same_side(levers):
    place = levers.place
    with levers.state({WEST: Region(position="out", force="yes"), EAST: DEAD}):
        assert levers.answers() == "own"
        plan = place.ops("force-in", WESTERN, "--back")
        assert (
            plan.out.splitlines()[0] == f"let {WESTERN} no longer say of itself that it is in: one parameter"
        )
        assert act(place, "force-in", WESTERN, "--back")["left"] == []
        levers.now += 60
        levers.minute()
        assert levers.answers() == "own", "what was said last is still heard"
        levers.now += 180
        levers.minute()
        assert levers.answers() == EAST, "as its keeper said last"
        result = place.ops("force-in", WESTERN, "--back")
        assert (result.code, result.line) == (
            1,
            f"{WESTERN} is not forced in; nothing was done; to take it out of DNS:"
            f" mft-ops evacuate {WESTERN}",
        )


def test_a_region_is_not_forced_in_while_its_keeper_is_heard(levers):
    with levers.state({WEST: OUT, EAST: Region()}):
        for words in ((), SILENT):
            result = levers.place.ops("force-in", WESTERN, *words)
            assert result.code == 1
            assert result.line == (
                f"{EASTERN} keeps the switch of {WESTERN}, answers, and says that it is out; while it does,"
                f" the region is moved through it; to put it back: mft-ops restore {WESTERN}"
            )
        assert not levers.is_forced(WEST)


@pytest.mark.exhaustive
def test_a_cell_that_is_not_ready_is_one_more_thing_to_type(levers, monkeypatch):
    monkeypatch.setattr("ops.health.cell_health.problems", lambda cell: ["its workflow is gone"])
    with levers.state({WEST: OUT, EAST: DEAD}):
        result = levers.place.ops("force-in", WESTERN, *SILENT)
        assert f"{WESTERN} is not ready: its workflow is gone" in result.err
        sentence = f"{EASTERN} is silent, and {WESTERN} is not ready"
        assert result.err.splitlines()[-1].endswith(f"--override '{sentence}'")
        assert levers.place.ops("force-in", WESTERN, "--override", sentence).code == 0


@pytest.mark.parametrize(
    "dies", [pytest.param("PutParameter", marks=pytest.mark.exhaustive), "PutMetricData"]
)
def test_a_command_that_was_cut_off_is_completed_by_the_same_command(levers, dies):
    place = levers.place
    with levers.state({WEST: OUT, EAST: DEAD}):
        before = recorded(levers, WEST)
        _, plan = place.json("force-in", WESTERN, *SILENT)
        words = ("force-in", WESTERN, *SILENT, *WHY, "--apply", "--digest", plan["digest"])
        dead = set(place.relay.closed)
        place.relay.closed = {*dead, f"{WESTERN} monitoring {dies}", f"{WESTERN} ssm {dies}"}
        assert place.ops(*words).code == 1
        assert levers.is_forced(WEST) is (dies == "PutMetricData")
        place.relay.closed = dead
        code, document = place.json("force-in", WESTERN, *(() if dies == "PutMetricData" else SILENT))
        assert (code, document["digest"], document["resumed"]) == (0, plan["digest"], dies == "PutMetricData")
        words = tuple(word for word in words if dies == "PutParameter" or word not in SILENT)
        assert place.json(*words)[1]["applied"]
        levers.minute()
        assert levers.answers() == "own"
        assert len(recorded(levers, WEST)) == len(before) + 2


@pytest.mark.exhaustive
def test_an_audit_bucket_that_cannot_be_written_stops_no_emergency(levers):
    place = levers.place
    with levers.state({WEST: OUT, EAST: DEAD}):
        _, plan = place.json("force-in", WESTERN, *SILENT)
        place.relay.expired = {f"{WESTERN} s3 {levers.bucket('audit', WEST)}": "AccessDenied"}
        words = ("force-in", WESTERN, *SILENT, *WHY, "--apply", "--digest", plan["digest"])
        _, document = place.json(*words)
        assert document["applied"]
        assert levers.is_forced(WEST)


def test_shift_with_west_out_does_not_advise_to_take_it_out(levers):
    place = levers.place
    advice = f"mft-ops evacuate {WESTERN}"
    with levers.state({WEST: DEAD, EAST: Region()}, is_controlled=False):
        assert advice in place.ops("shift", "c7k2m", "--region", WESTERN).line
    with levers.state({WEST: Region(position="lost", is_alive=False), EAST: Region()}, is_controlled=False):
        for words in (("shift", "c7k2m", "--region", WESTERN), ("rehome", "c7k2m", "--to", EASTERN)):
            line = place.ops(*words).line
            assert advice not in line
            assert line.endswith(
                f"All customers are out of {WESTERN} already, which is lost; this has to wait until it is"
                " back"
            )
