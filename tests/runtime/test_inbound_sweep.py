"""The sweep of the inbound buckets: what it takes in, what it leaves, and where it goes on."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from runtime.contract import SWEEP_NOTES, TRACKER_PK, TRACKER_SK, Kind
from runtime.inbound_sweep import InboundSweep, Swept
from runtime.intake import RENAME_WAIT
from runtime.session_log import SessionLog
from runtime.sweep_notes import Checkpoint, SweepNotes
from runtime.unknown_uploads import GRACE
from tests.runtime.cells import NAMESPACE, Cell, CrashError, Dying, Quoting, eventually
from tests.runtime.test_intake import completed, put, replicate, started

SDK, SFTP = "inbound/sdk/a.csv", "inbound/sftp/acme/a.csv"
PARTIAL = "PARTIAL_UPLOAD: the session ended before the file was complete"
#: Old enough, and young enough to be looked at in the session log.
LATER = GRACE + timedelta(minutes=1)
_numbers = itertools.count(1)


def log_group(cell: Cell) -> str:
    return f"/aws/vendedlogs/transfer/{cell.customer}-{cell.side}"


@pytest.fixture
def west(west: Cell) -> Cell:
    west.client("logs").create_log_group(logGroupName=log_group(west))
    west.client("logs").create_log_stream(logGroupName=log_group(west), logStreamName="sessions")
    return west


def write(cell: Cell, kind: str, key: str, size: int) -> None:
    """Write an entry of the session log."""
    entry = {"activity-type": kind, "path": f"/{cell.bucket}/{key}", "bytes-in": str(size)}
    event = {"timestamp": int(datetime.now(UTC).timestamp() * 1000), "message": json.dumps(entry)}
    cell.client("logs").put_log_events(
        logGroupName=log_group(cell), logStreamName="sessions", logEvents=[event]
    )


def notes(cell: Cell) -> SweepNotes:
    return SweepNotes(table=cell.table, side=cell.side, client=cell.client("dynamodb"))


def sweep(cell: Cell, after: timedelta = LATER, remaining: Callable[[], float] = lambda: 600.0) -> Swept:
    """Run the sweep as if at a later time, in a newly started function."""
    return InboundSweep(
        stem=NAMESPACE,
        tracker=cell.tracker,
        directory=cell.directory,
        intake=cell.intake,
        notes=notes(cell),
        session_log=SessionLog(group=log_group(cell), logs=cell.client("logs")),
        s3=cell.client("s3"),
        now=lambda: datetime.now(UTC) + after,
    ).run(remaining)


class Paged:
    """An S3 client whose listings have one version a page."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def list_object_versions(self, **asked: Any) -> Any:
        return self._client.list_object_versions(**{**asked, "MaxKeys": 1})


# --- What is taken in -----------------------------------------------------------------------------


def test_an_upload_that_no_event_brought_is_taken_in_once_and_not_before_its_time(west: Cell) -> None:
    event = west.upload(b"abc")
    assert sweep(west, after=GRACE - timedelta(minutes=1)).taken == []
    assert started(west) == []
    assert sweep(west).taken == [SDK]
    version = event["detail"]["object"]["version-id"]
    assert started(west) == [version]
    assert [fact.kind for fact in west.facts()] == [Kind.RECEIVED]
    assert sweep(west).taken == []
    assert west.accept(event) == "received"
    assert started(west) == [version]
    assert len(west.facts()) == 1


def test_every_version_is_taken_in_those_that_were_overwritten_too(west: Cell) -> None:
    versions = [west.upload(each)["detail"]["object"]["version-id"] for each in (b"abc", b"def")]
    assert sweep(west).taken == [SDK, SDK]
    assert started(west) == sorted(versions)


def test_folders_and_temporary_names_are_left_and_what_no_route_takes_is_rejected(west: Cell) -> None:
    west.register(routes=[{"match": "sdk/*.csv", "to": ["partner"], "on_unknown": "deliver"}])
    west.upload(b"", "inbound/sdk/folder/")
    for key in ("inbound/sftp/acme/b.filepart", "inbound/sdk/c.bin"):
        west.upload(b"abc", key)
    assert sweep(west).taken == ["inbound/sdk/c.bin"]
    assert {fact.kind for fact in west.facts("inbound/sdk/c.bin")} == {Kind.REJECTED, Kind.RECEIPT}
    west.receipts_published(1)
    assert sweep(west).taken == []


