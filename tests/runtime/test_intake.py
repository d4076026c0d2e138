"""Intake: events as AWS sends them, and the facts, receipts and executions that follow from them."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runtime import contract
from runtime.arrival import Arrival, arrival
from runtime.contract import EAST, WEST, Kind
from runtime.facts import Fact
from runtime.order import is_newer
from runtime.routing import UnknownCustomerError
from runtime.uploaded_versions import _is_unclear
from tests.runtime.cells import ROLE, Cell, CrashError, Dying, eventually

SDK, SFTP = "inbound/sdk/a.csv", "inbound/sftp/acme/a.csv"
_numbers = itertools.count(1)


def put(cell: Cell, content: bytes, key: str = SFTP) -> dict[str, Any]:
    """Write an object as Transfer Family does; return S3's answer."""
    return cell.client("s3").put_object(Bucket=cell.bucket, Key=key, Body=content)


def of_transfer_family(
    cell: Cell, what: str, detail: dict[str, Any], *, ended: datetime | None = None
) -> dict[str, Any]:
    """Return an event of the SFTP server.

    https://docs.aws.amazon.com/transfer/latest/userguide/events-detail-reference.html
    """
    ended = ended or datetime.now(UTC)
    usual = {
        "protocol": "SFTP",
        "client-ip": "198.51.100.20",
        "start-timestamp": f"{ended - timedelta(seconds=2):%Y-%m-%dT%H:%M:%S.%f}123Z",
        "end-timestamp": f"{ended:%Y-%m-%dT%H:%M:%S.%f}123Z",
        "server-id": "s-1111aaaa2222bbbb3",
        "username": "acme",
        "session-id": "67765a5bea7de27c2d2c",
    }
    return cell.event("aws.transfer", f"SFTP Server File {what}", usual | detail)


def completed(cell: Cell, content: bytes, key: str = SFTP, **how: Any) -> dict[str, Any]:
    """Upload by SFTP; return the event of the upload."""
    etag = put(cell, content, key)["ETag"].strip('"')
    detail = {"status-code": "COMPLETED", "bytes": len(content), "etag": etag}
    return of_transfer_family(
        cell, "Upload Completed", detail | {"file-path": f"/{cell.bucket}/{key}"}, **how
    )


def failed(cell: Cell, etag: str | None, size: int, key: str = SFTP, **how: Any) -> dict[str, Any]:
    """Return the event of an upload that broke off."""
    detail = {
        "status-code": "FAILED",
        "failure-code": "PARTIAL_UPLOAD",
        "failure-message": "File was partially uploaded.",
        "bytes": size,
        "file-path": f"/{cell.bucket}/{key}",
    }
    return of_transfer_family(cell, "Upload Failed", detail | ({"etag": etag} if etag else {}), **how)


def renamed(cell: Cell, key: str = SFTP, **how: Any) -> dict[str, Any]:
    detail = {
        "status-code": "COMPLETED",
        "original-file-path": f"/{cell.bucket}/{key}.filepart",
        "renamed-file-path": f"/{cell.bucket}/{key}",
    }
    return of_transfer_family(cell, "Rename Completed", detail, **how)


def copied(cell: Cell, version: dict[str, Any], size: int, key: str = SFTP) -> dict[str, Any]:
    """Return S3's event of a rename, which is a copy."""
    event = cell.upload(b"", "inbound/sftp/acme/another")
    event["detail"] |= {"reason": "CopyObject"}
    event["detail"]["object"] |= {
        "key": key,
        "size": size,
        "etag": version["ETag"].strip('"'),
        "version-id": version["VersionId"],
    }
    return event


def started(cell: Cell) -> list[str]:
    """Return the versions that executions were started for."""
    return sorted(each["version_id"] for each in cell.executions().values())


def untouched(cell: Cell, key: str) -> bool:
    return not cell.executions() and not cell.facts(key)


# --- What an event says --------------------------------------------------------------------------


