"""Uploads to an emulated S3: whole or in parts, refused, failing, and moving while they run."""

from __future__ import annotations

import base64
import hashlib
import os
import threading
import time
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from hypothesis import given
from hypothesis import strategies as st

from mft_client import (
    CredentialsError,
    FileChangedError,
    NameRefusedError,
    NoRecordError,
    NotAcknowledgedError,
    UploadRefusedError,
    aws_clients,
    content,
    upload,
)
from mft_client.content import ContentHash, SourceFile
from mft_client.file_names import key_of
from runtime.delivery import content_hash
from runtime.delivery.errors import PermanentDeliveryError
from runtime.delivery.names import check_name
from tests.client.conftest import ACCOUNT, EAST, KEY, WEST, Place

SILENCE = EndpointConnectionError(endpoint_url="https://s3")


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> int:
    """Uploads in parts of 10 bytes, which the emulated S3 takes."""
    monkeypatch.setattr(upload, "PART", 10)
    return 10


class Seen:
    """A client of S3 whose calls are listed, and in front of which something may happen."""

    def __init__(self, s3: Any, before: Callable[[str, dict[str, Any]], None] = lambda *_: None) -> None:
        self._s3, self._before = s3, before
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._s3, name)

        def call(**request: Any) -> Any:
            self._before(name, request)
            self.calls.append((name, request))
            return real(**request)

        return call

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.calls]


class Failing:
    """A client of S3 with one call that fails, before it is carried out or after."""

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


def refusal(code: str, status: int, operation: str = "PutObject") -> ClientError:
    answer = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)


# --- Whole or in parts -------------------------------------------------------------------------------


def test_a_file_goes_to_where_the_name_points_with_its_checksum(place: Place) -> None:
    sent = place.client().send(place.source, "daily/report.csv")
    assert place.held(WEST) == [b"a,b\n1,2\n"]
    assert (sent.key, sent.region, sent.size, sent.first) == (KEY, WEST, 8, sent.version_id)
    assert sent.sha256 == hashlib.sha256(b"a,b\n1,2\n").hexdigest()
    about = {"Bucket": sent.bucket, "Key": KEY, "VersionId": sent.version_id, "ChecksumMode": "ENABLED"}
    stored = place.estate.aws("s3", WEST).head_object(**about)
    assert base64.b64decode(stored["ChecksumSHA256"]).hex() == sent.sha256


@pytest.mark.parametrize("size", [0, 9, 10, 11, 95, 200])
def test_files_of_any_size_arrive_whole_in_parts_or_not(place: Place, small_parts: int, size: int) -> None:
    body = bytes(range(size))
    place.source.write_bytes(body)
    seen, progress = Seen(place.estate.aws("s3", WEST)), list[int]()
    client = place.client(s3=lambda _region: seen)
    sent = client.send(place.source, "daily/report.csv", progress=progress.append)
    assert place.held(WEST) == [body]
    assert (sent.size, sent.sha256) == (size, hashlib.sha256(body).hexdigest())
    assert (progress[-1], progress == sorted(progress)) == (size, True)
    assert ("complete_multipart_upload" in seen.names) is (size >= small_parts)
    assert {request["ExpectedBucketOwner"] for _, request in seen.calls} == {ACCOUNT}
    assert not place.unfinished(WEST)


def test_an_upload_in_parts_has_a_checksum_of_the_whole_object(place: Place, small_parts: int) -> None:
    place.source.write_bytes(bytes(25))
    sent = place.client().send(place.source, "daily/report.csv")
    about = {"Bucket": sent.bucket, "Key": KEY, "ChecksumMode": "ENABLED"}
    stored = place.estate.aws("s3", WEST).head_object(**about)
    assert stored["ChecksumType"] == "FULL_OBJECT"
    assert base64.b64decode(stored["ChecksumCRC32"]) == zlib.crc32(bytes(25)).to_bytes(4, "big")


def test_parts_that_were_mixed_up_are_not_taken_for_the_file(place: Place, small_parts: int) -> None:
    """Each part is whole, and S3 has the right ones; only the checksum of the whole tells the order."""
    place.source.write_bytes(bytes(range(20)))

    def exchange(name: str, request: dict[str, Any]) -> None:
        if name == "upload_part":
            request["PartNumber"] = 3 - request["PartNumber"]
        if name == "complete_multipart_upload":
            first, second = request["MultipartUpload"]["Parts"]
            first["ETag"], second["ETag"] = second["ETag"], first["ETag"]
            first["ChecksumCRC32"], second["ChecksumCRC32"] = second["ChecksumCRC32"], first["ChecksumCRC32"]

    client = place.client(s3=lambda region: Seen(place.estate.aws("s3", region), exchange), pauses=())
    with pytest.raises(NotAcknowledgedError, match="BadDigest"):
        client.send(place.source, "daily/report.csv")
    assert (place.held(WEST), place.unfinished(WEST)) == ([], [])


