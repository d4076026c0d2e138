"""Deliveries to a bucket: with an emulated S3, and with answers of S3 that the emulator cannot give."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from local.aws.emulator import Emulator
from local.sftp.partners import partner
from runtime.delivery import (
    ComparisonUnfinishedError,
    Delivery,
    DeliveryUnknownError,
    PermanentDeliveryError,
    Source,
    TransientDeliveryError,
    s3,
)
from runtime.delivery.s3 import S3Target, find
from runtime.delivery.s3 import deliver as deliver_by
from runtime.delivery.sftp import deliver_now
from tests.delivery.support import MemoryProgress, destination_of

WEST, EAST = "us-gov-west-1", "us-gov-east-1"
CONTENT = os.urandom(1_000_003)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OURS, THEIRS = "mft-acme-west", "partner-drop"


@pytest.fixture(scope="module")
def aws() -> Iterator[Emulator]:
    """An emulated AWS with the platform's bucket in the West and a partner's in the East."""
    with Emulator() as running:
        for bucket, region in ((OURS, WEST), (THEIRS, EAST)):
            running.client("s3", region).create_bucket(
                Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region}
            )
        running.client("s3", WEST).put_bucket_versioning(
            Bucket=OURS, VersioningConfiguration={"Status": "Enabled"}
        )
        yield running


@pytest.fixture
def theirs(aws: Emulator) -> Any:
    """A client of the partner's region, with the partner's bucket empty."""
    client = aws.client("s3", EAST)
    for found in client.list_objects_v2(Bucket=THEIRS).get("Contents", ()):
        client.delete_object(Bucket=THEIRS, Key=found["Key"])
    return client


def deliver(source: Source, destination: S3Target, *, s3: Any, **how: Any) -> Delivery:
    """Deliver with one client for everything."""
    return deliver_by(source, destination, s3=s3, once=s3, **how)


def put(aws: Emulator, content: bytes = CONTENT, **how: Any) -> Source:
    ours = aws.client("s3", WEST)
    answer = ours.put_object(Bucket=OURS, Key="inbound/sdk/a.csv", Body=content, **how)
    version = answer["VersionId"]
    return Source(s3=ours, bucket=OURS, key="inbound/sdk/a.csv", version_id=version, size=len(content))


def objects(theirs: Any) -> dict[str, bytes]:
    keys = [found["Key"] for found in theirs.list_objects_v2(Bucket=THEIRS).get("Contents", ())]
    return {key: theirs.get_object(Bucket=THEIRS, Key=key)["Body"].read() for key in keys}


TO = S3Target(bucket=THEIRS, prefix="in/", region=EAST)

# --- That end well -------------------------------------------------------------------------------


@pytest.mark.parametrize("checksum", ["SHA256", "CRC32"])
@pytest.mark.parametrize("content", [CONTENT, b""])
def test_arrives_byte_for_byte(aws: Emulator, theirs: Any, content: bytes, checksum: str) -> None:
    source = put(aws, content, ChecksumAlgorithm=checksum)
    delivery = deliver(source, TO, s3=theirs, name="2026/a.csv")
    sha256 = hashlib.sha256(content).hexdigest()
    assert delivery == Delivery(
        sha256=sha256, size=len(content), path=f"s3://{THEIRS}/in/2026/a.csv", sent=True
    )
    assert objects(theirs) == {"in/2026/a.csv": content}


def test_the_submitted_version_is_delivered_and_not_a_later_one(aws: Emulator, theirs: Any) -> None:
    source = put(aws)
    put(aws, b"newer")
    deliver(source, TO, s3=theirs, name="a.csv")
    assert objects(theirs) == {"in/a.csv": CONTENT}


def test_the_content_type_is_copied_and_internal_metadata_and_tags_are_not(
    aws: Emulator, theirs: Any
) -> None:
    source = put(aws, ContentType="text/csv", Metadata={"internal": "yes"}, Tagging="internal=yes")
    client, requests = aws.new_client("s3", EAST), []
    client.meta.events.register(
        "provide-client-params.s3.CopyObject", lambda params, **_: requests.append(params)
    )
    deliver(source, TO, s3=client, name="a.csv")
    client.close()
    # S3 takes the type from the request alone when metadata are replaced; the emulator keeps the source's.
    assert requests[0]["ContentType"] == "text/csv"
    head = theirs.head_object(Bucket=THEIRS, Key="in/a.csv")
    assert (head["ContentType"], head["Metadata"]) == ("text/csv", {})
    assert theirs.get_object_tagging(Bucket=THEIRS, Key="in/a.csv")["TagSet"] == []


def test_an_existing_object_is_replaced(aws: Emulator, theirs: Any) -> None:
    for old in (b"old", CONTENT):
        theirs.put_object(Bucket=THEIRS, Key="in/a.csv", Body=old)
        assert deliver(put(aws), TO, s3=theirs, name="a.csv").sent
    assert objects(theirs) == {"in/a.csv": CONTENT}


@pytest.mark.parametrize("largest", [s3.LARGEST_COPY, 1_000])
def test_a_bucket_of_another_account_gets_nothing(
    aws: Emulator, theirs: Any, monkeypatch: pytest.MonkeyPatch, largest: int
) -> None:
    monkeypatch.setattr(s3, "LARGEST_COPY", largest)  # above which it is copied in parts
    with pytest.raises(PermanentDeliveryError, match="the bucket must belong to account 210987654321"):
        deliver(put(aws), replace(TO, owner="210987654321"), s3=theirs, name="a.csv")
    assert objects(theirs) == {}
    client, calls = aws.new_client("s3", EAST), []
    client.meta.events.register(
        "before-call.s3.*", lambda model, params, **_: calls.append((model.name, params["headers"]))
    )
    assert deliver(put(aws), replace(TO, owner=aws.account), s3=client, name="a.csv").sent
    assert deliver(put(aws), replace(TO, owner=aws.account), s3=client, name="a.csv", after_unknown=True)
    client.close()
    assert calls
    assert [
        name for name, headers in calls if headers.get("x-amz-expected-bucket-owner") != aws.account
    ] == []
    assert objects(theirs) == {"in/a.csv": CONTENT}


@pytest.mark.parametrize(("prefix", "key"), [("", "a"), ("in", "in/a"), ("in/", "in/a"), ("/x/y/", "x/y/a")])
def test_a_prefix_is_a_directory(prefix: str, key: str) -> None:
    assert S3Target(bucket="b", prefix=prefix).key("a") == key


def test_a_large_object_is_copied_in_parts(
    aws: Emulator, theirs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "LARGEST_COPY", 6 << 20)
    monkeypatch.setattr(s3, "PART", 5 << 20)
    content = os.urandom(12 << 20)
    calls: list[str] = []
    client = aws.new_client("s3", EAST)
    client.meta.events.register("before-call.s3.*", lambda model, **_: calls.append(model.name))
    delivery = deliver(put(aws, content), TO, s3=client, name="a.csv")
    client.close()
    assert delivery.sha256 == hashlib.sha256(content).hexdigest()
    assert objects(theirs) == {"in/a.csv": content}
    assert calls.count("UploadPartCopy") == 3


def test_a_copy_in_parts_for_which_little_time_is_left_is_made_by_the_next_attempt(
    aws: Emulator, theirs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "LARGEST_COPY", 1_000)
    source = replace(put(aws), progress=MemoryProgress(), remaining=lambda: s3.COPY_SECONDS - 1)
    with pytest.raises(ComparisonUnfinishedError):
        deliver(source, TO, s3=theirs, name="a.csv")
    assert objects(theirs) == {}
    assert deliver(replace(source, remaining=lambda: s3.COPY_SECONDS), TO, s3=theirs, name="a.csv").sent


def test_after_an_unknown_outcome_an_object_that_is_there_is_not_sent_again(
    aws: Emulator, theirs: Any
) -> None:
    source = put(aws)
    deliver(source, TO, s3=theirs, name="a.csv")
    before = theirs.head_object(Bucket=THEIRS, Key="in/a.csv")["LastModified"]
    again = deliver(source, TO, s3=theirs, name="a.csv", after_unknown=True)
    assert find(source, TO, s3=theirs, name="a.csv") == again
    assert find(source, TO, s3=theirs, name="b.csv") is None
    assert again == Delivery(sha256=SHA256, size=len(CONTENT), path=f"s3://{THEIRS}/in/a.csv", sent=False)
    assert theirs.head_object(Bucket=THEIRS, Key="in/a.csv")["LastModified"] == before


@pytest.mark.parametrize("there", [None, b"x", bytes(len(CONTENT))])
def test_after_an_unknown_outcome_any_other_content_is_replaced(
    aws: Emulator, theirs: Any, there: bytes | None
) -> None:
    if there is not None:
        theirs.put_object(Bucket=THEIRS, Key="in/a.csv", Body=there)
    assert deliver(put(aws), TO, s3=theirs, name="a.csv", after_unknown=True).sent
    assert objects(theirs) == {"in/a.csv": CONTENT}


def test_from_the_bucket_to_a_server(aws: Emulator) -> None:
    """The same source, over SFTP: S3's stream as botocore gives it."""
    with partner() as server:
        how = {"private_key": server.private_key, "name": "a.csv", "attempt": "1"}
        assert deliver_now(put(aws), destination_of(server), **how).sha256 == SHA256
        assert server.files() == {"a.csv": CONTENT}