def test_events_are_parsed(west):
    upload = west.upload(b"abc", "inbound/sdk/d ir/ü+%20.csv")
    uploaded = upload["detail"]["object"]
    assert arrival(upload) == Arrival(
        bucket=west.bucket,
        key="inbound/sdk/d ir/ü+%20.csv",
        version_id=uploaded["version-id"],
        etag=uploaded["etag"],
        size=3,
        sequencer=uploaded["sequencer"],
    )
    noon = datetime(2026, 1, 2, 12, 0, 0, 5, tzinfo=UTC)
    sftp = {"bucket": west.bucket, "key": SFTP, "ended": noon}
    assert arrival(completed(west, b"abc", ended=noon)) == Arrival(**sftp, etag=uploaded["etag"], size=3)
    assert arrival(renamed(west, ended=noon)) == Arrival(**sftp)
    reason = "PARTIAL_UPLOAD: File was partially uploaded."
    assert arrival(failed(west, "e", 2, ended=noon)) == Arrival(**sftp, etag="e", size=2, failure=reason)


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("aws.s3", "Object Deleted"),
        ("aws.transfer", "SFTP Server File Download Completed"),
        ("aws.transfer", "Object Created"),
        ("evil.s3", "Object Created"),
    ],
)
def test_any_other_event_is_refused(west, source, kind):
    with pytest.raises(ValueError, match="not an intake event"):
        arrival(west.event(source, kind, west.upload(b"x")["detail"]))


# --- Received ------------------------------------------------------------------------------------


def test_an_sdk_upload_is_received_once_and_carried_by_one_execution(west):
    event = west.upload(b"a,b\n1,2\n")
    assert [west.accept(event) for _ in range(3)] == ["received"] * 3
    (fact,) = west.facts()
    version = event["detail"]["object"]["version-id"]
    head = west.client("s3").head_object(Bucket=west.bucket, Key=SDK, VersionId=version)
    assert fact.transfer == contract.transfer_id(fact.file, version, head["LastModified"])
    assert fact.detail == {
        "bucket": west.bucket,
        "version_id": version,
        "size": 8,
        "etag": event["detail"]["object"]["etag"],
        "destinations": ["partner"],
        "sequencer": event["detail"]["object"]["sequencer"],
    }
    day = timedelta(days=1)
    assert fact.expires == int((head["LastModified"].replace(microsecond=0) + 90 * day).timestamp())
    assert west.executions() == {
        f"{fact.transfer}-g1": {
            "id": fact.transfer,
            "file": contract.file_id(west.customer, SDK),
            "customer": west.customer,
            "bucket": west.bucket,
            "key": SDK,
            "version_id": version,
            "size": 8,
            "etag": fact.detail["etag"],
            "destinations": ["partner"],
            "expires": fact.expires,
            "taken_over": False,
            "asks": False,
        }
    }


def test_an_sftp_upload_is_received(west):
    assert west.accept(completed(west, b"abc")) == "received"
    (fact,) = west.facts(SFTP)
    assert (fact.kind, fact.detail["size"]) == (Kind.RECEIVED, 3)
    assert started(west) == [fact.detail["version_id"]]


def test_a_rename_is_one_file_however_many_events_report_it(west):
    version = put(west, b"abc")
    assert west.accept(renamed(west)) == "received"
    assert west.accept(copied(west, version, 3)) == "received"
    assert started(west) == [version["VersionId"]]
    assert len(west.facts(SFTP)) == 1


def test_each_version_is_a_transfer(west):
    events = [west.upload(b"same"), west.upload(b"same")]
    assert [west.accept(event) for event in reversed(events)] == ["received"] * 2
    assert started(west) == sorted(event["detail"]["object"]["version-id"] for event in events)
    assert len({fact.transfer for fact in west.facts()}) == 2


# --- Which version a Transfer Family event is about ----------------------------------------------


def test_overwritten_before_its_event_came_the_older_version_is_found_by_size_and_etag(west):
    first = completed(west, b"first")
    second = completed(west, b"second")
    assert west.accept(first) == "received"
    assert {fact.detail["size"] for fact in west.facts(SFTP)} == {5}
    assert west.accept(second) == "received"
    assert sorted(fact.detail["size"] for fact in west.facts(SFTP)) == [5, 6]


def test_overwritten_with_the_same_bytes_both_versions_are_received(west):
    """A feed of identical files: `policy: version` sends each of them."""
    first = completed(west, b"same")
    eventually(lambda: datetime.now(UTC) > ended_of(first) + timedelta(seconds=1.1))
    second = completed(west, b"same")
    for event in (second, first):
        assert west.accept(event) == "received"
    assert len(started(west)) == 2


