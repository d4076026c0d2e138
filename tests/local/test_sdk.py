"""The customers' SDK, with a real name server that says where to upload, and an emulated S3."""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import dns.resolver
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from dns_estate import EAST, WEST, Estate
from hypothesis import given
from hypothesis import strategies as st

from local.dns.server import DnsServer
from runtime.client import (
    Buckets,
    Client,
    FileChangedError,
    JournalError,
    MessageError,
    NotAcknowledgedError,
    NotFoundError,
)
from runtime.client import client as client_module
from runtime.client.journal import Journal
from runtime.client.keys import key_of
from runtime.client.upload import UploadRefusedError, upload
from runtime.contract import BucketRecord, file_id, transfer_id
from runtime.delivery.errors import PermanentDeliveryError
from runtime.delivery.names import check_name

CUSTOMER = "c7k2m"
KEY = "inbound/sdk/daily/report.csv"
START = datetime(2026, 3, 2, 12, tzinfo=UTC)
_numbers = itertools.count(1)


class Place:
    """A customer's zone and buckets, and the client's machine, with clocks that stand still."""

    def __init__(self, estate: Estate, server: DnsServer, folder: Path) -> None:
        self.estate, self.server, self.folder = estate, server, folder
        self.number = next(_numbers)
        self.ticks, self.now, self.slept = 0.0, START, list[float]()
        self.source = folder / "report.csv"
        self.source.write_bytes(b"a,b\n1,2\n")
        for region in (WEST, EAST):
            estate.aws.bucket(self.bucket(region), region)
        self.points_to(WEST)

    def bucket(self, region: str) -> str:
        return f"sdk{self.number}-{CUSTOMER}-{'west' if region == WEST else 'east'}"

    def points_to(self, region: str, endpoint: str = "primary") -> None:
        """Point the TXT record of an endpoint to a region's bucket, as an evacuation does."""
        record = BucketRecord(bucket=self.bucket(region), region=region).render()
        self.estate.put(f"_bucket.{endpoint}.{CUSTOMER}", "TXT", f'"{record}"', ttl=60)
        self.server.refresh()

    def versions(self, region: str) -> list[dict[str, Any]]:
        found = self.estate.aws("s3", region).list_object_versions(Bucket=self.bucket(region))
        return list(found.get("Versions", ()))

    def resolver(self, port: int | None = None) -> dns.resolver.Resolver:
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = [self.server.address], port or self.server.port
        resolver.lifetime = 5.0
        return resolver

    def buckets(self, port: int | None = None) -> Buckets:
        return Buckets(CUSTOMER, self.estate.zone, resolver=self.resolver(port), clock=lambda: self.ticks)

    def client(self, **instead: Any) -> Client:
        """Return the client of a program that has just started."""
        usual = {
            "journal": self.folder / "sent.jsonl",
            "buckets": self.buckets(),
            "s3": lambda region: self.estate.aws("s3", region),
            "sleep": self.slept.append,
            "now": lambda: self.now,
        }
        return Client(CUSTOMER, self.estate.zone, **usual | instead)

    def held(self, region: str, key: str = KEY) -> list[bytes]:
        """Return the contents of a key's versions, oldest first."""
        s3 = self.estate.aws("s3", region)
        listed = s3.list_object_versions(Bucket=self.bucket(region), Prefix=key).get("Versions", [])
        which = [
            {"Bucket": self.bucket(region), "Key": key, "VersionId": each["VersionId"]} for each in listed
        ]
        return [s3.get_object(**each)["Body"].read() for each in reversed(which)]


@pytest.fixture
def place(aws: Any, tmp_path: Path) -> Iterator[Place]:
    estate = Estate(aws)
    with estate.serve() as server:
        yield Place(estate, server, tmp_path)
    estate.close()


def receipt(version_id: str, outcome: str, **about: Any) -> dict[str, Any]:
    return {"customer": CUSTOMER, "key": KEY, "version_id": version_id, "outcome": outcome, **about}


