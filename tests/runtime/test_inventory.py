"""The inventory: what the regions of the emulated AWS hold of a customer's transfers, and the gaps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.aws.emulator import Emulator
from ops.recovery import inventory
from ops.recovery.inventory import Inventory, Store
from ops.recovery.reconcile import GapKind, Seen, gaps
from runtime import contract
from runtime.arrival import arrival
from runtime.contract import EAST, SIDES, WEST, Kind
from runtime.intake import RENAME_WAIT
from runtime.transfer import Transfer
from tests.runtime.cells import ROLE, Cell, eventually, owner

SDK = "inbound/sdk/a.csv"
OLD = timedelta(hours=1)


def bucket_rule(target: str) -> dict[str, Any]:
    rule = {
        "ID": "all",
        "Priority": 1,
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "DeleteMarkerReplication": {"Status": "Disabled"},
        "Destination": {"Bucket": f"arn:aws-us-gov:s3:::{target}"},
    }
    return {"Role": ROLE, "Rules": [rule]}


def join(one: Cell, other: Cell) -> None:
    """Replicate the inbound buckets, and the archives, of both regions to each other."""
    pairs = ((one, other), (other, one))
    for cell, _ in pairs:
        cell.client("s3").put_bucket_versioning(
            Bucket=cell.archive_bucket, VersioningConfiguration={"Status": "Enabled"}
        )
    for cell, peer in pairs:
        for bucket, target in ((cell.bucket, peer.bucket), (cell.archive_bucket, peer.archive_bucket)):
            cell.client("s3").put_bucket_replication(
                Bucket=bucket, ReplicationConfiguration=bucket_rule(target)
            )


def carry(cell: Cell, content: bytes = b"abc", key: str = SDK) -> Transfer:
    """Receive a file, deliver and archive it; return it."""
    about = cell.receive(content, key)
    cell.workflow.claim(about, owner=owner(about))
    assert cell.attempt(about) == Kind.DELIVERED
    cell.archive.store(about, owner=owner(about))
    return about


def store(cell: Cell) -> Store:
    return Store(
        side=cell.side,
        inbound=cell.bucket,
        archive=cell.archive_bucket,
        tracker=cell.tracker,
        s3=cell.client("s3"),
    )


def look(
    *cells: Cell,
    since: datetime | None = None,
    until: datetime | None = None,
    after: timedelta = timedelta(),
) -> list[Seen]:
    now = datetime.now(UTC)
    inventory = Inventory(
        customer=cells[0].directory.customer(cells[0].customer),
        stores=[store(cell) for cell in cells],
        now=now + after,
    )
    window = (since or now - timedelta(days=3), until or now + timedelta(minutes=1))
    return list(inventory.transfers(*window))


def found(*cells: Cell, after: timedelta = OLD) -> list[tuple[str, GapKind, str]]:
    """Return the gaps as of an hour from now: key, finding, side."""
    customer = cells[0].directory.customer(cells[0].customer)
    sides, now = [cell.side for cell in cells], datetime.now(UTC) + after
    return [
        (gap.key, gap.finding, gap.side)
        for one in look(*cells, after=after)
        for gap in gaps(one, customer=customer, sides=sides, now=now)
    ]


@pytest.fixture
def east(west: Cell, sides: tuple[Cell, Cell]) -> Cell:
    east = sides[1].make()
    join(west, east)
    return east


@pytest.fixture
def lagging(aws: Emulator) -> Iterator[Emulator]:
    """An emulated AWS whose replication a test can slow down; it is quick again afterwards."""
    yield aws
    aws.replication_lag()
    for region in aws.regions_down:
        aws.region_up(region)
    for region in contract.REGION_OF.values():  # what is late arrives, in time for nobody
        aws.region_down(region)
        aws.region_up(region)


def test_a_delivered_transfer_is_complete_once_everything_has_replicated(west, east):
    carry(west)
    carry(east, b"xyz", "inbound/sdk/b.csv")
    assert found(west, east) == []
    first, second = look(west, east)
    assert (first.key, second.key) in ((SDK, "inbound/sdk/b.csv"), ("inbound/sdk/b.csv", SDK))
    assert set(first.inbound) == set(first.archived) == set(SIDES)
    assert not first.unrecorded


def test_an_archive_that_replication_has_not_reached(lagging, west, east):
    """The requirements' edge case: delivered, recorded in both regions, not in the replicated archive."""
    lagging.replication_lag(s3=600)
    about = carry(west)
    assert found(west, east) == [(SDK, GapKind.INBOUND_MISSING, EAST), (SDK, GapKind.ARCHIVE_MISSING, EAST)]
    assert {finding for _, finding, _ in found(west, east, after=timedelta())} == {GapKind.REPLICATING}
    assert east.kinds(about) == west.kinds(about)


