"""Uploading one file to S3, which checks the SHA-256 of all it gets."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError

from runtime.contract import BucketRecord

#: Bytes of a part, and of the largest file that goes up in one request. S3 takes 10,000 parts, so files may
#: have 625 GiB. https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
PART = 64 * 1024 * 1024

#: What S3 answers where another try helps nobody: no permission, no such bucket.
_FINAL = {403, 404}


class UploadRefusedError(RuntimeError):
    """S3 will not take the file, however often it is sent; the message says where and why."""


@dataclass(frozen=True, kw_only=True)
class Uploaded:
    """What S3 has acknowledged: the version, and SHA-256 (hex) and size (bytes) of its content."""

    version_id: str
    sha256: str
    size: int


def upload(s3: Any, record: BucketRecord, key: str, source: BinaryIO, *, part: int = PART) -> Uploaded:
    """Upload what `source` has from where it stands.

    Raises RefusedError, or botocore's errors when another try may succeed; then nothing, or an upload whose
    answer was lost, is there: sending the same again is safe, for the platform compares.
    """
    parts = _Parts(source, part)
    where = {"Bucket": record.bucket, "Key": key}
    try:
        first = parts.next()
        done = _put(s3, where, first) if len(first) < part else _in_parts(s3, where, first, parts)
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in _FINAL:
            raise UploadRefusedError(f"s3://{record.bucket}/{key} in {record.region}: {error}") from error
        raise
    if "VersionId" not in done:
        raise UploadRefusedError(
            f"s3://{record.bucket} keeps no versions: it is not one of the platform's buckets"
        )
    return Uploaded(version_id=done["VersionId"], sha256=parts.sha256, size=parts.size)


class _Parts:
    """A file's content in parts; `sha256` and `size` are of all that was read so far."""

    def __init__(self, source: BinaryIO, part: int) -> None:
        self._source, self._part, self._hash = source, part, hashlib.sha256()
        self.size = 0

    def next(self) -> bytes:
        """Return the next part; an empty one at the end."""
        content = self._source.read(self._part)
        self._hash.update(content)
        self.size += len(content)
        return content

    def rest(self, first: bytes) -> Iterator[bytes]:
        """Yield the first part and all others."""
        content = first
        while content:
            yield content
            content = self.next()

    @property
    def sha256(self) -> str:
        """SHA-256 in hex."""
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
        # Where this fails too, the bucket's own rule removes the parts after some days.
        with suppress(ClientError, BotoCoreError):
            s3.abort_multipart_upload(**which)
        raise
    return answer


def _checksum(content: bytes) -> str:
    """Return SHA-256 as S3 has it in its headers."""
    return base64.b64encode(hashlib.sha256(content).digest()).decode()
