"""Restarts: transfers that nothing carries are carried again, and how often."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from runtime.contract import Kind, Outcome
from runtime.executions import Purpose, first
from runtime.facts import Status
from runtime.restarts import MANY, YOUNG, Restarted, Restarts, is_unfinished
from runtime.transfer import Transfer
from runtime.transfer_scan import TransferScan
from tests.runtime.cells import CONTENT, Cell, CrashError, Dying, Quoting, eventually, owner

LATER = YOUNG + timedelta(minutes=1)


def restart(cell: Cell, after: timedelta = LATER) -> Restarted:
    """Make a pass as if at a later time, in a newly started function."""
    executions = cell.its_executions
    executions._now = lambda: datetime.now(UTC) + after
    scan = TransferScan(tracker=cell.tracker, directory=cell.directory, wanted=is_unfinished)
    return Restarts(
        side=cell.side, scan=scan, executions=executions, now=lambda: datetime.now(UTC) + after
    ).run(datetime.now(UTC).date(), lambda: math.inf)


def ended(cell: Cell, name: str) -> None:
    eventually(lambda: cell.has_ended(name))


@pytest.fixture
def dead(west: Cell) -> Transfer:
    """A transfer whose execution has ended and left no facts."""
    transfer = west.receive(CONTENT)
    ended(west, first(transfer.id))
    return transfer


def test_a_transfer_whose_execution_ended_without_facts_goes_on_and_asks_first(
    west: Cell, dead: Transfer
) -> None:
    assert restart(west, after=YOUNG - timedelta(minutes=1)).started == ()
    assert restart(west).started == (dead.id,)
    document = west.executions()[f"{dead.id}-{Purpose.TAKEOVER}-1"]
    assert Transfer.parse(document).taken_over


def test_a_transfer_that_cannot_be_started_is_told_by_its_id_and_not_by_its_name(
    west: Cell, dead: Transfer
) -> None:
    quoting = Quoting(west.client("stepfunctions"), "start_execution", dead.key)
    (failed,) = restart(west.with_client("stepfunctions", quoting)).failed
    assert failed.startswith(f"{dead.id}: ")
    assert failed.endswith(": (the file) is not valid")
    assert restart(west).started == (dead.id,)


def test_a_transfer_that_was_recorded_and_not_started_gets_the_execution_of_ingest(west: Cell) -> None:
    event = west.upload(CONTENT)
    dying = west.with_client("stepfunctions", Dying(west.client("stepfunctions"), "start_execution"))
    with pytest.raises(CrashError):
        dying.accept(event)
    transfer = west.received("inbound/sdk/a.csv")
    assert restart(west).started == (transfer.id,)
    assert list(west.executions()) == [first(transfer.id)]
    assert west.accept(event) == "received"
    assert list(west.executions()) == [first(transfer.id)]


def test_restarts_of_a_transfer_have_longer_and_longer_pauses_and_many_are_reported(
    west: Cell, dead: Transfer
) -> None:
    for number in range(1, MANY + 1):
        assert restart(west, after=timedelta(days=number)) == Restarted(started=(dead.id,))
        ended(west, f"{dead.id}-{Purpose.TAKEOVER}-{number}")
    soon = restart(west)
    assert (soon.started, soon.waiting, soon.stalled) == ((), (dead.id,), (dead.id,))
    late = restart(west, after=timedelta(days=MANY + 1))
    assert (late.started, late.stalled) == ((dead.id,), (dead.id,)), "nothing is given up"


def test_submissions_of_one_file_are_restarted_one_at_a_time(west: Cell, dead: Transfer) -> None:
    newer = west.receive(b"other")
    ended(west, first(newer.id))
    done = restart(west)
    assert sorted((*done.started, *done.waiting)) == sorted((dead.id, newer.id))
    assert len(done.started) == 1


def test_the_peers_transfers_are_left_to_the_peer(sides: tuple[Cell, Cell]) -> None:
    west, east = sides[0].make(), sides[1].make()
    event = west.upload(CONTENT)
    assert west.accept(event) == "received"
    transfer = west.received("inbound/sdk/a.csv")
    east.register()
    eventually(lambda: east.facts())
    west_document = west.client("s3").get_object(
        Bucket=west.config_bucket, Key=f"customers/{west.customer}.json"
    )
    assert west_document
    assert restart(east) == Restarted()
    ended(west, first(transfer.id))
    assert restart(west).started == (transfer.id,)


def test_a_file_that_was_delivered_needs_its_archived_copy_and_its_receipt(
    west: Cell, dead: Transfer
) -> None:
    west.workflow.claim(dead, owner=owner(dead))
    assert west.attempt(dead) == "DELIVERED"
    assert west.status(dead) is Status.DELIVERED
    west.archive.store(dead, owner=owner(dead))
    assert restart(west).started == (dead.id,), "it has no receipt"
    ended(west, f"{dead.id}-{Purpose.TAKEOVER}-1")
    assert west.workflow.complete(dead, [], owner=owner(dead)) is Outcome.DELIVERED
    assert restart(west, after=timedelta(days=2)) == Restarted()
    facts = [fact for fact in west.facts() if fact.transfer == dead.id]
    assert is_unfinished(tuple(fact for fact in facts if fact.kind is not Kind.ARCHIVED))


def test_a_rejected_transfer_is_finished(west: Cell) -> None:
    west.register(routes=[])
    assert west.accept(west.upload(CONTENT)) == "rejected"
    facts = tuple(west.facts())
    assert {fact.kind for fact in facts} == {Kind.REJECTED, Kind.RECEIPT}
    assert not is_unfinished(facts)
    assert restart(west) == Restarted()