def test_facts_that_have_not_replicated(lagging, west, east):
    lagging.replication_lag(dynamodb=600)
    about = carry(west)
    (one,) = look(west, east)
    assert sorted(each.kind for each in one.unrecorded[EAST]) == west.kinds(about)
    assert found(west, east) == [(SDK, GapKind.RECORD_MISSING, EAST)]
    assert found(east) == [(SDK, GapKind.UNKNOWN, "")], "what East sees when West is dead"


def test_an_object_that_ingest_does_not_know(west, east):
    west.upload(b"abc")
    (one,) = look(west, east)
    assert found(west, east) == [(SDK, GapKind.UNKNOWN, "")]
    assert set(one.inbound) == set(SIDES)


def test_every_version_is_a_transfer_of_its_own(west, east):
    """Delivered, not taken in, under way: three versions of one key."""
    done = carry(west, b"abc")
    west.upload(b"abcd")
    left = west.receive(b"abcde")
    versions = {one.transfer: one for one in look(west, east)}
    assert len(versions) == 3
    assert {done.id, left.id} < set(versions)
    assert sorted(finding for _, finding, _ in found(west, east)) == [GapKind.UNDELIVERED, GapKind.UNKNOWN]


def test_a_delete_marker_is_no_transfer_and_hides_none(west, east):
    """Deletions do not replicate (docs/adr/0002-delete-markers.md)."""
    carry(west)
    west.client("s3").delete_object(Bucket=west.bucket, Key=SDK)
    assert found(west, east) == []
    assert len(look(west, east)) == 1


def test_an_archived_copy_that_was_deleted_in_one_region_is_missing_there(west, east):
    about = carry(west)
    key = contract.archive_key(west.customer, about.id, SDK)
    west.client("s3").delete_object(Bucket=west.archive_bucket, Key=key)
    assert found(west, east) == [(SDK, GapKind.ARCHIVE_MISSING, WEST)]


def test_folders_and_uploads_under_temporary_names_are_no_transfers(west, east):
    west.upload(b"", "inbound/sdk/")
    west.upload(b"half", "inbound/sftp/u/a.csv.filepart")
    west.client("s3").put_object(Bucket=west.bucket, Key="elsewhere.csv", Body=b"x")
    assert look(west, east) == []


def test_a_folders_key_with_content_is_unknown_as_any_other(west, east):
    west.upload(b"abc", "inbound/sdk/folder/")
    eventually(lambda: found(west, east) == [("inbound/sdk/folder/", GapKind.UNKNOWN, "")])


def test_an_upload_that_waits_for_its_rename_is_shown_for_as_long_as_it_is_there(west, east):
    key, s3 = "inbound/sftp/u/a.csv.PART", west.client("s3")
    west.register(temporary_names=["*.part"])
    event = west.upload(b"half", key)
    later = RENAME_WAIT + timedelta(minutes=1)
    eventually(lambda: len(look(west, east, after=later)) == 1)
    assert found(west, east, after=later - timedelta(minutes=2)) == []
    assert found(west, east, after=later) == [(key, GapKind.UNRENAMED, "")]
    assert GapKind.UNRENAMED.closes_by_itself, "its customer has to act, and no operator"
    assert west.intake.reject_unrenamed(arrival(event)) == "rejected"
    assert found(west, east, after=later) == [(key, GapKind.UNRENAMED, "")]
    s3.delete_object(Bucket=west.bucket, Key=key)  # as a rename does, which is a copy before
    eventually(lambda: found(west, east, after=later) == [])


def test_other_objects_in_the_archive_are_passed_over(west, east):
    about = carry(west)
    for name in ("notes.txt", "2", f"{about.id[:16]}-short/x", f"{about.id}x/x", "~/x"):
        key = f"{west.customer}/{name}"
        west.client("s3").put_object(Bucket=west.archive_bucket, Key=key, Body=b"x")
    (one,) = look(west, east)
    assert (one.transfer, found(west, east)) == (about.id, [])