def test_the_peers_objects_are_left_to_the_peer(west: Cell, east: Cell) -> None:
    replicate(west, east)
    replicate(east, west)
    east.client("logs").create_log_group(logGroupName=log_group(east))
    for key in (SDK, SFTP):
        version = east.upload(b"abc", key)["detail"]["object"]["version-id"]
        place = {"Bucket": west.bucket, "Key": key, "VersionId": version}

        def arrived(place: dict[str, str] = place) -> bool:
            try:
                return bool(west.client("s3").head_object(**place))
            except ClientError:
                return False

        eventually(arrived)
    write(west, "CLOSE", SFTP, 3)
    done = sweep(west)
    assert (done.taken, done.doubts, done.failed) == ([], [], [])
    assert started(west) == []


def test_a_rejection_whose_receipt_was_not_sent_is_finished(west: Cell) -> None:
    west.register(routes=[])
    west.upload(b"abc")
    with pytest.raises(CrashError):
        sweep(west.with_client("sns", Dying(west.client("sns"), "publish")))
    assert [fact.kind for fact in west.facts()] == [Kind.REJECTED]
    assert sweep(west).taken == [SDK]
    west.receipts_published(1)
    assert sweep(west).taken == []


# --- SFTP -----------------------------------------------------------------------------------------


def test_the_peers_upload_of_the_same_size_needs_no_entry_of_this_regions_log(west: Cell, east: Cell) -> None:
    replicate(east, west)
    put(west, b"abc")
    write(west, "CLOSE", SFTP, 3)
    theirs = put(east, b"xyz")["VersionId"]
    listed = partial(west.client("s3").list_object_versions, Bucket=west.bucket)
    eventually(lambda: theirs in {each["VersionId"] for each in listed()["Versions"]})
    assert sweep(west).taken == [SFTP]


def test_an_sftp_upload_is_taken_in_when_the_session_log_shows_its_end(west: Cell) -> None:
    put(west, b"abc")
    write(west, "CLOSE", SFTP, 3)
    assert sweep(west).taken == [SFTP]
    assert [fact.kind for fact in west.facts(SFTP)] == [Kind.RECEIVED]


def test_a_folders_key_with_content_is_rejected_though_no_event_brought_it(west: Cell) -> None:
    west.upload(b"abc", "inbound/sdk/folder/")
    assert sweep(west).taken == ["inbound/sdk/folder/"]
    (receipt,) = west.receipts_published(1)
    assert receipt["outcome"] == "rejected"


def test_what_waits_too_long_for_its_rename_is_told_to_its_customer_once(west: Cell) -> None:
    key, day = f"{SFTP}.filepart", RENAME_WAIT + timedelta(minutes=1)
    put(west, b"first", key)
    put(west, b"abc", key)
    for after in (LATER, day - timedelta(minutes=2)):
        assert sweep(west, after=after).taken == []
    assert west.facts(key) == []
    done = sweep(west, after=day)
    assert (done.taken, done.doubts) == ([key], []), "what the client has overwritten waits for nothing"
    (receipt,) = west.receipts_published(1)
    assert (receipt["outcome"], receipt["size"]) == ("rejected", 3)
    assert receipt["reason"].startswith(
        "the file has had the temporary name of an unfinished upload for more"
    )
    assert started(west) == []
    assert sweep(west, after=2 * day).taken == []
    assert sorted(fact.kind for fact in west.facts(key)) == [Kind.RECEIPT, Kind.REJECTED]


@pytest.mark.parametrize(("call", "at"), [("put_item", "REJECTED"), ("put_item", "RECEIPT"), ("publish", "")])
@pytest.mark.parametrize("after", [False, True])
def test_a_sweep_that_dies_while_it_tells_of_a_missing_rename_is_made_good(
    west: Cell, call: str, at: str, after: bool
) -> None:
    key, day = f"{SFTP}.filepart", RENAME_WAIT + timedelta(minutes=1)
    put(west, b"abc", key)
    service = "sns" if call == "publish" else "dynamodb"
    dying = west.with_client(service, Dying(west.client(service), call, after=after, at=at))
    with pytest.raises(CrashError):
        sweep(dying, after=day)
    sweep(west, after=day + timedelta(minutes=15))
    assert {fact.kind for fact in west.facts(key)} == {Kind.REJECTED, Kind.RECEIPT}
    told = west.receipts_published(
        2 if (call, after) == ("publish", True) or (at == "RECEIPT" and not after) else 1
    )
    assert {each["outcome"] for each in told} == {"rejected"}