@pytest.mark.parametrize("call", ["create_multipart_upload", "upload_part", "complete_multipart_upload"])
def test_an_upload_in_parts_that_fails_leaves_nothing(place: Place, small_parts: int, call: str) -> None:
    place.source.write_bytes(bytes(25))
    s3 = Failing(place.estate.aws("s3", WEST), call, SILENCE)
    with pytest.raises(NotAcknowledgedError):
        place.client(s3=lambda region: s3, pauses=()).send(place.source, "daily/report.csv")
    assert (place.held(WEST), place.unfinished(WEST)) == ([], [])


def test_what_a_silent_region_kept_is_removed_by_the_next_try(place: Place, small_parts: int) -> None:
    place.source.write_bytes(bytes(25))
    s3 = Failing(place.estate.aws("s3", WEST), "upload_part", SILENCE)
    s3 = Failing(s3, "abort_multipart_upload", SILENCE)
    with pytest.raises(NotAcknowledgedError):
        place.client(s3=lambda region: s3, pauses=()).send(place.source, "daily/report.csv")
    assert len(place.unfinished(WEST)) == 1
    place.client().send(place.source, "daily/report.csv")
    assert (place.held(WEST), place.unfinished(WEST)) == ([bytes(25)], [])


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_the_hash_of_a_content_is_that_of_the_platform(pieces: list[bytes]) -> None:
    whole, size = b"".join(pieces), sum(map(len, pieces))
    with pytest.MonkeyPatch.context() as patch:
        for module, link in ((content, "LINK"), (content_hash, "PART")):
            patch.setattr(module, "LARGEST_WHOLE", 50)
            patch.setattr(module, link, 16)
        ours, theirs = ContentHash(size), content_hash.ContentHash(size, content_hash.Position())
        for piece in pieces:
            ours.feed(piece)
        theirs.feed(whole, 0)
        assert ours.text() == theirs.text()


# --- A file that changes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "when"),
    [
        ("is rewritten", "create_multipart_upload"),
        *((how, "upload_part") for how in ("grows", "is cut", "is rewritten", "is rewritten unnoticed")),
    ],
)
def test_a_file_that_changes_while_it_is_sent_is_refused_and_never_torn(
    place: Place, monkeypatch: pytest.MonkeyPatch, how: str, when: str
) -> None:
    monkeypatch.setattr(upload, "PART", 5_000)
    place.source.write_bytes(bytes(100_000))
    before, done = place.source.stat(), list[str]()

    def change(name: str, _request: dict[str, Any]) -> None:
        if name != when or done:
            return
        done.append(how)
        with place.source.open("r+b") as file:
            match how:
                case "grows":
                    file.seek(0, os.SEEK_END)
                    file.write(b"more")
                case "is cut":
                    file.truncate(99_000)
                case _:
                    file.seek(95_000)
                    file.write(b"x")
        if how == "is rewritten unnoticed":
            os.utime(place.source, ns=(before.st_atime_ns, before.st_mtime_ns))

    client = place.client(s3=lambda region: Seen(place.estate.aws("s3", region), change))
    with pytest.raises(
        FileChangedError, match=r"report\.csv: changes while it is sent, so nothing of it was"
    ):
        client.send(place.source, "daily/report.csv")
    assert (place.held(WEST), place.unfinished(WEST), client.due().again) == ([], [], ())
    client.send(place.source, "daily/report.csv")
    assert place.held(WEST) == [place.source.read_bytes()]


def test_a_small_file_that_changes_after_it_was_measured_is_refused(place: Place) -> None:
    with SourceFile(place.source) as file:
        measured = file.measure()
        place.source.write_bytes(b"a,b\n1,3\n")
        with pytest.raises(FileChangedError):
            b"".join(file.pieces(measured, 100))


def test_what_is_no_file_is_refused(place: Place) -> None:
    for path in (place.folder, place.folder / "nothing.csv"):
        with pytest.raises(FileChangedError, match="there is no such file"):
            place.client().send(path, "a.csv")
    assert place.client().files() == []


# --- Failover ----------------------------------------------------------------------------------------


