"""The archive: one copy of each transfer's content, whatever happens between the copy and its fact."""

from __future__ import annotations

import pytest

from runtime import contract
from runtime.contract import Kind
from tests.runtime.cells import Cell, CrashError, Dying, owner


def archived(cell: Cell) -> dict[str, bytes]:
    """Return everything in the archive."""
    s3 = cell.client("s3")
    listed = s3.list_objects_v2(Bucket=cell.archive_bucket).get("Contents", [])
    bodies = {each["Key"]: s3.get_object(Bucket=cell.archive_bucket, Key=each["Key"]) for each in listed}
    return {key: answer["Body"].read() for key, answer in bodies.items()}


def test_the_submitted_version_is_kept_under_its_transfer(west):
    transfer = west.receive(b"abc")
    west.upload(b"newer")
    key = west.archive.store(transfer, owner=owner(transfer))
    assert key == f"{west.customer}/{transfer.id}/sdk/a.csv"
    assert archived(west) == {key: b"abc"}
    assert west.fact(Kind.ARCHIVED, transfer).detail == {"bucket": west.archive_bucket, "archive_key": key}


def test_two_versions_of_a_file_are_kept_apart(west):
    for content in (b"abc", b"xyz"):
        transfer = west.receive(content)
        west.archive.store(transfer, owner=owner(transfer))
    assert sorted(archived(west).values()) == [b"abc", b"xyz"]


def test_a_crash_between_the_copy_and_its_fact_is_made_good_without_a_second_copy(west):
    transfer = west.receive(b"abc")
    dying = west.with_client("dynamodb", Dying(west.client("dynamodb"), "put_item"))
    with pytest.raises(CrashError):
        dying.archive.store(transfer, owner=owner(transfer))
    key = contract.archive_key(west.customer, transfer.id, transfer.key)
    assert archived(west) == {key: b"abc"}
    no_copy = west.with_client("s3", Dying(west.client("s3"), "copy"))
    for _ in range(2):
        assert no_copy.archive.store(transfer, owner=owner(transfer)) == key
    assert west.kinds(transfer) == [Kind.ARCHIVED, Kind.RECEIVED]


def test_an_archived_copy_of_another_size_is_written_again(west):
    transfer = west.receive(b"abc")
    key = contract.archive_key(west.customer, transfer.id, transfer.key)
    west.client("s3").put_object(Bucket=west.archive_bucket, Key=key, Body=b"ab")
    west.archive.store(transfer, owner=owner(transfer))
    assert archived(west) == {key: b"abc"}