def test_a_file_that_was_renamed_in_time_is_not_mentioned(west: Cell) -> None:
    key, s3 = f"{SFTP}.filepart", west.client("s3")
    put(west, b"abc", key)
    s3.copy_object(Bucket=west.bucket, Key=SFTP, CopySource={"Bucket": west.bucket, "Key": key})
    s3.delete_object(Bucket=west.bucket, Key=key)
    sweep(west, after=RENAME_WAIT + timedelta(minutes=1))
    assert west.facts(key) == []


def test_an_sftp_upload_that_was_cut_off_is_rejected_with_a_receipt(west: Cell) -> None:
    put(west, b"ab")
    write(west, "PARTIAL_CLOSE", SFTP, 2)
    assert sweep(west).taken == [SFTP]
    (receipt,) = west.receipts_published(1)
    assert (receipt["outcome"], receipt["reason"]) == ("rejected", PARTIAL)
    assert started(west) == []


def test_an_sftp_upload_without_proof_is_left_with_the_reason_until_there_is_some(west: Cell) -> None:
    put(west, b"abc")
    done = sweep(west)
    ((left,), taken) = done.doubts, done.taken
    assert (left.key, taken) == (SFTP, [])
    assert left.why.startswith("of 1 versions of 3 bytes, the session log shows 0 uploads that ended")
    assert started(west) == []
    assert sweep(west, after=2 * LATER).doubts == [], "it is told once"
    write(west, "CLOSE", SFTP, 3)
    assert sweep(west, after=3 * LATER).taken == [SFTP]
    assert not notes(west).read()[1]
    assert len(started(west)) == 1


def test_an_upload_that_its_event_brings_after_all_is_forgotten(west: Cell) -> None:
    event = completed(west, b"abc")
    assert len(sweep(west).doubts) == 1
    assert west.accept(event) == "received"
    done = sweep(west, after=2 * LATER)
    assert (done.taken, done.doubts) == ([], [])
    assert not notes(west).read()[1]


def test_the_reason_for_which_an_upload_is_left_has_no_name(west: Cell) -> None:
    """It is logged."""
    west.upload(b"abc", "inbound/sdk/merger.csv")
    quoting = Quoting(west.client("stepfunctions"), "start_execution", "inbound/sdk/merger.csv")
    (left,) = sweep(west.with_client("stepfunctions", quoting)).doubts
    assert left.why.endswith(": (the file) is not valid")


def test_uploads_wait_for_a_session_log_that_cannot_be_read_and_others_do_not(west: Cell) -> None:
    put(west, b"abc")
    write(west, "CLOSE", SFTP, 3)
    west.upload(b"abc")
    west.client("logs").delete_log_group(logGroupName=log_group(west))
    done = sweep(west)
    assert done.taken == [SDK]
    ((left),) = done.doubts
    assert left.why.startswith("the session log cannot be read: ")


# --- Where it goes on -----------------------------------------------------------------------------


def test_a_pass_that_runs_out_of_time_goes_on_behind_the_last_page(west: Cell) -> None:
    keys = [f"inbound/sdk/{name}.csv" for name in "abc"]
    for key in keys:
        west.upload(b"abc", key)
    paged = west.with_client("s3", Paged(west.client("s3")))
    left = iter([600.0] * 4)
    first = sweep(paged, remaining=lambda: next(left, 0.0))
    assert first.taken == keys[:1]
    assert first.left == 1
    west.upload(b"abc", "inbound/sdk/0.csv")
    second = sweep(paged)
    assert (second.taken, second.left) == (keys[1:], 0), "it does not begin again"
    assert sweep(paged, after=2 * LATER).taken == ["inbound/sdk/0.csv"]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("service", "call", "at"),
    [
        ("s3", "list_object_versions", ""),
        ("s3", "head_object", "b.csv"),
        ("dynamodb", "put_item", "RECEIVED"),
        ("dynamodb", "put_item", SWEEP_NOTES),
    ],
)
def test_a_run_that_dies_anywhere_loses_nothing(
    west: Cell, service: str, call: str, at: str, after: bool
) -> None:
    keys = [f"inbound/sdk/{name}.csv" for name in "abc"]
    for key in keys:
        west.upload(b"abc", key)
    paged = west.with_client("s3", Paged(west.client("s3")))
    dying = Dying(paged.client(service), call, after=after, at=at)
    with pytest.raises(CrashError):
        sweep(paged.with_client(service, dying))
    sweep(paged)
    assert [fact.kind for key in keys for fact in west.facts(key)] == [Kind.RECEIVED] * 3


