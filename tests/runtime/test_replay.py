"""Replay: the verdict on each transfer, and that a decision is carried out once, whatever dies in between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from ops.recovery.replay import Choice, FactsChangedError, Replay, ReplayRegion, ReplayVerdict
from runtime.contract import EAST, WEST, Kind
from runtime.decision import Action
from runtime.facts import Fact, Status
from runtime.transfer import Transfer
from tests.runtime.cells import Cell, CrashError, Dying, eventually, owner
from tests.runtime.test_inventory import join

SDK = "inbound/sdk/a.csv"
TWO = [{"match": "sdk/**", "to": ["partner", "other"], "on_unknown": "hold"}]
WHY = {"who": "arn:me", "why": "East was down (0123456789ab)"}


def region(cell: Cell) -> ReplayRegion:
    return ReplayRegion(tracker=cell.tracker, executions=cell.its_executions, s3=cell.client("s3"))


def replay(*cells: Cell, out: str = "") -> Replay:
    return Replay({cell.side: region(cell) for cell in cells}, out={out})


def own(cell: Cell, about: Transfer) -> list[Fact]:
    return [fact for fact in cell.facts(about.key) if fact.transfer == about.id]


def end(cell: Cell, about: Transfer, kind: Kind, destination: str = "partner") -> Fact:
    """Record that a destination has ended; return the fact."""
    detail: dict[str, Any] = {Kind.DELIVERED: {"sha256": "x", "size": 3}, Kind.DUPLICATE: {"of": "t"}}.get(
        kind, {"reason": "x", "error": "x"}
    )
    made = about.fact(kind, side=cell.side, writer=owner(about), destination=destination, **detail)
    assert cell.tracker.record(made)
    return made


def both(cell: Cell) -> None:
    """Route files to two destinations."""
    cell.register(routes=TWO, destinations={"partner": cell.to_bucket(), "other": cell.to_bucket("other")})


def replays(cell: Cell) -> dict[str, Transfer]:
    """Return the executions that replays have started, by name."""
    return {n: Transfer.parse(given) for n, given in cell.executions().items() if "-release-" in n}


def judged(cell: Cell, about: Transfer, *, force: bool = False) -> ReplayVerdict:
    return replay(cell).verdict(own(cell, about), force=force)


@pytest.fixture
def east(west: Cell, sides: tuple[Cell, Cell]) -> Cell:
    east = sides[1].make()
    join(west, east)
    return east


@pytest.fixture
def busy(west: Cell) -> Iterator[Cell]:
    """West, whose executions go on until the test ends."""
    states, waiting = west.client("stepfunctions"), {"Type": "Wait", "Seconds": 30_000, "Next": "End"}
    definition = {"StartAt": "Wait", "States": {"Wait": waiting, "End": {"Type": "Succeed"}}}
    states.update_state_machine(stateMachineArn=west.state_machine, definition=json.dumps(definition))
    yield west
    for each in states.list_executions(stateMachineArn=west.state_machine)["executions"]:
        states.stop_execution(executionArn=each["executionArn"])


# --- Verdicts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Kind.DELIVERED, Kind.DUPLICATE])
def test_a_delivered_transfer_is_skipped_unless_forced(west, kind):
    about = west.receive(b"abc")
    fact = end(west, about, kind)
    verdict = judged(west, about)
    assert (verdict.choice, verdict.why) == (Choice.SKIP, f"{kind.lower()} to partner")
    forced = judged(west, about, force=True)
    assert (forced.choice, forced.destinations, forced.over) == (
        Choice.DELIVER,
        ("partner",),
        (fact.sort_key,),
    )


def test_a_failed_transfer_is_delivered_by_the_region_that_received_it(west, east):
    about = west.receive(b"abc")
    fact = end(west, about, Kind.FAILED)
    for cell in (west, east):
        assert replay(west, east).verdict(own(cell, about)) == ReplayVerdict(
            transfer=about.id,
            key=SDK,
            choice=Choice.DELIVER,
            why="failed: partner",
            side=WEST,
            destinations=("partner",),
            over=(fact.sort_key,),
        )


def test_a_held_transfer_is_asked_about_unless_forced(west):
    about = west.receive(b"abc")
    end(west, about, Kind.HELD)
    verdict = judged(west, about)
    assert (verdict.choice, verdict.why) == (Choice.ASK, "held by partner; decide with mft-ops release")
    assert judged(west, about, force=True).choice is Choice.DELIVER


def test_only_the_failed_destinations_are_served_again(west):
    both(west)
    about = west.receive(b"abc")
    end(west, about, Kind.HELD)
    failed = end(west, about, Kind.FAILED, "other")
    verdict = judged(west, about)
    assert (verdict.destinations, verdict.over) == (("other",), (failed.sort_key,))
    assert verdict.why == "failed: other"
    end(west, about, Kind.DELIVERED)
    assert judged(west, about).destinations == ("other",)


def test_a_rejected_transfer_is_never_replayed(west):
    about = west.receive(b"abc")
    end(west, about, Kind.REJECTED, "")
    for force in (False, True):
        assert judged(west, about, force=force).choice is Choice.SKIP


def test_a_transfer_in_a_running_execution_is_left_to_it(busy):
    about = busy.receive(b"abc")
    for force in (False, True):
        verdict = judged(busy, about, force=force)
        assert (verdict.choice, verdict.why) == (Choice.SKIP, f"{owner(about)} is delivering it")


def test_a_transfer_in_a_takeover_by_the_other_region_is_left_to_it(busy, east):
    about = busy.receive(b"abc", SDK)
    states = busy.client("stepfunctions")
    for each in states.list_executions(stateMachineArn=busy.state_machine)["executions"]:
        states.stop_execution(executionArn=each["executionArn"])
    assert replay(busy, east).verdict(own(busy, about)).choice is Choice.DELIVER
    name = f"{about.id}-takeover-1"
    states.start_execution(stateMachineArn=busy.state_machine, name=name)
    assert replay(busy, east).verdict(own(busy, about)).why == f"{name} is delivering it"


def test_a_transfer_without_a_running_execution_is_delivered(west):
    about = west.receive(b"abc")
    assert eventually(lambda: west.its_executions.find(owner(about)).ended)
    verdict = judged(west, about)
    assert (verdict.choice, verdict.destinations, verdict.over) == (Choice.DELIVER, ("partner",), ())


def test_a_transfer_without_received_is_left_to_a_person(west):
    about = west.receive(b"abc")
    fact = end(west, about, Kind.FAILED)
    assert replay(west).verdict([fact]).choice is Choice.ASK


def test_the_region_that_is_in_and_has_the_file_replays_it(west, east):
    about = west.receive(b"abc")
    end(west, about, Kind.FAILED)
    facts = own(west, about)
    assert replay(west, east).verdict(facts).side == WEST
    assert replay(east, out=WEST).verdict(facts).side == EAST
    verdict = replay(east).verdict(facts)
    why = "us-gov-west-1 received it, does not answer, and is not declared lost"
    assert (verdict.choice, verdict.why) == (Choice.ASK, why)
    where = {"Bucket": west.bucket, "Key": SDK, "VersionId": about.version_id}
    west.client("s3").delete_object(**where)
    assert replay(west, east).verdict(facts).side == EAST
    east.client("s3").delete_object(**where | {"Bucket": east.bucket})
    verdict = replay(west, east).verdict(facts)
    assert (verdict.choice, verdict.why) == (
        Choice.ASK,
        "no copy is left in inbound; the customer must send it again",
    )


# --- What comes of them ------------------------------------------------------------------------------


def failed(cell: Cell, *destinations: str) -> tuple[Transfer, ReplayVerdict]:
    """Return a transfer that failed at its destinations, and the verdict on it."""
    about = cell.receive(b"abc")
    for name in destinations or ("partner",):
        end(cell, about, Kind.FAILED, name)
    return about, judged(cell, about)


def carry_out(cell: Cell, about: Transfer, verdict: ReplayVerdict, **how: Any) -> str:
    return replay(cell).carry_out(verdict, **{"file": about.file, "force": False, **WHY, **how})


def test_a_replay_is_recorded_and_delivered(west):
    about, verdict = failed(west)
    name = carry_out(west, about, verdict)
    fact = west.fact(Kind.REPLAYED, about)
    assert (fact.destination, fact.writer, fact.side) == ("partner", name, WEST)
    assert fact.detail == {"decision": "resend", "over": list(verdict.over), **WHY}
    given = replays(west)[name]
    assert given == replace(about, taken_over=True)
    assert west.status(about) is Status.UNDER_WAY
    assert west.workflow.claim(given, owner=name).action is Action.DELIVER
    assert west.attempt(given, owner=name, after_unknown=True, first=True) == Kind.DELIVERED
    assert west.status(about) is Status.DELIVERED
    assert west.at_partner() == b"abc"


def test_a_survivor_replays_its_copy(west, east):
    about, _ = failed(west)
    verdict = replay(east, out=WEST).verdict(own(east, about))
    name = replay(east, out=WEST).carry_out(verdict, file=about.file, force=False, **WHY)
    given = replays(east)[name]
    assert (given.bucket, given.version_id, given.taken_over) == (east.bucket, about.version_id, True)
    assert east.source(given).sha256() == west.source(about).sha256()
    assert (replays(west), east.fact(Kind.REPLAYED, about).side) == ({}, EAST)


def test_a_forced_replay_is_marked_and_sent_although_the_file_was_delivered(west):
    about = west.receive(b"abc")
    delivered = end(west, about, Kind.DELIVERED)
    verdict = judged(west, about, force=True)
    with pytest.raises(FactsChangedError, match="is skip"):
        carry_out(west, about, verdict)
    name = carry_out(west, about, verdict, force=True)
    assert west.fact(Kind.REPLAYED, about).detail["over"] == [delivered.sort_key]
    assert west.workflow.claim(replays(west)[name], owner=name).action is Action.DELIVER


@pytest.mark.parametrize("times", [2, 3])
def test_a_repeated_replay_does_nothing(west, times):
    about, verdict = failed(west)
    names = {carry_out(west, about, verdict) for _ in range(times)}
    assert set(replays(west)) == names
    assert len(names) == 1
    assert west.kinds(about).count(Kind.REPLAYED) == 1


def test_a_finished_replay_is_not_repeated_by_the_same_plan(west):
    about, verdict = failed(west)
    name = carry_out(west, about, verdict)
    made = about.fact(Kind.FAILED, side=WEST, writer=name, destination="partner", reason="x", error="x")
    west.tracker.record(made)
    assert carry_out(west, about, verdict) == name
    assert west.status(about) is Status.FAILED
    again = judged(west, about)
    assert again.over == (made.sort_key,)
    other = carry_out(west, about, again, why="once more (ba9876543210)")
    assert set(replays(west)) == {name, other}
    assert len({name, other}) == 2


@pytest.mark.parametrize(
    ("call", "number", "after"),
    [*product(["put_item"], [0, 1], [False, True]), *product(["start_execution"], [0], [False, True])],
)
def test_a_crash_between_any_two_effects_is_made_good_by_repeating(west, call, number, after):
    """Two destinations, so two facts and one execution: all of them there, none of them twice."""
    both(west)
    about, verdict = failed(west, "partner", "other")
    service = "dynamodb" if call == "put_item" else "stepfunctions"
    at = verdict.destinations[number] if call == "put_item" else ""
    dying = west.with_client(
        service, Dying(west.client(service), call, after=after, at=f'"{at}"' if at else "")
    )
    with pytest.raises(CrashError):
        carry_out(dying, about, verdict)
    name = carry_out(west, about, verdict)
    assert list(replays(west)) == [name]
    facts = [fact for fact in own(west, about) if fact.kind is Kind.REPLAYED]
    assert {(fact.destination, fact.writer) for fact in facts} == {("partner", name), ("other", name)}
    assert len(facts) == 2
    assert west.status(about) is Status.UNDER_WAY
    decision = west.workflow.claim(replays(west)[name], owner=name)
    assert decision.destinations == ("partner", "other")


@pytest.mark.parametrize("kind", [Kind.DELIVERED, Kind.HELD, Kind.REJECTED])
def test_a_transfer_that_changed_meanwhile_is_not_replayed(west, kind):
    about, verdict = failed(west)
    end(west, about, kind, "" if kind is Kind.REJECTED else "partner")
    with pytest.raises(FactsChangedError) as caught:
        carry_out(west, about, verdict)
    now = {
        Kind.DELIVERED: "skip (delivered to partner)",
        Kind.HELD: "ask (held by partner; decide with mft-ops release)",
        Kind.REJECTED: "skip (it was rejected; the customer must send it again)",
    }[kind]
    assert str(caught.value) == f"{SDK} ({about.id}): was deliver (failed: partner), is {now}"
    assert replays(west) == {}
    assert Kind.REPLAYED not in west.kinds(about)


def test_another_failure_meanwhile_is_a_change_too(west):
    about, verdict = failed(west)
    again = about.fact(Kind.FAILED, side=WEST, writer="other", destination="partner", reason="x", error="x")
    west.tracker.record(again)
    with pytest.raises(FactsChangedError, match=f"its facts changed: {again.sort_key}"):
        carry_out(west, about, verdict)


def test_a_region_that_went_out_meanwhile_does_nothing(west, east):
    about, verdict = failed(west)
    with pytest.raises(FactsChangedError, match="us-gov-west-1 is out, or does not answer"):
        replay(east).carry_out(verdict, file=about.file, force=False, **WHY)
    end(west, about, Kind.HELD, "other")
    where = {"Bucket": west.bucket, "Key": SDK, "VersionId": about.version_id}
    west.client("s3").delete_object(**where)
    with pytest.raises(FactsChangedError, match="us-gov-west-1 would have done it, now us-gov-east-1 would"):
        replay(west, east).carry_out(verdict, file=about.file, force=False, **WHY)


def test_the_facts_of_either_region_count(west, east):
    """East delivered it, and the fact has not reached West."""
    about, verdict = failed(west)
    made = about.fact(Kind.DELIVERED, side=EAST, writer="e", destination="partner", sha256="x", size=3)
    west.aws.replication_lag(dynamodb=600)
    try:
        east.tracker.record(made)
        with pytest.raises(FactsChangedError, match="is skip"):
            replay(west, east).carry_out(verdict, file=about.file, force=False, **WHY)
        assert carry_out(west, about, verdict), "which West alone cannot know"
    finally:
        west.aws.replication_lag()