def test_of_two_uploads_of_the_same_bytes_that_both_ended_both_are_received(west):
    """Otherwise, within one second, both events would find the version of the second."""
    ended = datetime.now(UTC) + timedelta(seconds=3)
    events = [completed(west, b"same", ended=ended) for _ in range(2)]
    for event in (*events, *events):
        assert west.accept(event) == "received"
        west.accept(completed(west, b"other", ended=ended))
    versions = {fact.detail["version_id"] for fact in west.facts(SFTP) if fact.detail["size"] == 4}
    assert len(versions) == 2


def test_of_two_such_uploads_whose_events_come_at_once_both_are_received(west):
    """Both events find the same version before either has received it: the later one looks again."""
    ended = datetime.now(UTC) + timedelta(seconds=3)
    first, second = (completed(west, b"same", ended=ended) for _ in range(2))

    class Meanwhile:
        """S3, which lets another function take in the other event between a reading and what follows."""

        def __init__(self, s3: Any) -> None:
            self._s3, self._is_first = s3, True

        def __getattr__(self, name: str) -> Any:
            return getattr(self._s3, name)

        def head_object(self, **which: Any) -> Any:
            if self._is_first:
                self._is_first = False
                assert west.accept(first) == "received"
            return self._s3.head_object(**which)

    assert west.with_client("s3", Meanwhile(west.client("s3"))).accept(second) == "received"
    assert len({fact.detail["version_id"] for fact in west.facts(SFTP)}) == 2
    assert len(started(west)) == 2


def test_a_repeated_event_is_not_about_a_version_so_old_that_its_facts_may_have_expired(west):
    """The same bytes were uploaded weeks ago; their facts have expired, but S3 still has the object."""
    put(west, b"same")
    (first,) = eventually(lambda: west.client("s3").list_object_versions(Bucket=west.bucket)["Versions"])
    event = completed(west, b"same")
    newest = west.client("s3").head_object(Bucket=west.bucket, Key=SFTP)["VersionId"]
    later = first["LastModified"] + timedelta(days=14, seconds=-1)
    assert [west.intake_at(later)(event) for _ in range(2)] == ["received"] * 2
    assert newest in started(west)
    assert len(started(west)) == 2, "both are of the last fourteen days"
    after = datetime.now(UTC) + timedelta(days=14, minutes=1)
    assert west.intake_at(after)(completed(west, b"same", ended=after)) == "gone"


def test_a_repeated_event_of_a_rename_is_not_about_an_older_object(west):
    """It has no ETag: the older object may be half a file, whose own event is still to come."""
    put(west, b"hal")
    whole = put(west, b"whole")
    event = renamed(west, ended=datetime.now(UTC) + timedelta(seconds=3))
    assert [west.accept(event) for _ in range(2)] == ["received"] * 2
    assert started(west) == [whole["VersionId"]]


def ended_of(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["detail"]["end-timestamp"])


def test_a_rename_is_not_matched_with_a_later_object(west):
    """The later object may be a part of a file."""
    whole = put(west, b"the whole file")
    event = renamed(west)
    eventually(lambda: datetime.now(UTC) > ended_of(event) + timedelta(seconds=1.1))
    put(west, b"the wh")
    assert west.accept(event) == "received"
    assert started(west) == [whole["VersionId"]]


@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=10)])
def test_an_object_that_may_be_later_than_a_rename_is_not_taken_for_its_file(west, late):
    """S3's times are in seconds: only an event that names the version tells a whole file from a part."""

    def head() -> datetime:
        return west.client("s3").head_object(Bucket=west.bucket, Key=SFTP)["LastModified"]

    whole = put(west, b"the whole file")
    put(west, b"the wh")
    event = renamed(west, ended=head() + timedelta(milliseconds=200) - late)
    assert west.accept(event) == "gone"
    assert untouched(west, SFTP)
    assert west.accept(copied(west, whole, 14)) == "received"
    assert west.accept(event) == "gone"
    assert started(west) == [whole["VersionId"]]