# --- That fail -----------------------------------------------------------------------------------


def test_a_source_that_is_gone_is_permanent(aws: Emulator, theirs: Any) -> None:
    source = put(aws)
    source.s3.delete_object(Bucket=OURS, Key=source.key, VersionId=source.version_id)
    with pytest.raises(PermanentDeliveryError, match=f"^s3://{OURS}/.*: look: 404"):
        deliver(source, TO, s3=theirs, name="a.csv")
    assert objects(theirs) == {}


def test_a_bucket_that_does_not_exist_is_permanent(aws: Emulator, theirs: Any) -> None:
    with pytest.raises(PermanentDeliveryError, match=r"^s3://no-such-bucket/a.csv: copy: NoSuchBucket"):
        deliver(put(aws), S3Target(bucket="no-such-bucket"), s3=theirs, name="a.csv")


def test_a_dangerous_name_is_permanent(aws: Emulator, theirs: Any) -> None:
    with pytest.raises(PermanentDeliveryError, match="name: "):
        deliver(put(aws), TO, s3=theirs, name="../a.csv")


class Answers:
    """A client of the partner's bucket with given answers to some calls; it passes the others on."""

    def __init__(self, client: Any, **instead: Exception | dict[str, Any] | list[Any]) -> None:
        self._client, self._instead = client, instead
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **how: Any) -> Any:
            self.calls.append(name)
            answer = self._instead.get(name)
            if isinstance(answer, list):
                answer = answer.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return getattr(self._client, name)(*args, **how) if answer is None else answer

        return call