def notice(**about: Any) -> dict[str, Any]:
    """Return a notice that West is out, as ops/recovery/notice.py writes it."""
    lists = {name: {"count": 0, "files": []} for name in ("resend", "held", "delivered")}
    return {
        "customer": CUSTOMER,
        "outcome": "notice",
        "out": WEST,
        "region": EAST,
        "since": "2026-03-01T12:00:00Z",
        **lists,
        **about,
    }


def listed(version_id: str) -> dict[str, Any]:
    """Return a notice's list of the one file; the time in a transfer's id is S3's, unknown to clients."""
    transfer = transfer_id(file_id(CUSTOMER, KEY), version_id, START - timedelta(seconds=3))
    return {"count": 1, "files": [{"key": KEY, "transfer": transfer}]}


# --- Where to ------------------------------------------------------------------------------------------


def test_the_record_is_kept_for_its_ttl_and_not_a_second_longer(place: Place) -> None:
    buckets = place.buckets()
    assert buckets.find() == BucketRecord(bucket=place.bucket(WEST), region=WEST)
    place.points_to(EAST)
    place.ticks = 59.9
    assert buckets.find().region == WEST
    place.ticks = 60.0
    assert buckets.find() == BucketRecord(bucket=place.bucket(EAST), region=EAST)
    place.points_to(WEST)
    buckets.forget()
    assert buckets.find().region == WEST


def test_a_record_that_cannot_be_read_again_is_an_error_and_its_old_value_is_not_used(place: Place) -> None:
    buckets = place.buckets()
    buckets.find()
    place.estate.put(f"_bucket.primary.{CUSTOMER}", "TXT", '"v=mft2;somewhere"', ttl=60)
    place.server.refresh()
    place.ticks = 61.0
    with pytest.raises(NotFoundError, match=rf"_bucket.primary.{CUSTOMER}.*0 of its texts.*mft2"):
        buckets.find()
    with pytest.raises(NotFoundError, match=rf"_bucket.east.{CUSTOMER}.*does not exist"):
        buckets.find("east")


def test_other_texts_at_the_name_do_not_matter_and_two_buckets_do(place: Place) -> None:
    label = f"_bucket.west.{CUSTOMER}"
    place.estate.put(label, "TXT", '"hello"', '"v=mft1;bucket=b-1;" "region=us-gov-west-1"')
    place.server.refresh()
    assert place.buckets().find("west") == BucketRecord(bucket="b-1", region=WEST)
    place.estate.put(label, "TXT", '"v=mft1;bucket=b-1;region=r"', '"v=mft1;bucket=b-2;region=r"')
    place.server.refresh()
    with pytest.raises(NotFoundError, match="2 of its texts"):
        place.buckets().find("west")


# --- Uploading ---------------------------------------------------------------------------------------


def test_a_file_goes_to_where_the_name_points_with_its_checksum(place: Place) -> None:
    sent = place.client().upload(place.source, "daily/report.csv")
    assert place.held(WEST) == [b"a,b\n1,2\n"]
    assert (sent.key, sent.region, sent.size) == (KEY, WEST, 8)
    assert sent.sha256 == hashlib.sha256(b"a,b\n1,2\n").hexdigest()
    about = {"Bucket": sent.bucket, "Key": KEY, "VersionId": sent.version_id, "ChecksumMode": "ENABLED"}
    stored = place.estate.aws("s3", WEST).head_object(**about)["ChecksumSHA256"]
    assert base64.b64decode(stored).hex() == sent.sha256


@pytest.mark.parametrize("size", [0, 9, 10, 11, 20, 25])
def test_files_of_any_size_arrive_whole_in_parts_or_not(place: Place, size: int) -> None:
    content = bytes(range(size))
    s3, record = place.estate.aws("s3", WEST), BucketRecord(bucket=place.bucket(WEST), region=WEST)
    done = upload(s3, record, KEY, io.BytesIO(content), part=10)
    assert place.held(WEST) == [content]
    assert (done.size, done.sha256) == (size, hashlib.sha256(content).hexdigest())
    assert s3.head_object(Bucket=record.bucket, Key=KEY)["VersionId"] == done.version_id


