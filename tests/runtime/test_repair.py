"""Repair: the remedy for each gap, and that repeating it does nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ops.recovery.inventory import Store
from ops.recovery.reconcile import Gap, GapKind, Seen
from ops.recovery.repair import Deed, Remedy, Repair
from ops.recovery.replay import Replay, ReplayRegion
from runtime import contract
from runtime.contract import EAST, SIDES, WEST, Kind
from runtime.transfer import Transfer
from tests.runtime.cells import Cell, CrashError, Dying
from tests.runtime.test_inventory import carry, join, look, store

SDK = "inbound/sdk/a.csv"
WHO = {"who": "arn:me", "why": "East was down", "plan": "0123456789ab"}


def repair(*cells: Cell, out: str = "") -> Repair:
    stores: list[Store] = [store(cell) for cell in cells]
    working = {
        cell.side: ReplayRegion(tracker=cell.tracker, executions=cell.its_executions, s3=cell.client("s3"))
        for cell in cells
    }
    return Repair(
        customer=cells[0].directory.customer(cells[0].customer),
        stores=stores,
        replay=Replay(working, out={out}),
        intakes={cell.side: cell.intake for cell in cells},
        out={out},
    )


def gap(seen: Seen, finding: GapKind, side: str = "") -> Gap:
    return Gap(
        finding=finding, transfer=seen.transfer, key=seen.key, where="", since=datetime.now(UTC), side=side
    )


def missing(*cells: Cell, sides: tuple[str, ...]) -> list[Remedy]:
    """Return the remedies for the only transfer, which archives lack."""
    (seen,) = look(*cells)
    return list(repair(*cells).remedies(seen, [gap(seen, GapKind.ARCHIVE_MISSING, side) for side in sides]))


def lose(cell: Cell, about: Transfer) -> str:
    """Take a transfer out of a region's archive; return its key there."""
    key = contract.archive_key(cell.customer, about.id, about.key)
    cell.client("s3").delete_object(Bucket=cell.archive_bucket, Key=key)
    return key


def archived(cell: Cell, key: str) -> bytes:
    return cell.client("s3").get_object(Bucket=cell.archive_bucket, Key=key)["Body"].read()


@pytest.fixture
def east(west: Cell, sides: tuple[Cell, Cell]) -> Cell:
    east = sides[1].make()
    join(west, east)
    return east


def test_a_copy_that_has_arrived_meanwhile_is_not_made_again(west, east):
    about = carry(west)
    key = lose(east, about)
    (remedy,) = missing(west, east, sides=(EAST,))
    assert repair(west, east).carry_out(remedy, **WHO) == "copied"
    careful = east.with_client("s3", Dying(east.client("s3"), "copy"))
    for _ in range(2):
        assert repair(west, careful).carry_out(remedy, **WHO) == "is there"
    assert archived(east, key) == b"abc"
    assert [fact.writer for fact in east.facts() if fact.writer.startswith("repair")] == [
        "repair-0123456789ab"
    ]


@pytest.mark.parametrize(("service", "call"), [("s3", "copy"), ("dynamodb", "put_item")])
@pytest.mark.parametrize("after", [False, True])
def test_a_copy_that_dies_is_finished_by_repeating(west, east, service, call, after):
    about = carry(west)
    key = lose(east, about)
    (remedy,) = missing(west, east, sides=(EAST,))
    dying = east.with_client(service, Dying(east.client(service), call, after=after))
    with pytest.raises(CrashError):
        repair(west, dying).carry_out(remedy, **WHO)
    repair(west, east).carry_out(remedy, **WHO)
    assert archived(east, key) == b"abc"
    assert len([fact for fact in east.facts() if fact.writer == "repair-0123456789ab"]) == 1


@pytest.mark.parametrize("side", SIDES)
def test_of_two_archives_that_lack_it_the_one_where_it_arrived_gets_it(west, east, side):
    """The other one has it by replication."""
    here = {WEST: west, EAST: east}[side]
    about = carry(here)
    (key,) = {lose(cell, about) for cell in (west, east)}
    (remedy,) = missing(west, east, sides=SIDES)
    assert (remedy.deed, remedy.side) == (Deed.COPY, side)
    repair(west, east).carry_out(remedy, **WHO)
    assert archived(west, key) == archived(east, key) == b"abc"


def test_a_file_missing_from_inbound_and_archive_is_copied_from_the_peers_inbound(west, east):
    about = carry(west)
    (key,) = {lose(cell, about) for cell in (west, east)}
    where = {"Bucket": west.bucket, "Key": SDK, "VersionId": about.version_id}
    west.client("s3").delete_object(**where)
    (remedy,) = missing(west, east, sides=SIDES)
    assert (remedy.side, remedy.about["source"]["Bucket"]) == (WEST, east.bucket)
    repair(west, east).carry_out(remedy, **WHO)
    assert archived(west, key) == b"abc"


def test_a_fact_records_the_copy_and_settles_nothing(west, east):
    about = carry(west)
    before = west.status(about)
    lose(east, about)
    (remedy,) = missing(west, east, sides=(EAST,))
    repair(west, east).carry_out(remedy, **WHO)
    (fact,) = (fact for fact in east.facts() if fact.kind is Kind.ARCHIVED and fact.side == EAST)
    assert fact.detail == {
        "bucket": east.archive_bucket,
        "archive_key": contract.archive_key(east.customer, about.id, SDK),
        "source": west.archive_bucket,
        "who": "arn:me",
        "why": "East was down",
    }
    assert (west.status(about), fact.expires) == (before, about.expires)


def test_what_a_bucket_lacks_is_replicated_and_other_gaps_that_wait_for_aws_are_asked_about(west, east):
    carry(west)
    (seen,) = look(west, east)
    findings = (GapKind.INBOUND_MISSING, GapKind.RECORD_MISSING, GapKind.REPLICATING)
    remedies = list(repair(west, east).remedies(seen, [gap(seen, each, EAST) for each in findings]))
    assert [remedy.deed for remedy in remedies] == [Deed.REPLICATE, Deed.ASK]
    assert (remedies[0].about["source_side"], remedies[0].about["to"]) == (WEST, east.bucket)
