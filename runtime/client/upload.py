"""The upload of one file to S3, which verifies the SHA-256 of everything that it receives."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError

from runtime.contract import BucketRecord

#: Bytes of a part. A smaller file is uploaded in one request. S3 accepts 10,000 parts, so a file may have 625
#: GiB:
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
PART = 64 * 1024 * 1024

#: The refusals that another try may change: S3 is busy or read the request too slowly, the clock or the
#: credentials of the moment were wrong, an upload in parts was removed meanwhile. Any other stays the
#: same: no permission, no such bucket, a request that S3 does not accept.
#: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList
_PASSING = {
    "BadDigest",
    "ExpiredToken",
    "IncompleteBody",
    "NoSuchUpload",
    "OperationAborted",
    "RequestTimeTooSkewed",
    "RequestTimeout",
    "SlowDown",
    "Throttling",
    "TooManyRequests",
}


class UploadRefusedError(RuntimeError):
    """S3 does not accept the file, however often it is sent; the message says where and why."""


@dataclass(frozen=True, kw_only=True)
class Uploaded:
    """An upload that S3 has acknowledged: the version id, the SHA-256 in hex and the size in bytes."""

    version_id: str
    sha256: str
    size: int


def upload(
    s3: Any, record: BucketRecord, key: str, source: BinaryIO, *, owner: str | None = None, part: int = PART
) -> Uploaded:
    """Upload `source` from its current position; S3 refuses if `owner` is not the bucket's account.

    Raises UploadRefusedError, or botocore's errors if another try may succeed. The bucket then has either
    nothing or an upload whose response was lost. Sending the same again is safe, because the platform
    compares contents.
    """
    parts = _Parts(source, part)
    where = {"Bucket": record.bucket, "Key": key} | ({"ExpectedBucketOwner": owner} if owner else {})
    try:
        first = parts.next()
        done = _put(s3, where, first) if len(first) < part else _in_parts(s3, where, first, parts)
    except ClientError as error:
        if _is_final(error):
            raise UploadRefusedError(f"s3://{record.bucket}/{key} in {record.region}: {error}") from error
        raise
    if "VersionId" not in done:
        raise UploadRefusedError(
            f"s3://{record.bucket} keeps no versions: it is not one of the platform's buckets"
        )
    return Uploaded(version_id=done["VersionId"], sha256=parts.sha256, size=parts.size)


def _is_final(error: ClientError) -> bool:
    """Return whether the same request would be refused again."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return 400 <= status < 500 and error.response.get("Error", {}).get("Code") not in _PASSING


class _Parts:
    """The content of a file in parts; `sha256` and `size` cover everything that was read so far."""

    def __init__(self, source: BinaryIO, part: int) -> None:
        self._source, self._part, self._hash = source, part, hashlib.sha256()
        self.size = 0

    def next(self) -> bytes:
        """Return the next part, which is empty at the end."""
        content = self._source.read(self._part)
        self._hash.update(content)
        self.size += len(content)
        return content

    def rest(self, first: bytes) -> Iterator[bytes]:
        """Yield the first part, which was read already, and all further ones."""
        content = first
        while content:
            yield content
            content = self.next()

    @property
    def sha256(self) -> str:
        """The SHA-256 in hex."""
        return self._hash.hexdigest()


def _put(s3: Any, where: dict[str, str], content: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = s3.put_object(**where, Body=content, ChecksumSHA256=_checksum(content))
    return answer


def _in_parts(s3: Any, where: dict[str, str], first: bytes, parts: _Parts) -> dict[str, Any]:
    started = s3.create_multipart_upload(**where, ChecksumAlgorithm="SHA256")
    which = {**where, "UploadId": started["UploadId"]}
    try:
        sent = []
        for number, content in enumerate(parts.rest(first), start=1):
            checksum = _checksum(content)
            part = s3.upload_part(**which, PartNumber=number, Body=content, ChecksumSHA256=checksum)
            sent.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA256": checksum})
        answer: dict[str, Any] = s3.complete_multipart_upload(**which, MultipartUpload={"Parts": sent})
    except Exception:
        # If this fails too, a lifecycle rule of the bucket removes the parts after some days.
        with suppress(ClientError, BotoCoreError):
            s3.abort_multipart_upload(**which)
        raise
    return answer


def _checksum(content: bytes) -> str:
    """Return the SHA-256 in the form of S3's headers."""
    return base64.b64encode(hashlib.sha256(content).digest()).decode()