class Failing:
    """A client of S3 with one call that fails."""

    def __init__(self, s3: Any, call: str, error: Exception, *, after: bool = False, times: int = 1) -> None:
        self._s3, self._call, self._error, self._after, self._left = s3, call, error, after, times

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._s3, name)
        if name != self._call:
            return real

        def call(**request: Any) -> Any:
            if self._left == 0:
                return real(**request)
            self._left -= 1
            if self._after:
                real(**request)
            raise self._error

        return call


SILENCE = EndpointConnectionError(endpoint_url="https://s3")


def test_an_upload_in_parts_that_fails_leaves_nothing(place: Place) -> None:
    s3, record = place.estate.aws("s3", WEST), BucketRecord(bucket=place.bucket(WEST), region=WEST)
    with pytest.raises(EndpointConnectionError):
        upload(Failing(s3, "complete_multipart_upload", SILENCE), record, KEY, io.BytesIO(bytes(25)), part=10)
    assert place.held(WEST) == []
    assert not s3.list_multipart_uploads(Bucket=record.bucket).get("Uploads")


def test_a_client_leaves_a_silent_region_when_its_name_moves(place: Place) -> None:
    """The cached record is still valid when the upload fails: it is looked up again without waiting."""

    def pause(seconds: float) -> None:
        place.slept.append(seconds)
        if len(place.slept) == 3:
            place.points_to(EAST)

    west = Failing(place.estate.aws("s3", WEST), "put_object", SILENCE, times=99)
    of_region = {WEST: west, EAST: place.estate.aws("s3", EAST)}
    sent = place.client(sleep=pause, s3=of_region.__getitem__).upload(place.source, "daily/report.csv")
    assert (sent.region, place.slept) == (EAST, [2.5, 5, 10])
    assert (place.held(WEST), len(place.held(EAST))) == ([], 1)


def test_an_upload_that_nobody_acknowledges_is_an_error_that_says_why(place: Place) -> None:
    west = Failing(place.estate.aws("s3", WEST), "put_object", SILENCE, times=99)
    client = place.client(s3=lambda region: west)
    with pytest.raises(
        NotAcknowledgedError, match=r"report\.csv as inbound/sdk/a\.csv: after 9 tries.*https://s3"
    ):
        client.upload(place.source, "a.csv")
    assert sum(place.slept) > 600
    assert not (place.folder / "sent.jsonl").exists(), "what was not acknowledged was not sent"


def test_a_bucket_that_refuses_is_not_tried_again(place: Place) -> None:
    denied = ClientError(
        {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}, "PutObject"
    )
    s3 = Failing(place.estate.aws("s3", WEST), "put_object", denied, times=9)
    with pytest.raises(UploadRefusedError, match=rf"s3://{place.bucket(WEST)}/.* in {WEST}: .*AccessDenied"):
        place.client(s3=lambda region: s3).upload(place.source, "a.csv")
    assert place.slept == []


def test_a_bucket_without_versioning_is_refused(place: Place) -> None:
    where = {"LocationConstraint": WEST}
    place.estate.aws("s3", WEST).create_bucket(Bucket=f"plain{place.number}", CreateBucketConfiguration=where)
    record = BucketRecord(bucket=f"plain{place.number}", region=WEST)
    with pytest.raises(UploadRefusedError, match="keeps no versions"):
        upload(place.estate.aws("s3", WEST), record, KEY, io.BytesIO(b"x"))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/a.csv",
        "folder/",
        "a//b.csv",
        "../a.csv",
        "a/../b.csv",
        "./a.csv",
        "a\\b.csv",
        "a\nb.csv",
        "a\x1bb.csv",
        "a\x7f.csv",
        "a\ud800.csv",
        "a" * 256,
        "\u00e9" * 128,
        "/".join("a" * 250 for _ in range(5)),
    ],
    ids=lambda name: ascii(name)[:20],
)
def test_a_name_that_could_never_be_delivered_is_refused_before_anything_is_sent(
    place: Place, name: str
) -> None:
    with pytest.raises(ValueError, match=r"is not the name of a file: .*; write it as `folder/report.csv`"):
        place.client().upload(place.source, name)
    assert not place.versions(WEST)
    assert not (place.folder / "sent.jsonl").exists()