@pytest.mark.parametrize(("milliseconds", "is_unclear"), [(-1, True), (0, True), (999, True), (1000, False)])
def test_a_version_of_the_second_in_which_a_rename_ended_may_be_newer_than_it(milliseconds, is_unclear):
    """S3 gives whole seconds, and events have milliseconds."""
    written = datetime(2026, 3, 2, 12, tzinfo=UTC)
    ended = written + timedelta(milliseconds=milliseconds)
    assert _is_unclear(ended, [written, written - timedelta(seconds=5)]) is is_unclear


def test_when_the_clocks_disagree_a_version_is_still_found(west):
    event = completed(west, b"abc", ended=datetime.now(UTC) - timedelta(hours=1))
    assert west.accept(event) == "received"


def test_a_longer_key_is_another_file(west):
    put(west, b"abc", SFTP + ".bak")
    event = completed(west, b"abc")
    west.client("s3").delete_object(
        Bucket=west.bucket,
        Key=SFTP,
        VersionId=west.client("s3").head_object(Bucket=west.bucket, Key=SFTP)["VersionId"],
    )
    assert west.accept(event) == "gone"
    assert untouched(west, SFTP)


@pytest.mark.parametrize("difference", [{"bytes": 4}, {"etag": "0" * 32}])
def test_an_object_of_another_size_or_etag_does_not_match_the_event(west, difference):
    event = completed(west, b"abc")
    event["detail"] |= difference
    assert west.accept(event) == "gone"
    assert untouched(west, SFTP)


# --- What is not work ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "became"),
    [
        ("inbound/sdk/folder/", "folder"),
        ("inbound/sftp/acme/a.csv.filepart", "temporary"),
        ("inbound/sftp/acme/A.FILEPART", "temporary"),
        ("inbound/sdk/a.csv.filepart", "received"),
        ("inbound/sdk/.filepart/a.csv", "received"),
    ],
)
def test_folders_and_temporary_names(west, key, became):
    assert west.accept(west.upload(b"", key)) == became
    assert untouched(west, key) is (became != "received")


def test_a_key_that_ends_like_a_folders_and_has_content_is_rejected_with_a_receipt(west):
    key = "inbound/sdk/folder/"
    assert west.accept(west.upload(b"abc", key)) == "rejected"
    (receipt,) = west.receipts_published(1)
    assert receipt["reason"].startswith("its name ends in / like that of a folder, but it has content")
    assert not west.executions()


@pytest.mark.parametrize("letter", ["a", "ä", "\N{PILE OF POO}"])
def test_the_longest_key_that_can_be_archived_is_taken_and_a_longer_one_rejected(west, letter):
    room = 1024 - len(contract.archive_key(west.customer, "t" * 37, "inbound/sdk/"))
    folder = letter * (200 // len(letter.encode())) + "/"
    count, rest = divmod(room - 1, len(folder.encode()))
    key = f"inbound/sdk/{folder * count}x{'x' * rest}"
    assert west.accept(west.upload(b"abc", key)) == "received"
    (transfer,) = west.executions().values()
    assert len(contract.archive_key(west.customer, transfer["id"], key).encode()) == 1024
    assert west.accept(west.upload(b"abc", key + "x")) == "rejected"
    (receipt,) = west.receipts_published(1)
    assert receipt["reason"] == (
        f"its path below inbound/ has {room + 5} bytes, more than the {room + 4} that the archive can hold;"
        " shorten the name or the folders"
    )
    assert [fact.kind for fact in west.facts(key + "x")] == [Kind.RECEIPT, Kind.REJECTED]


@pytest.mark.parametrize(("excess", "result"), [(0, "received"), (1, "rejected")])
def test_a_name_that_is_too_long_for_a_partners_bucket_is_rejected_with_a_receipt(west, excess, result):
    name = "x" * (100 + excess)
    west.register(destinations={"partner": west.to_bucket("p" * (1024 - len("/") - 100))})
    assert west.accept(west.upload(b"abc", f"inbound/sdk/{name}")) == result
    assert len(west.executions()) == 1 - excess
    for receipt in west.receipts_published(excess):
        assert receipt["reason"] == (
            "its name at the destination has 101 bytes, more than the 100 that a partner's bucket can hold;"
            " shorten the name or the folders"
        )


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("../a.csv", "has the segment '..'"),
        ("a//b.csv", "has the segment ''"),
        ("a\\b.csv", "has a backslash"),
        ("a\x1bb.csv", "has a control character or is not text"),
        ("x" * 256, "has a segment over 255 bytes"),
    ],
)
def test_a_name_that_no_destination_takes_is_rejected_with_a_receipt(west, name, problem):
    assert west.accept(west.upload(b"abc", f"inbound/sdk/{name}")) == "rejected"
    assert not west.executions()
    (receipt,) = west.receipts_published(1)
    reason = f"its name {problem}, and no destination takes that; send it under another name"
    assert receipt["reason"] == reason