def test_an_expired_fact_is_gone_although_the_table_still_has_it(west, east):
    """TTL deletes late. By then the file is gone too; here only the facts are made to expire."""
    about = carry(west)
    client = west.client("dynamodb")
    for each in west.facts():
        client.update_item(
            TableName=west.table,
            Key={contract.TRACKER_PK: {"S": each.file}, contract.TRACKER_SK: {"S": each.sort_key}},
            UpdateExpression="SET expires = :past",
            ExpressionAttributeValues={":past": {"N": "1000000000"}},
        )
    (one,) = look(west, east)
    assert (one.transfer, one.facts) == (about.id, ())
    assert found(west, east) == [(SDK, GapKind.UNKNOWN, "")]


def test_only_the_window_is_read(west, east):
    about = carry(west)
    second = datetime.strptime(about.id[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    step = timedelta(seconds=1)
    assert len(look(west, east, since=second, until=second + step)) == 1
    assert look(west, east, since=second + step) == []
    assert look(west, east, until=second) == []


def test_keys_with_characters_that_sort_unusually(west, east):
    """S3 lists in the order of UTF-8, and does not encode percent signs, spaces and slashes."""
    names = [
        "ä.csv",
        "z.csv",
        "Z.csv",
        "a b+c%20d.csv",
        "\U0001f600.csv",
        "\uffee.csv",
        "a/b/c.csv",
        "a-b",
        "a.b",
    ]
    keys = {carry(west, name.encode(), f"inbound/sdk/{name}").key for name in names}
    assert found(west, east) == []
    assert {one.key for one in look(west, east)} == keys


def paged(cell: Cell, size: int) -> Cell:
    """Return the cell with services whose pages hold a limited number of items."""
    made = {}
    for service, calls, limit in (
        ("s3", ("ListObjectVersions", "ListObjectsV2"), "MaxKeys"),
        ("dynamodb", ("Query",), "Limit"),
    ):
        made[service] = cell.aws.new_client(service, cell.region)
        for call in calls:
            made[service].meta.events.register(
                f"provide-client-params.{service}.{call}",
                lambda params, limit=limit, **_: {**params, limit: size},
            )
    return Cell(cell.aws, cell.side, cell.customer, cell.table, made)


@pytest.mark.parametrize("size", [1, 3])
def test_pages_of_any_size_are_read_to_their_end(west, east, size):
    """Versions of one key and facts of one transfer are on several pages."""
    for number in range(4):
        carry(west, bytes(number + 1), f"inbound/sdk/{number % 3}.csv")
    west.upload(b"unknown", "inbound/sdk/1.csv")
    small = [paged(cell, size) for cell in (west, east)]
    try:
        assert look(*small) == look(west, east)
        assert found(*small) == [("inbound/sdk/1.csv", GapKind.UNKNOWN, "")]
    finally:
        for cell in small:
            for client in cell.clients.values():
                client.close()


def test_more_files_than_are_read_at_once(west, east, monkeypatch):
    """The order of keys is not that of time, and the number is not a multiple of the batch size."""
    monkeypatch.setattr(inventory, "_BATCH", 10)
    count, s3 = 45, west.client("s3")
    for number in range(count):
        name = f"inbound/sdk/{number * 17 % count:04}.csv"
        s3.put_object(Bucket=west.bucket, Key=name, Body=b"x")
    everything = look(west, east)
    assert len({one.key for one in everything}) == len(everything) == count
    assert [one.transfer for one in everything] == sorted(one.transfer for one in everything)
    assert all(set(one.inbound) == set(SIDES) for one in everything)


def test_a_missing_bucket_ends_the_inventory(west, east):
    with pytest.raises(west.client("s3").exceptions.NoSuchBucket):
        look(west, replace(east, customer="c999"))


def test_the_outline_of_a_fact_is_the_fact_but_for_its_details(west, east):
    """`outline` reads less, and yields the same."""
    about = carry(west)
    assert west.tracker.record(
        about.fact(
            Kind.REPLAYED, side=WEST, writer="w", destination="partner", over=["a"], why="why", who="me"
        )
    )
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    whole, outline = (
        list(west.tracker.day(west.customer, day)),
        list(west.tracker.outline(west.customer, day)),
    )
    assert [replace(each, detail={}) for each in outline] == [replace(each, detail={}) for each in whole]
    by_kind = {each.kind: each.detail for each in outline}
    received = next(each.detail for each in whole if each.kind is Kind.RECEIVED)
    # An outline identifies a transfer; what orders it among others of its second is not read.
    assert by_kind[Kind.RECEIVED] == {name: value for name, value in received.items() if name != "sequencer"}
    assert by_kind[Kind.REPLAYED] == {"over": ["a"]}