@given(st.text(max_size=300))
def test_the_names_that_are_taken_are_those_that_a_delivery_takes(name: str) -> None:
    try:
        check_name(name)
        is_good = len(f"inbound/sdk/{name}".encode()) <= 1024
    except PermanentDeliveryError:
        is_good = False
    if is_good:
        assert key_of(name) == f"inbound/sdk/{name}"
    else:
        with pytest.raises(ValueError, match="is not the name of a file"):
            key_of(name)


@pytest.mark.parametrize(
    ("code", "status", "tries"),
    [
        ("InvalidRequest", 400, 1),
        ("EntityTooLarge", 400, 1),
        ("AccessDenied", 403, 1),
        ("NoSuchBucket", 404, 1),
        ("RequestTimeout", 400, 9),
        ("RequestTimeTooSkewed", 403, 9),
        ("SlowDown", 503, 9),
        ("InternalError", 500, 9),
    ],
)
def test_only_what_another_try_may_change_is_tried_again(
    place: Place, code: str, status: int, tries: int
) -> None:
    asked = []

    class Refusing:
        def put_object(self, **request: Any) -> None:
            asked.append(request)
            answer = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
            raise ClientError(answer, "PutObject")

    error = UploadRefusedError if tries == 1 else NotAcknowledgedError
    with pytest.raises(error, match=code):
        place.client(s3=lambda _region: Refusing()).upload(place.source, "a.csv")
    assert (len(asked), len(place.slept)) == (tries, tries - 1)


def test_a_bucket_of_another_account_is_refused(place: Place) -> None:
    owner = place.estate.aws("sts", WEST).get_caller_identity()["Account"]
    assert place.client(account=owner).upload(place.source, "a.csv").size
    with pytest.raises(UploadRefusedError, match="AccessDenied"):
        place.client(account="210987654321").upload(place.source, "b.csv")
    assert [version["Key"] for version in place.versions(WEST)] == ["inbound/sdk/a.csv"]


def test_its_own_clients_sign_for_the_region_and_use_fips_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the credentials that it saw first
    made = client_module._client(EAST)
    assert made.meta.endpoint_url == "https://s3-fips.us-gov-east-1.amazonaws.com"
    assert made.meta.region_name == EAST
    made.close()


# --- What to send again ------------------------------------------------------------------------------


def test_without_a_receipt_a_file_is_due_after_a_while_and_late_after_the_window(place: Place) -> None:
    client = place.client()
    sent = client.upload(place.source, "daily/report.csv")
    dues = []
    for minutes in (0, 29, 30, 24 * 60 - 1, 24 * 60):
        place.now = START + timedelta(minutes=minutes)
        dues.append((client.due().again, client.due().late))
    assert dues == [((), ()), ((), ()), ((sent,), ()), ((sent,), ()), ((), (sent,))]


@pytest.mark.parametrize(
    ("outcomes", "is_due"),
    [
        (["delivered"], False),
        (["duplicate"], False),
        (["held"], False),
        (["rejected"], False),
        (["failed"], True),
        (["failed", "delivered"], False),
        (["delivered", "failed"], False),  # receipts may come in any order
        (["held", "failed"], True),
    ],
)
def test_receipts_decide_whether_a_file_is_due(place: Place, outcomes: list[str], is_due: bool) -> None:
    client = place.client()
    sent = client.upload(place.source, "daily/report.csv")
    client.receive({**receipt(sent.version_id, "delivered"), "customer": "other"})
    client.receive(receipt("another version", "delivered"))
    for outcome in outcomes:
        client.receive(receipt(sent.version_id, outcome))
    assert bool(client.due().again) is is_due
    place.now += timedelta(hours=1)
    assert bool(client.due().again) is is_due