def refused(code: str, operation: str = "CopyObject", *, status: int = 0) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "said S3"}}
    if status:
        answer["ResponseMetadata"] = {"HTTPStatusCode": status}
    return ClientError(answer, operation)


@pytest.mark.parametrize(
    ("call", "error"), [("head_object", refused("403")), ("copy_object", refused("AccessDenied"))]
)
def test_denied_access_is_permanent_and_says_what_to_grant(
    aws: Emulator, theirs: Any, call: str, error: ClientError
) -> None:
    client = Answers(theirs, **{call: error})
    with pytest.raises(PermanentDeliveryError) as failure:
        deliver(put(aws), TO, s3=client, name="a.csv")
    for words in (THEIRS, "s3:PutObject", "s3:GetObject", "s3:ListBucket", "kms:GenerateDataKey"):
        assert words in failure.value.reason
    assert client.calls[-1] == call, "nothing was tried after that"
    assert objects(theirs) == {}


@pytest.mark.parametrize("call", ["head_object", "copy_object"])
@pytest.mark.parametrize("code", ["SlowDown", "InternalError", "RequestTimeout", "KMS.DisabledException"])
def test_other_refusals_are_transient(aws: Emulator, theirs: Any, call: str, code: str) -> None:
    with pytest.raises(TransientDeliveryError, match=rf": {code} said S3"):
        deliver(put(aws), TO, s3=Answers(theirs, **{call: refused(code)}), name="a.csv")


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("SlowDown", 503, TransientDeliveryError),  # it has not begun
        ("ServiceUnavailable", 503, TransientDeliveryError),
        ("SlowDown", 500, TransientDeliveryError),
        ("InternalError", 500, DeliveryUnknownError),  # it may have copied
        ("RequestTimeout", 400, TransientDeliveryError),
    ],
)
def test_what_a_failure_of_s3_says_of_the_copy(
    aws: Emulator, theirs: Any, code: str, status: int, kind: type[Exception]
) -> None:
    with pytest.raises(kind, match=code) as failure:
        deliver(put(aws), TO, s3=Answers(theirs, copy_object=refused(code, status=status)), name="a.csv")
    assert type(failure.value) is kind