class Counted:
    """S3 whose listings have one version a page; counts the pages."""

    def __init__(self, client: Any) -> None:
        self._client, self.pages = client, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def list_object_versions(self, **asked: Any) -> Any:
        self.pages += 1
        return self._client.list_object_versions(**{**asked, "MaxKeys": 1})


def test_the_listing_of_a_file_ends_at_the_first_other_key(west):
    for number in range(5):
        put(west, b"other", f"{SFTP}.{number}")
    event = completed(west, b"abc")
    s3 = Counted(west.client("s3"))
    assert west.with_client("s3", s3).accept(event) == "received"
    assert s3.pages == 2, "one looks for the version, and one for those of the same second behind it"


# --- The order of versions ----------------------------------------------------------------------


def received(cell: Cell, key: str) -> list[Fact]:
    return [fact for fact in cell.facts(key) if fact.kind is Kind.RECEIVED]


def test_an_event_of_s3_leaves_its_sequencer_and_needs_no_listing(west):
    event = west.upload(b"abc")
    s3 = Counted(west.client("s3"))
    assert west.with_client("s3", s3).accept(event) == "received"
    (fact,) = received(west, SDK)
    assert fact.detail["sequencer"] == event["detail"]["object"]["sequencer"]
    assert "earlier" not in fact.detail
    assert s3.pages == 0


@pytest.mark.parametrize("newest_first", [False, True])
def test_versions_of_one_second_are_ordered_by_the_listing_in_whatever_order_their_events_come(
    west, newest_first
):
    def within_a_second() -> list[dict[str, Any]]:
        while True:
            key = f"inbound/sftp/acme/{next(_numbers)}.csv"
            events = [completed(west, content, key) for content in (b"", b"content")]
            versions = west.client("s3").list_object_versions(Bucket=west.bucket, Prefix=key)["Versions"]
            if len({each["LastModified"].replace(microsecond=0) for each in versions}) == 1:
                return events

    west.register(routes=[{"match": "sftp/**", "to": ["partner"], "on_unknown": "deliver"}])
    events = within_a_second()
    for event in reversed(events) if newest_first else events:
        assert west.accept(event) == "received"
    key = events[0]["detail"]["file-path"].removeprefix(f"/{west.bucket}/")
    empty, whole = sorted(received(west, key), key=lambda fact: fact.detail["size"])
    assert whole.detail["earlier"] == [empty.transfer]
    assert empty.detail["earlier"] == []
    facts = west.facts(key)
    assert is_newer(facts, whole.transfer, empty.transfer)
    assert not is_newer(facts, empty.transfer, whole.transfer)


def test_a_partial_upload_under_a_temporary_name_is_ignored(west):
    key = SFTP + ".filepart"
    etag = put(west, b"ab", key)["ETag"].strip('"')
    assert west.accept(failed(west, etag, 2, key)) == "temporary"
    assert untouched(west, key)


def test_an_event_about_a_version_that_is_gone_is_ignored(west):
    event = west.upload(b"abc")
    version = event["detail"]["object"]["version-id"]
    west.client("s3").delete_object(Bucket=west.bucket, Key=SDK, VersionId=version)
    assert west.accept(event) == "gone"
    assert untouched(west, SDK)


def test_a_deleted_file_whose_version_is_there_is_received(west):
    """An SDK or SFTP client may delete what it sent; that says nothing about the delivery."""
    event = west.upload(b"abc")
    west.client("s3").delete_object(Bucket=west.bucket, Key=SDK)
    assert west.accept(event) == "received"


# --- The other region ----------------------------------------------------------------------------


