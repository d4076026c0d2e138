"""Delivery to a partner's bucket: S3 itself copies. The file is read only if S3 does not know its hash."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError

from runtime.delivery.comparison import Comparison
from runtime.delivery.content_hash import LARGEST_WHOLE, MIB
from runtime.delivery.errors import DeliveryError, DeliveryUnknownError, PermanentDeliveryError
from runtime.delivery.names import check_name
from runtime.delivery.outcome import Delivery
from runtime.delivery.source import ABSENT, DENIED, Source, code_of, s3_failure

#: Most bytes that CopyObject accepts; a larger object is copied in parts.
#: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
LARGEST_COPY = LARGEST_WHOLE

#: Bytes of a part. Small parts need many requests, which multiplies the time.
PART = 128 * MIB

#: Seconds that a copy in parts gets at least. With fewer left, the next attempt makes it.
COPY_SECONDS = 600.0

#: Failures before a request was sent.
_UNSENT = (EndpointConnectionError, ConnectTimeoutError)

#: The HTTP statuses of a server that failed, and of one that did not begin, which S3 also says by a code:
#: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_FAILED, _TOO_BUSY = 500, 503
_THROTTLED = frozenset({"SlowDown", "ServiceUnavailable"})


@dataclass(frozen=True, kw_only=True)
class S3Target:
    """A place in a partner's bucket. `prefix` is empty or a path; `region` is the bucket's region.

    `owner` is the account that the bucket has to belong to, None if that is not known.
    """

    bucket: str
    prefix: str = ""
    region: str | None = None
    owner: str | None = None

    def key(self, name: str) -> str:
        """Return the key of `name` below the prefix, which may or may not end in `/`."""
        prefix = self.prefix.strip("/")
        return f"{prefix}/{name}" if prefix else name

    def place(self, name: str) -> str:
        """Return the place of `name` in the form that messages use."""
        return f"s3://{self.bucket}/{self.key(name)}"


def deliver(
    source: Source,
    destination: S3Target,
    *,
    s3: Any,
    once: Any,
    name: str,
    after_unknown: bool = False,
    before: Callable[[], None] = lambda: None,
) -> Delivery:
    """Copy the source to `name` below the destination's prefix, where it appears complete or not at all.

    `s3` and `once` are clients of the destination's region. `once` makes the copy and repeats no request by
    itself: after a lost response the partner may have taken the copy away, and a repetition would send
    another one. The copy has the source's content type and bytes. Tags, metadata and encryption settings are
    the platform's and are not copied; the defaults of the partner's bucket apply. An existing object is
    replaced. With `after_unknown`, an object with the same key, size and SHA-256 counts as this delivery, and
    nothing is sent. `before` is called, and may raise, just before the copy is requested. Raises
    DeliveryError.
    """
    copy = _Copy(source, destination, s3, check_name(name))
    # Requested before anything is sent: a copy that may be written but not read could never be verified.
    there = copy.look()
    if after_unknown and there and (found := copy.same(there)):
        return found
    return copy.send(once, before)


def find(source: Source, destination: S3Target, *, s3: Any, name: str) -> Delivery | None:
    """Return the delivery, with `sent` False, if the object of that name has the source's size and content.

    Return None if there is no object or a different one. Raises DeliveryError: ComparisonUnfinishedError when
    the source's time runs out. The next call then goes on there, unless the object has changed meanwhile.
    """
    copy = _Copy(source, destination, s3, check_name(name))
    there = copy.look()
    return copy.same(there) if there else None


class _Copy:
    def __init__(self, source: Source, destination: S3Target, s3: Any, name: str) -> None:
        self._source, self._s3 = source, s3
        self._bucket, self._key = destination.bucket, destination.key(name)
        self._owner = {"ExpectedBucketOwner": destination.owner} if destination.owner else {}
        self._there = {"Bucket": self._bucket, "Key": self._key} | self._owner
        self._place = destination.place(name)

    def look(self) -> Mapping[str, Any] | None:
        """Return S3's response about the object at the destination, or None if there is none."""
        try:
            there: Mapping[str, Any] = self._s3.head_object(**self._there, ChecksumMode="ENABLED")
        except ClientError as error:
            # HeadObject does not distinguish a missing bucket from a missing object; the copy does.
            if code_of(error) in ABSENT:
                return None
            raise self._failure(error, "look") from error
        except BotoCoreError as error:
            raise self._failure(error, "look") from error
        return there

    def same(self, there: Mapping[str, Any]) -> Delivery | None:
        """Return the delivery, with `sent` False, if the object has the source's size and content."""
        if there["ContentLength"] != self._source.size:
            return None
        if theirs := _sha256(there):
            ours = _sha256(self._head_source()) or self._source.sha256()
            sha256 = ours if ours == theirs else None
        else:
            sha256 = self._compare(there)
        if sha256 is None:
            return None
        return Delivery(sha256=sha256, size=self._source.size, path=self._place, sent=False)

    def send(self, once: Any, before: Callable[[], None]) -> Delivery:
        """Copy, verify the size, and return the delivery.

        A copy that S3 has confirmed, and that is not there, was taken away by the partner. S3 shows a new
        object to every request that comes after its response:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel
        """
        head = self._head_source()
        whole = self._source.size <= LARGEST_COPY
        sha256 = _sha256(head)
        if whole:
            before()
            answer = self._copy(once, head)
        else:
            # The response to a copy in parts only has a hash of hashes, so the source is read. That takes
            # long for this size and is done first, so that a failure leaves nothing behind.
            sha256, answer = sha256 or self._source.sha256(), {}
            if self._source.remaining() < COPY_SECONDS:
                raise self._source.out_of_time("copy", 0, is_ahead=True)
            before()
            self._copy_in_parts(head)
        try:
            there = self.look()
            sha256 = sha256 or _sha256(answer) or self._source.sha256()
        except (ClientError, BotoCoreError, DeliveryError) as error:
            raise DeliveryUnknownError(self._place, "verify", f"copied, and then: {error}") from error
        size = there["ContentLength"] if there else self._source.size
        if size != self._source.size:
            reason = f"copied, and then {size} bytes, not {self._source.size}, were there"
            raise DeliveryUnknownError(self._place, "verify", reason)
        return Delivery(sha256=sha256, size=size, path=self._place)

    def _head_source(self) -> Mapping[str, Any]:
        source = self._source
        try:
            head: Mapping[str, Any] = source.s3.head_object(
                Bucket=source.bucket, Key=source.key, VersionId=source.version_id, ChecksumMode="ENABLED"
            )
        except (ClientError, BotoCoreError) as error:
            raise s3_failure(error, source.place, "look") from error
        return head

    def _copy(self, once: Any, head: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            answer = once.copy_object(**self._there, CopySource=self._copy_source(), **_how(head))
        except (ClientError, BotoCoreError) as error:
            raise self._failure(error, "copy") from error
        result: Mapping[str, Any] = answer.get("CopyObjectResult", {})
        return result

    def _copy_in_parts(self, head: Mapping[str, Any]) -> None:
        try:
            self._s3.copy(
                self._copy_source(),
                self._bucket,
                self._key,
                ExtraArgs=_how(head) | self._owner,
                SourceClient=self._source.s3,
                Config=TransferConfig(multipart_threshold=PART, multipart_chunksize=PART),
            )
        except (ClientError, BotoCoreError) as error:
            raise self._failure(error, "copy") from error

    def _copy_source(self) -> dict[str, str]:
        source = self._source
        return {"Bucket": source.bucket, "Key": source.key, "VersionId": source.version_id}

    def _compare(self, there: Mapping[str, Any]) -> str | None:
        """Read the object and the source in step; return the source's hash, or None if they differ."""
        identity = f"{self._place} {there['ETag']} {there['LastModified']}"
        comparison = Comparison(self._source, self._place, identity=identity)
        body = None
        try:
            with closing(comparison.pieces()) as pieces:
                for offset, ours in pieces:
                    body = body or self._s3.get_object(**self._there, Range=f"bytes={offset}-")["Body"]
                    if body.read(len(ours)) != ours:
                        return None
        except (ClientError, BotoCoreError) as error:
            raise self._failure(error, "read back") from error
        finally:
            if body:
                body.close()
        return comparison.sha256

    def _failure(self, error: ClientError | BotoCoreError, step: str) -> DeliveryError:
        if isinstance(error, ClientError) and code_of(error) in DENIED:
            reason = (
                f"access denied. The owner of bucket {self._bucket} must grant this role s3:PutObject and "
                f"s3:GetObject on {self._bucket}/*, s3:ListBucket on the bucket, and, if it has a KMS key, "
                "kms:GenerateDataKey and kms:Decrypt on that, and the customer's file must name it as kms_key"
            )
            if self._owner:
                reason += f"; and the bucket must belong to account {self._owner['ExpectedBucketOwner']}"
            return PermanentDeliveryError(self._place, step, reason)
        if step == "copy" and _is_unclear(error):
            return DeliveryUnknownError(self._place, step, f"requested, and then: {error}")
        return s3_failure(error, self._place, step)


def _is_unclear(error: ClientError | BotoCoreError) -> bool:
    """Return whether S3 may have carried out a request: it has not responded, or has failed at it."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= _FAILED and status != _TOO_BUSY and code_of(error) not in _THROTTLED
    return not isinstance(error, _UNSENT)


def _how(head: Mapping[str, Any]) -> dict[str, str]:
    return {
        "ChecksumAlgorithm": "SHA256",
        "MetadataDirective": "REPLACE",
        "TaggingDirective": "REPLACE",
        "ContentType": head.get("ContentType", "binary/octet-stream"),
        "CopySourceIfMatch": head["ETag"],
    }


def _sha256(answer: Mapping[str, Any]) -> str | None:
    """Return the SHA-256 of the whole content in hex, or None if S3 only has a hash of hashes, or none."""
    checksum = answer.get("ChecksumSHA256")
    if not checksum or "-" in checksum or answer.get("ChecksumType", "FULL_OBJECT") != "FULL_OBJECT":
        return None
    return base64.b64decode(checksum).hex()
