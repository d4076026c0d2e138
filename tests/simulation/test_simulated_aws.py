"""The simulated AWS: the behaviour on which the invariants depend."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from runtime.contract import EAST, SIDES, WEST
from tests.simulation.clock import Clock, Dice, Process
from tests.simulation.expressions import condition, update
from tests.simulation.functions import Functions
from tests.simulation.regions import Mode, Region
from tests.simulation.s3 import S3, Storage
from tests.simulation.steps import StateMachine, compiled
from tests.simulation.tracker_table import Table
from tests.simulation.unknown import NotSimulatedError

START = 1_772_409_600.0
FILE, FACT = "file", "20260302T000000Z-x#DELIVERED#to#west#w"


@pytest.fixture
def clock() -> Clock:
    return Clock(1, START)


@pytest.fixture
def regions(clock: Clock) -> dict[str, Region]:
    return {side: Region(clock, side) for side in SIDES}


def in_process(clock: Clock, work: Callable[[], Any], seconds: float = 60.0) -> Process:
    """Let a process run a function while time passes."""
    process = clock.spawn("test", work, side=WEST)
    clock.run(clock.now + seconds)
    return process


def item(text: str) -> dict[str, Any]:
    return {"file": {"S": FILE}, "fact": {"S": FACT}, "expires": {"N": "9999999999"}, "text": {"S": text}}


# --- Virtual time ---


def test_processes_wake_in_the_order_of_time_and_the_killed_never_do(clock: Clock) -> None:
    seen: list[str] = []

    def sleeper(name: str, seconds: float) -> Callable[[], None]:
        return lambda: (clock.sleep(seconds), seen.append(name))[1]

    clock.spawn("late", sleeper("late", 20))
    dead = clock.spawn("dead", sleeper("dead", 10))
    clock.spawn("early", sleeper("early", 5))
    clock.at(START + 7, dead.kill)
    clock.run(START + 60)
    assert seen == ["early", "late"]


def test_what_others_draw_does_not_change_a_stream_of_dice() -> None:
    one, other = Dice(1, "a"), Dice(1, "b")
    expected = [Dice(1, "a").random()]
    other.random()
    assert [one.random()] == expected
    assert Dice(1, "a").random() != Dice(2, "a").random()


# --- The global table ---


@pytest.mark.parametrize("lags", [{WEST: 1.0, EAST: 30.0}, {WEST: 30.0, EAST: 1.0}])
def test_the_last_writer_wins_in_both_replicas_whatever_the_lags(
    clock: Clock, regions: dict[str, Region], lags: dict[str, float]
) -> None:
    broken: list[str] = []
    table = Table(clock, regions, lambda side, about: lags[side], lambda rule, detail: broken.append(rule))
    table.write(WEST, (FILE, FACT), item("first"), "w")
    clock.run(START + 5)
    table.write(EAST, (FILE, FACT), item("last"), "e")
    clock.run(START + 100)
    assert {table.live(side)[FILE, FACT]["text"]["S"] for side in SIDES} == {"last"}
    assert "fact overwritten" in broken, "two writers of one key are what the facts' keys have to prevent"


def test_replication_of_a_lost_region_is_held_and_not_forgotten(
    clock: Clock, regions: dict[str, Region]
) -> None:
    table = Table(clock, regions, lambda side, about: 1.0, lambda rule, detail: None)
    regions[WEST].lose(Mode.DEAD)
    table.write(WEST, (FILE, FACT), item("x"), "w")
    clock.run(START + 1000)
    assert not table.live(EAST)
    regions[WEST].heal()
    clock.run(START + 2000)
    assert table.live(EAST) == table.live(WEST)


def test_conditions_and_updates_read_as_dynamodb_reads_them() -> None:
    names, values = {"#u": "until"}, {":now": {"N": "10"}, ":one": {"N": "1"}}
    free = condition("attribute_not_exists(owner) OR #u < :now")
    assert free({}, names, values)
    assert free({"owner": {"S": "x"}, "until": {"N": "9"}}, names, values)
    assert not free({"owner": {"S": "x"}, "until": {"N": "100"}}, names, values), "numbers, not texts"
    changed = update("SET #u = if_not_exists(#u, :now) + :one")
    assert changed({}, names, values)["until"] == {"N": "11"}
    with pytest.raises(NotSimulatedError):
        condition("contains(a, b)")


# --- S3 ---


def test_replicas_keep_id_and_time_and_are_marked(clock: Clock, regions: dict[str, Region]) -> None:
    storage = Storage(clock, lambda side, about: 5.0)
    west, east = (storage.make(side, regions[side]) for side in (WEST, EAST))
    west.replica, east.replica = east, west
    put = west.put("key", b"content", "PutObject", checksum=None, writer="client")
    clock.run(START + 10)
    (replica,) = east.versions["key"]
    assert (replica.id, replica.modified, replica.is_replica) == (put.id, put.modified, True)
    assert len(west.versions["key"]) == 1, "a replica is not replicated back"
    read = in_process(clock, lambda: S3(storage, regions[EAST], None).head_object(Bucket=EAST, Key="key"))
    assert read.error is None
    assert read.result["ReplicationStatus"] == "REPLICA"


def test_a_listing_of_versions_goes_on_behind_its_markers(clock: Clock, regions: dict[str, Region]) -> None:
    storage = Storage(clock, lambda side, about: 5.0)
    bucket = storage.make(WEST, regions[WEST])
    puts = [(key, bytes([n])) for n, key in enumerate("abbbc")]
    made = [bucket.put(key, body, "PutObject", checksum=None, writer="client") for key, body in puts]

    def pages() -> list[list[str]]:
        s3, found, markers = S3(storage, regions[WEST], None), [], dict[str, str]()
        while True:
            page = s3.list_object_versions(Bucket=WEST, **markers)
            found.append([each["VersionId"] for each in page["Versions"]])
            if not page["IsTruncated"]:
                return found
            markers = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}

    a, b1, b2, b3, c = (each.id for each in made)
    assert in_process(clock, pages).result == [[a, b3], [b2, b1], [c]], "by key, the newest first"


# --- Step Functions and Lambda ---


def machine(
    clock: Clock, region: Region, handler: Callable[[Any, Any], Any], states: dict[str, Any]
) -> StateMachine:
    functions = Functions(
        clock,
        region,
        handlers={"work": handler},
        timeouts={"work": 60.0},
        faults=lambda name: {},
        ended=lambda name, process: None,
        mistake=lambda name, text: None,
    )
    definition = compiled({"StartAt": next(iter(states)), "States": states})
    return StateMachine(clock, region, functions, definition, note=lambda text: None)


TASK = {
    "Type": "Task",
    "Resource": "arn:aws-us-gov:states:::lambda:invoke",
    "Parameters": {"FunctionName": "work", "Payload": {"given.$": "$"}},
    "TimeoutSeconds": 90,
}


def test_a_task_is_retried_with_backoff_and_then_caught(clock: Clock, regions: dict[str, Region]) -> None:
    calls: list[float] = []

    def fails(event: Any, context: Any) -> None:
        calls.append(clock.now)
        raise LookupError("no")

    retry = {"ErrorEquals": ["LookupError"], "IntervalSeconds": 10, "BackoffRate": 2, "MaxAttempts": 2}
    catch = {"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "Caught"}
    states = {
        "Work": {**TASK, "Retry": [retry], "Catch": [catch], "End": True},
        "Caught": {"Type": "Pass", "End": True},
    }
    made = machine(clock, regions[WEST], fails, states)
    execution = made.start("one", "{}")
    clock.run(START + 1000)
    assert [round(after - before) for before, after in itertools.pairwise(calls)] == [10, 20]
    assert execution.status == "SUCCEEDED"


def test_a_name_is_used_once(clock: Clock, regions: dict[str, Region]) -> None:
    made = machine(clock, regions[WEST], lambda event, context: {}, {"Work": {**TASK, "End": True}})
    first = made.start("one", "{}")
    assert made.start("one", "{}") is first, "the same again while it runs is no error"
    with pytest.raises(ClientError):
        made.start("one", '{"other": 1}')
    clock.run(START + 100)
    with pytest.raises(ClientError):
        made.start("one", "{}")


def test_executions_of_a_lost_region_stand_still_and_go_on(clock: Clock, regions: dict[str, Region]) -> None:
    states = {"Pause": {"Type": "Wait", "Seconds": 30, "Next": "Work"}, "Work": {**TASK, "End": True}}
    made = machine(clock, regions[WEST], lambda event, context: {}, states)
    execution = made.start("one", "{}")
    clock.run(START + 10)
    regions[WEST].lose(Mode.DEAD)
    clock.run(START + 1000)
    assert execution.status == "RUNNING"
    regions[WEST].heal()
    clock.run(START + 1100)
    assert execution.status == "SUCCEEDED"


def test_an_aborted_execution_ends_and_what_it_has_called_runs_on(
    clock: Clock, regions: dict[str, Region]
) -> None:
    done: list[str] = []

    def slow(event: Any, context: Any) -> None:
        clock.sleep(20)
        done.append("the function")

    states = {"Work": {**TASK, "Next": "After"}, "After": {**TASK, "End": True}}
    made = machine(clock, regions[WEST], slow, states)
    execution = made.start("one", "{}")
    clock.run(START + 5)
    assert made.abort() == 1
    clock.run(START + 100)
    assert (execution.status, execution.ended) == ("ABORTED", START + 5)
    assert done == ["the function"]
    assert made.abort() == 0


def test_calls_that_are_not_simulated_are_refused() -> None:
    with pytest.raises(NotSimulatedError, match="HeartbeatSeconds"):
        compiled({"StartAt": "Work", "States": {"Work": {**TASK, "HeartbeatSeconds": 5, "End": True}}})