def test_a_copy_that_was_never_asked_for_is_transient(aws: Emulator, theirs: Any) -> None:
    error = EndpointConnectionError(endpoint_url="https://s3")
    with pytest.raises(TransientDeliveryError, match="copy: EndpointConnectionError"):
        deliver(put(aws), TO, s3=Answers(theirs, copy_object=error), name="a.csv")


@pytest.mark.parametrize(
    ("instead", "words"),
    [
        (
            {"copy_object": ReadTimeoutError(endpoint_url="https://s3")},
            "copy: requested, and then",
        ),
        ({"head_object": [None, refused("500")]}, "verify: copied, and then: .*500"),
        ({"head_object": [None, {"ContentLength": 1}]}, "verify: copied, and then 1 bytes, not 1000003"),
    ],
)
def test_an_unanswered_or_unverified_copy_is_unknown(
    aws: Emulator, theirs: Any, instead: dict[str, Any], words: str
) -> None:
    with pytest.raises(DeliveryUnknownError, match=words):
        deliver(put(aws), TO, s3=Answers(theirs, **instead), name="a.csv")


@pytest.mark.parametrize("largest", [s3.LARGEST_COPY, 1])
def test_a_copy_that_the_partner_takes_away_at_once_is_delivered(
    aws: Emulator, theirs: Any, monkeypatch: pytest.MonkeyPatch, largest: int
) -> None:
    """S3 has confirmed the copy, whole or in parts. Sent again, the partner would have it twice."""
    monkeypatch.setattr(s3, "LARGEST_COPY", largest)

    class Collected(Answers):
        def head_object(self, **asked: Any) -> Any:
            for key in objects(theirs):
                theirs.delete_object(Bucket=THEIRS, Key=key)
            return theirs.head_object(**asked)

    delivery = deliver(put(aws), TO, s3=Collected(theirs), name="a.csv")
    assert (delivery.sha256, delivery.size, delivery.sent) == (SHA256, len(CONTENT), True)
    assert objects(theirs) == {}


def test_a_hash_of_hashes_is_not_taken_for_the_contents() -> None:
    of_parts = {"ChecksumSHA256": "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=-3"}
    assert s3._sha256(of_parts) is None
    assert (
        s3._sha256(
            {"ChecksumSHA256": "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=", "ChecksumType": "COMPOSITE"}
        )
        is None
    )
    whole = {"ChecksumSHA256": "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=", "ChecksumType": "FULL_OBJECT"}
    assert s3._sha256(whole) == hashlib.sha256(b"test").hexdigest()


def test_the_hash_is_taken_from_s3_where_s3_returns_it(aws: Emulator, theirs: Any) -> None:
    source = put(aws)
    ours = Answers(source.s3, get_object=AssertionError("the source was read"))
    response = {"CopyObjectResult": {"ChecksumSHA256": "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="}}

    class Copies(Answers):
        def copy_object(self, **how: Any) -> dict[str, Any]:
            self._client.copy_object(**how)
            return response

    unread = Source(s3=ours, bucket=OURS, key=source.key, version_id=source.version_id, size=source.size)
    delivery = deliver(unread, TO, s3=Copies(theirs), name="a.csv")
    assert delivery.sha256 == hashlib.sha256(b"test").hexdigest()