def test_of_two_runs_the_one_that_comes_second_leaves_the_bucket_to_the_first(west: Cell) -> None:
    its = notes(west)
    first = Checkpoint(began=datetime.now(UTC), after=("a", "1"))
    assert its.save("c", Checkpoint(), first, days=1)
    assert not its.save("c", Checkpoint(), Checkpoint(passed=datetime.now(UTC)), days=1)
    assert its.read()[0]["c"].after == ("a", "1")


def test_a_bucket_that_cannot_be_read_does_not_hold_up_the_others(west: Cell) -> None:
    west.upload(b"abc")
    other = f"a{next(_numbers)}"
    document = (
        west.client("s3")
        .get_object(Bucket=west.config_bucket, Key=f"customers/{west.customer}.json")["Body"]
        .read()
    )
    west.client("s3").put_object(
        Bucket=west.config_bucket,
        Key=f"customers/{other}.json",
        Body=document.replace(west.customer.encode(), other.encode()),
    )
    done = sweep(west)
    assert done.taken == [SDK]
    ((failed),) = done.failed
    assert failed.startswith(f"{other}: ")
    assert done.left == 1


def test_the_age_is_that_of_the_oldest_completed_pass(west: Cell) -> None:
    west.upload(b"abc")
    assert sweep(west).age < timedelta(minutes=1)
    later = sweep(west, after=3 * LATER, remaining=lambda: 0.0)
    assert 2 * LATER <= later.age < 3 * LATER
    assert later.left == 1


class Initiated:
    """S3 as it is to a multipart upload that was initiated earlier: its version has that time.

    A second one under the same key was initiated later.
    """

    def __init__(self, client: Any, ago: timedelta) -> None:
        self._client, self._at = client, datetime.now(UTC).replace(microsecond=0) - ago
        self.is_open = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def list_object_versions(self, **asked: Any) -> Any:
        page = self._client.list_object_versions(**asked)
        for each in page.get("Versions", ()):
            each |= {"LastModified": self._at, "ETag": '"0123-2"'}
        return page

    def head_object(self, **asked: Any) -> Any:
        return {**self._client.head_object(**asked), "LastModified": self._at}

    def get_paginator(self, operation: str) -> Any:
        return self if operation == "list_multipart_uploads" else self._client.get_paginator(operation)

    def paginate(self, **asked: Any) -> Any:
        times = (self._at, self._at + timedelta(hours=1)) if self.is_open else ()
        return [{"Uploads": [{"Key": SDK, "Initiated": at} for at in times]}]


def test_a_multipart_upload_is_found_though_its_version_is_as_old_as_its_beginning(west: Cell) -> None:
    s3 = Initiated(west.client("s3"), timedelta(hours=20))
    cell = west.with_client("s3", s3)
    assert sweep(cell).taken == []
    west.upload(b"abc")
    s3.is_open = False
    assert sweep(cell).taken == [], "it may have ended a moment ago, and its event be on its way"
    assert sweep(cell, after=3 * LATER).taken == [SDK]
    assert sweep(cell, after=4 * LATER).taken == []


def test_the_notes_are_below_the_prefix_that_the_role_may_remove(west: Cell) -> None:
    put(west, b"abc")
    sweep(west)
    items = west.client("dynamodb").scan(TableName=west.table)["Items"]
    notes = [item for item in items if item[TRACKER_PK]["S"].startswith(SWEEP_NOTES)]
    assert sorted(item[TRACKER_SK]["S"].count("#") for item in notes) == [0, 1]
    assert {item[TRACKER_PK]["S"] for item in notes} == {f"{SWEEP_NOTES}{west.side}"}