def test_a_file_sent_again_keeps_the_window_of_its_first_submission(place: Place) -> None:
    client = place.client()
    first = client.upload(place.source, "daily/report.csv")
    place.now += timedelta(minutes=40)
    (due,) = client.due().again
    again = client.resend(due)
    assert (again.first, again.version_id != first.version_id) == (first.version_id, True)
    assert client.due().again == ()
    place.now = START + timedelta(hours=24)
    assert client.due().late == (again,)
    client.receive(receipt(first.version_id, "delivered"))  # of the one that seemed lost
    assert client.due().late == ()


def test_only_the_last_content_under_a_name_is_sent_again(place: Place) -> None:
    client = place.client()
    client.upload(place.source, "daily/report.csv")
    place.source.write_bytes(b"corrected")
    newer = client.upload(place.source, "daily/report.csv")
    place.now += timedelta(hours=1)
    assert client.due().again == (newer,)


def test_a_file_that_has_changed_or_is_gone_is_not_sent_again(place: Place) -> None:
    client = place.client()
    sent = client.upload(place.source, "daily/report.csv")
    place.source.write_bytes(b"changed")
    with pytest.raises(FileChangedError, match=r"report\.csv: has changed"):
        client.resend(sent)
    place.source.unlink()
    with pytest.raises(FileChangedError, match=rf"report\.csv: is gone.*{sent.sha256}"):
        client.resend(sent)
    assert len(place.held(WEST)) == 1


def test_a_notice_makes_files_sent_to_the_lost_region_due_at_once(place: Place) -> None:
    client = place.client()
    west = client.upload(place.source, "daily/report.csv")
    place.points_to(EAST, "east")
    client.upload(place.source, "other.csv", endpoint="east")
    place.now += timedelta(minutes=1)
    client.receive(notice())
    assert client.due().again == (west,)
    place.now += timedelta(minutes=1)
    later = client.upload(place.source, "later.csv")  # West is back by then
    assert later.region == WEST
    assert client.due().again == (west,)


@pytest.mark.parametrize("name", ["delivered", "held"])
def test_files_that_a_notice_lists_as_delivered_or_held_are_not_sent_again(place: Place, name: str) -> None:
    client = place.client()
    sent = client.upload(place.source, "daily/report.csv")
    client.receive(notice(**{name: listed("another version")}))
    assert client.due().again == (sent,)
    client.receive(notice(**{name: listed(sent.version_id)}))
    place.now += timedelta(hours=1)
    assert client.due().again == ()


def test_a_notice_covers_the_files_sent_since_its_time(place: Place) -> None:
    client = place.client()
    client.upload(place.source, "daily/report.csv")
    client.receive(notice(since="2026-03-02T12:00:01Z"))
    assert client.due().again == ()


# --- Started again -----------------------------------------------------------------------------------


def test_a_restarted_client_remembers_its_submissions(place: Place) -> None:
    client = place.client()
    sent = [client.upload(place.source, f"{number}.csv") for number in range(3)]
    client.receive(receipt(sent[0].version_id, "delivered"))
    place.now += timedelta(minutes=1)
    client.receive(notice())
    place.now += timedelta(minutes=1)
    client.resend(sent[1])
    assert place.client().due() == client.due()
    assert [each.key for each in place.client().due().again] == ["inbound/sdk/2.csv"]