def test_a_client_leaves_a_silent_region_when_its_name_moves(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """The cached record is still valid when the upload fails: it is looked up again without waiting."""

    def pause(seconds: float) -> None:
        place.slept.append(seconds)
        if len(place.slept) == 3:
            place.points_to(EAST)

    west = Failing(place.estate.aws("s3", WEST), "put_object", SILENCE, times=99)
    of_region = {WEST: west, EAST: place.estate.aws("s3", EAST)}
    sent = place.client(sleep=pause, s3=of_region.__getitem__).send(place.source, "daily/report.csv")
    assert (sent.region, place.slept) == (EAST, [2.5, 5, 10])
    waits = [record.getMessage().rpartition("; ")[2] for record in caplog.records if "next try" in record.msg]
    assert waits == ["the next try is in 2 s", "the next try is in 5 s", "the next try is in 10 s"]
    assert (place.held(WEST), len(place.held(EAST))) == ([], 1)


@pytest.mark.parametrize(
    ("size", "part"),
    [
        (300_000, 10_000),
        pytest.param(200 * upload.MIB, upload.PART, marks=pytest.mark.exhaustive, id="200 MB"),
    ],
)
def test_an_upload_that_is_under_way_when_its_name_moves_goes_to_the_new_bucket(
    place: Place, monkeypatch: pytest.MonkeyPatch, size: int, part: int
) -> None:
    monkeypatch.setattr(upload, "PART", part)
    began, timeline = time.monotonic(), list[str]()
    body = os.urandom(size)
    place.source.write_bytes(body)
    counts = {WEST: 0, EAST: 0}

    def say(what: str) -> None:
        timeline.append(f"{time.monotonic() - began:6.2f} s  {what}")

    def before(region: str) -> Callable[[str, dict[str, Any]], None]:
        def look(name: str, _request: dict[str, Any]) -> None:
            counts[region] += name == "upload_part"
            if name != "upload_part":
                say(f"{region}: {name}")
            if region == WEST and name == "upload_part" and counts[WEST] == 6:
                place.points_to(EAST)
                place.ticks += 60.0
                say(f"the name moves to {EAST}, and its TTL of 60 s ends; West still takes parts")

        return look

    regions = {each: Seen(place.estate.aws("s3", each), before(each)) for each in (WEST, EAST)}
    sent = place.client(s3=regions.__getitem__).send(place.source, "daily/report.csv")
    say(f"acknowledged by {sent.region} as {sent.version_id}")
    print("\n".join([f"{size:,} bytes in parts of {part:,}", *timeline]))
    assert sent.region == EAST
    assert (counts[WEST] < size // part, counts[EAST]) == (True, -(-size // part))
    assert "complete_multipart_upload" not in regions[WEST].names
    assert (place.held(WEST), place.unfinished(WEST), place.held(EAST)) == ([], [], [body])


def test_a_region_that_dies_in_the_middle_of_an_upload_is_left_for_the_other(
    place: Place, small_parts: int
) -> None:
    place.source.write_bytes(bytes(range(200)))

    def die(_name: str, _request: dict[str, Any]) -> None:
        if west.names.count("upload_part") >= 8:
            raise SILENCE

    def pause(seconds: float) -> None:
        place.slept.append(seconds)
        if len(place.slept) == 2:
            place.points_to(EAST)

    west, east = Seen(place.estate.aws("s3", WEST), die), place.estate.aws("s3", EAST)
    client = place.client(sleep=pause, s3={WEST: west, EAST: east}.__getitem__)
    assert client.send(place.source, "daily/report.csv").region == EAST
    assert (place.slept, place.held(WEST), place.held(EAST)) == ([2.5, 5], [], [bytes(range(200))])
    # West is back: what it kept of the upload is removed as soon as the name is used again.
    assert len(place.unfinished(WEST)) == 1
    place.client().send(place.source, "daily/report.csv")
    assert not place.unfinished(WEST)


def test_while_no_resolver_answers_parts_go_on_and_nothing_is_completed(
    place: Place, small_parts: int
) -> None:
    place.source.write_bytes(bytes(200))
    discovery, down = place.discovery(), list[bool]()
    ask = discovery._ask

    def silent(name: str) -> Any:
        if down:
            raise NoRecordError("no resolver answers")
        return ask(name)

    def lose(name: str, _request: dict[str, Any]) -> None:
        if name == "upload_part" and not down:
            down.append(True)
            place.ticks += 60.0

    def pause(seconds: float) -> None:
        place.slept.append(seconds)
        assert s3.names.count("upload_part") == 20
        assert "complete_multipart_upload" not in s3.names
        if len(place.slept) == 2:
            down.clear()

    discovery._ask = silent  # type: ignore[method-assign]
    s3 = Seen(place.estate.aws("s3", WEST), lose)
    sent = place.client(discovery=discovery, sleep=pause, s3=lambda _: s3).send(place.source, "a.csv")
    assert (sent.region, place.slept) == (WEST, [2.5, 5.0])
    assert s3.names.count("upload_part") == 20, "nothing was sent twice"


# --- Refusals ----------------------------------------------------------------------------------------


def test_an_upload_that_nobody_acknowledges_is_an_error_that_says_why(place: Place) -> None:
    west = Failing(place.estate.aws("s3", WEST), "put_object", SILENCE, times=99)
    client = place.client(s3=lambda region: west)
    with pytest.raises(
        NotAcknowledgedError, match=r"report\.csv as inbound/sdk/a\.csv: after 9 tries.*https://s3"
    ):
        client.send(place.source, "a.csv")
    assert sum(place.slept) > 600
    assert [each.key for each in client.due().again] == ["inbound/sdk/a.csv"]


def test_a_bucket_that_refuses_is_not_tried_again(place: Place) -> None:
    s3 = Failing(place.estate.aws("s3", WEST), "put_object", refusal("AccessDenied", 403), times=9)
    with pytest.raises(UploadRefusedError, match=rf"s3://{place.bucket(WEST)}/.* in {WEST}: .*AccessDenied"):
        place.client(s3=lambda region: s3).send(place.source, "a.csv")
    assert place.slept == []


def test_a_bucket_without_versioning_is_refused(place: Place) -> None:
    s3 = place.estate.aws("s3", WEST)
    s3.delete_bucket(Bucket=place.bucket(WEST))
    s3.create_bucket(Bucket=place.bucket(WEST), CreateBucketConfiguration={"LocationConstraint": WEST})
    with pytest.raises(UploadRefusedError, match="keeps no versions"):
        place.client().send(place.source, "a.csv")


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
    client = place.client()
    with pytest.raises(
        NameRefusedError, match=r"is not the name of a file: .*; write it as `folder/report.csv`"
    ):
        client.send(place.source, name)
    assert (place.versions(WEST), client.files()) == ([], [])


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
        with pytest.raises(NameRefusedError, match="is not the name of a file"):
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
            raise refusal(code, status)

    error = UploadRefusedError if tries == 1 else NotAcknowledgedError
    with pytest.raises(error, match=code):
        place.client(s3=lambda _region: Refusing()).send(place.source, "a.csv")
    assert (len(asked), len(place.slept)) == (tries, tries - 1)


@pytest.mark.parametrize(
    "error",
    [
        NoCredentialsError(),
        refusal("ExpiredToken", 400),
        refusal("InvalidToken", 400),
        refusal("InvalidAccessKeyId", 403),
        refusal("SignatureDoesNotMatch", 403),
    ],
    ids=repr,
)
def test_bad_credentials_are_refused_at_once_with_the_remedy(place: Place, error: Exception) -> None:
    s3 = Failing(place.estate.aws("s3", WEST), "put_object", error, times=99)
    with pytest.raises(CredentialsError, match=r"set AWS_PROFILE, or AWS_ACCESS_KEY_ID"):
        place.client(s3=lambda _: s3).send(place.source, "a.csv")
    assert (place.slept, len(place.client().due().again)) == ([], 1)


@pytest.mark.parametrize("size", [8, 25])
def test_a_bucket_of_another_account_is_refused(place: Place, small_parts: int, size: int) -> None:
    place.source.write_bytes(bytes(size))
    assert place.client().send(place.source, "a.csv").size == size
    stranger = place.settings(account="210987654321")
    with pytest.raises(UploadRefusedError, match=r"AccessDenied.*account 210987654321's"):
        place.client(settings=stranger).send(place.source, "b.csv")
    assert [version["Key"] for version in place.versions(WEST)] == ["inbound/sdk/a.csv"]
    assert not place.unfinished(WEST)


def test_its_own_clients_sign_for_the_region_and_use_fips_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    made = aws_clients.new_client("s3", EAST)
    assert made.meta.endpoint_url == "https://s3-fips.us-gov-east-1.amazonaws.com"
    assert made.meta.region_name == EAST
    assert made.meta.config.s3["payload_signing_enabled"] is True
    made.close()


def test_large_parts_are_not_all_in_memory(
    place: Place, small_parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "_MEMORY", 25)
    place.source.write_bytes(bytes(100))
    under_way, most = [0], [0]
    lock = threading.Lock()

    class Counting(Seen):
        def __getattr__(self, name: str) -> Any:
            call = super().__getattr__(name)

            def counted(**request: Any) -> Any:
                with lock:
                    under_way[0] += name == "upload_part"
                    most[0] = max(most[0], under_way[0])
                try:
                    return call(**request)
                finally:
                    with lock:
                        under_way[0] -= name == "upload_part"

            return counted

    place.client(s3=lambda region: Counting(place.estate.aws("s3", region))).send(place.source, "a.csv")
    assert most[0] <= 2
    assert place.held(WEST, "inbound/sdk/a.csv") == [bytes(100)]