def replicate(cell: Cell, peer: Cell) -> None:
    rule = {
        "ID": "all",
        "Priority": 1,
        "Status": "Enabled",
        "Filter": {"Prefix": contract.INBOUND},
        "DeleteMarkerReplication": {"Status": "Disabled"},
        "Destination": {"Bucket": f"arn:aws-us-gov:s3:::{peer.bucket}"},
    }
    cell.client("s3").put_bucket_replication(
        Bucket=cell.bucket, ReplicationConfiguration={"Role": ROLE, "Rules": [rule]}
    )


def test_a_replica_is_the_other_regions_work_under_the_same_id(west, east):
    replicate(west, east)
    event = west.upload(b"abc")
    there = event | {"detail": event["detail"] | {"bucket": {"name": east.bucket}}}
    assert east.accept(there) == "replica"
    assert untouched(east, SDK)
    assert west.accept(event) == "received"
    version = event["detail"]["object"]["version-id"]
    replica = east.client("s3").head_object(Bucket=east.bucket, Key=SDK, VersionId=version)
    file = contract.file_id(east.customer, SDK)
    assert eventually(lambda: east.facts())[0].transfer == contract.transfer_id(
        file, version, replica["LastModified"]
    )


def test_an_upload_here_is_not_taken_for_a_replica_of_the_same_bytes(west, east):
    """A resend through the other region; the first copy arrives by replication after it."""
    replicate(west, east)
    event = completed(east, b"abc", ended=datetime.now(UTC) + timedelta(minutes=1))
    mine = east.client("s3").head_object(Bucket=east.bucket, Key=SFTP)["VersionId"]
    put(west, b"abc")
    assert east.client("s3").head_object(Bucket=east.bucket, Key=SFTP)["ReplicationStatus"] == "REPLICA"
    assert east.accept(event) == "received"
    assert started(east) == [mine]


@pytest.mark.parametrize("side", [WEST, EAST])
def test_the_bucket_of_the_other_region_or_of_somebody_else_is_refused(west, east, side):
    cell, peer = (west, east) if side == WEST else (east, west)
    for bucket in (peer.bucket, cell.archive_bucket, "somebody-else", f"mft-{side}"):
        event = cell.upload(b"abc")
        event["detail"]["bucket"]["name"] = bucket
        with pytest.raises(ValueError, match="is not a customer's bucket of"):
            cell.accept(event)
    assert untouched(cell, SDK)


def test_an_unknown_customer_is_an_error_and_the_event_comes_again(west):
    event = west.upload(b"abc")
    key = contract.config_key(west.customer)
    west.client("s3").delete_object(Bucket=west.config_bucket, Key=key)
    with pytest.raises(UnknownCustomerError, match=west.customer):
        west.accept(event)
    west.register()
    assert west.accept(event) == "received"


# --- Refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize("came", [2, 3], ids=["as stored", "more than was stored"])
def test_a_partial_upload_is_rejected_and_the_customer_notified(west, came):
    etag = put(west, b"ab")["ETag"].strip('"')
    event = failed(west, etag, came)
    assert [west.accept(event) for _ in range(2)] == ["rejected"] * 2
    assert sorted(fact.kind for fact in west.facts(SFTP)) == [Kind.RECEIPT, Kind.REJECTED]
    (receipt,) = west.receipts_published(1)
    assert (receipt["outcome"], receipt["key"], receipt["destinations"]) == ("rejected", SFTP, [])
    assert receipt["reason"] == "PARTIAL_UPLOAD: File was partially uploaded."
    assert not west.executions()


def test_an_upload_that_left_nothing_does_not_affect_the_file_before_it(west):
    """No byte came, so there is no object and no ETag: the object under that name is whole and under way."""
    whole = completed(west, b"whole")
    assert west.accept(failed(west, None, 0)) == "gone"
    assert west.accept(whole) == "received"
    assert [fact.kind for fact in west.facts(SFTP)] == [Kind.RECEIVED]


def test_a_file_that_was_received_is_not_rejected_later(west):
    """A second upload of the same bytes that breaks off at its end may leave no version of its own."""
    event = completed(west, b"whole")
    assert west.accept(event) == "received"
    assert west.accept(failed(west, event["detail"]["etag"], 5)) == "received"
    assert [fact.kind for fact in west.facts(SFTP)] == [Kind.RECEIVED]
    assert len(west.executions()) == 1