def test_what_was_added_to_the_journal_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a machine that fails could forget a file that S3 has acknowledged."""
    path, synced = tmp_path / "sent.jsonl", []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(path.read_bytes()))
    Journal(path).add({"sent": 1})
    assert synced == [b'{"sent": 1}\n']


def test_a_line_whose_writer_died_is_dropped_and_any_other_is_an_error(place: Place) -> None:
    client, journal = place.client(), place.folder / "sent.jsonl"
    sent = client.upload(place.source, "daily/report.csv")
    whole = journal.read_bytes()
    journal.write_bytes(whole + whole[: len(whole) // 2])
    place.now += timedelta(hours=1)
    started = place.client()
    assert started.due().again == (sent,)
    started.receive(receipt(sent.version_id, "delivered"))
    lines = [set(json.loads(line)) for line in journal.read_text().splitlines()]
    assert lines == [{"sent"}, {"message", "at"}]
    journal.write_bytes(b"what\n" + whole)
    with pytest.raises(JournalError, match=r"sent\.jsonl:1: not a line of JSON"):
        place.client()


def test_a_journal_of_another_version_is_continued(place: Place) -> None:
    """Version 0.1.0 wrote messages as `told`; a newer one may write fields and lines that are not known."""
    client, journal = place.client(), place.folder / "sent.jsonl"
    first, second = (client.upload(place.source, f"{number}.csv") for number in (1, 2))
    told = {"told": receipt(first.version_id, "delivered"), "at": place.now.isoformat()}
    newer = {"sent": {**second.document(), "compressed": True}}
    lines = [*journal.read_bytes().splitlines(), *(json.dumps(each).encode() for each in (told, newer))]
    lines.append(json.dumps({"paused": True, "at": place.now.isoformat()}).encode())
    journal.write_bytes(b"\n".join(lines) + b"\n")
    place.now += timedelta(hours=1)
    assert place.client().due().again == (second,)


@pytest.mark.parametrize(
    "message",
    [
        None,
        "a text",
        [],
        {"customer": CUSTOMER, "outcome": "delivered"},
        {"customer": CUSTOMER, "outcome": "delivered", "version_id": 1},
        {"customer": CUSTOMER, "outcome": "notice"},
        {"customer": CUSTOMER, "outcome": "notice", "out": WEST, "since": "yesterday"},
        {"customer": CUSTOMER, "outcome": "notice", "out": WEST, "since": "2026-03-02T12:00:00"},
        {"customer": CUSTOMER, "outcome": "notice", "out": WEST, "since": "2026-03-02T12:00:00Z"},
        {"Type": "Notification", "TopicArn": "t", "Message": "{"},
        {"Type": "Notification", "TopicArn": "t", "Message": "[]"},
    ],
    ids=str,
)
def test_a_bad_message_is_refused_and_the_journal_stays_readable(place: Place, message: Any) -> None:
    client = place.client()
    client.upload(place.source, "daily/report.csv")
    before = (place.folder / "sent.jsonl").read_bytes()
    with pytest.raises(MessageError):
        client.receive(message)
    assert (place.folder / "sent.jsonl").read_bytes() == before
    place.client()


def test_a_journal_with_a_message_that_an_earlier_version_could_not_read_is_continued(place: Place) -> None:
    sent = place.client().upload(place.source, "daily/report.csv")
    with (place.folder / "sent.jsonl").open("a") as journal:
        bad = {"customer": CUSTOMER, "outcome": "delivered"}
        journal.write(json.dumps({"at": START.isoformat(), "message": bad}) + "\n")
    client = place.client()
    client.receive(receipt(sent.version_id, "delivered"))
    place.now += timedelta(hours=2)
    assert not client.due().again
    assert not place.client().due().again


def test_a_receipt_in_the_envelope_of_sns_is_a_receipt(place: Place) -> None:
    client = place.client()
    sent = client.upload(place.source, "daily/report.csv")
    inner = json.dumps(receipt(sent.version_id, "delivered"))
    client.receive({"Type": "Notification", "TopicArn": "t", "MessageId": "m", "Message": inner})
    place.now += timedelta(hours=2)
    assert not client.due().again
    assert not place.client().due().again


def test_a_message_of_a_newer_version_changes_nothing(place: Place) -> None:
    client = place.client()
    sent = client.upload(place.source, "daily/report.csv")
    client.receive(receipt(sent.version_id, "recalled"))
    client.receive({"customer": CUSTOMER, "schema": 2, "state": "recalled"})
    place.now += timedelta(hours=1)
    assert place.client().due().again == (sent,)
    client.receive(receipt(sent.version_id, "delivered", schema=2, signature="s"))
    assert place.client().due().again == ()