def test_a_key_that_no_route_takes_is_rejected_and_the_customer_notified(west):
    west.register(routes=[{"match": "sdk/*.txt", "to": ["partner"], "on_unknown": "hold"}])
    assert west.accept(west.upload(b"abc")) == "rejected"
    (receipt,) = west.receipts_published(1)
    assert (receipt["outcome"], receipt["reason"]) == ("rejected", "no route matches sdk/a.csv")
    assert not west.executions()


# --- Crashes and repetition ----------------------------------------------------------------------


def test_a_crash_between_the_fact_and_the_execution_is_made_good_by_the_next_event(west):
    event = west.upload(b"abc")
    dying = west.with_client("stepfunctions", Dying(west.client("stepfunctions"), "start_execution"))
    with pytest.raises(CrashError):
        dying.accept(event)
    assert [fact.kind for fact in west.facts()] == [Kind.RECEIVED]
    assert not west.executions()
    assert west.accept(event) == "received"
    assert len(west.facts()) == len(west.executions()) == 1


def test_a_crash_after_the_execution_started_starts_no_second(west):
    event = west.upload(b"abc")
    client = Dying(west.client("stepfunctions"), "start_execution", after=True)
    with pytest.raises(CrashError):
        west.with_client("stepfunctions", client).accept(event)
    eventually(lambda: ended_executions(west) == 1)
    assert west.accept(event) == "received"
    assert len(west.executions()) == 1


def ended_executions(cell: Cell) -> int:
    states = cell.client("stepfunctions")
    done = states.list_executions(stateMachineArn=cell.state_machine, statusFilter="SUCCEEDED")
    return len(done["executions"])


def test_a_crash_between_the_rejection_and_its_receipt_is_made_good(west):
    west.register(routes=[])
    event = west.upload(b"abc")
    with pytest.raises(CrashError):
        west.with_client("sns", Dying(west.client("sns"), "publish")).accept(event)
    assert [fact.kind for fact in west.facts()] == [Kind.REJECTED]
    assert west.accept(event) == "rejected"
    west.receipts_published(1)


@pytest.mark.parametrize("routes", [[], [{"match": "sdk/**", "to": ["new"], "on_unknown": "deliver"}]])
def test_where_a_file_goes_is_decided_once(west, routes):
    """The registry changes between a crash and the event's return: the recorded fact decides."""
    event = west.upload(b"abc")
    dying = west.with_client("stepfunctions", Dying(west.client("stepfunctions"), "start_execution"))
    with pytest.raises(CrashError):
        dying.accept(event)
    west.register(routes=routes)
    assert west.accept(event) == "received"
    assert [fact.detail["destinations"] for fact in west.facts()] == [["partner"]]
    assert [given["destinations"] for given in west.executions().values()] == [["partner"]]


# --- What clients do -------------------------------------------------------------------------------


def test_a_client_that_reconnects_and_sends_again_has_one_refusal_and_one_file(west):
    partial = put(west, b"ab")["ETag"].strip('"')
    broken = failed(west, partial, 2)
    whole = completed(west, b"abc")
    assert [west.accept(event) for event in (broken, whole, broken)] == ["rejected", "received", "rejected"]
    assert [fact.kind for fact in west.facts(SFTP)].count(Kind.RECEIVED) == 1
    (version,) = started(west)
    assert west.client("s3").head_object(Bucket=west.bucket, Key=SFTP)["VersionId"] == version
    (receipt,) = west.receipts_published(1)
    assert receipt["outcome"] == "rejected"


def test_a_file_that_is_renamed_in_a_circle_is_a_file_each_time_that_it_gets_a_name(west):
    """Its versions stay in the bucket when it is renamed again; none is carried twice."""
    names = [f"inbound/sftp/acme/{name}.csv" for name in ("a", "b", "c", "a")]
    events = [completed(west, b"abc", names[0])]
    for before, after in itertools.pairwise(names):
        version = put(west, b"abc", after)
        west.client("s3").delete_object(Bucket=west.bucket, Key=before)
        events += [renamed(west, after), copied(west, version, 3, after)]
    for event in (*events, *reversed(events)):
        west.accept(event)
    carried = [(each["key"], each["version_id"]) for each in west.executions().values()]
    assert sorted(key for key, _ in carried) == sorted(names)
    assert len(set(carried)) == len(names)
