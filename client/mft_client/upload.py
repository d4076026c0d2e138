"""The upload of one file to S3, whole or in parts, with a checksum of the whole that S3 compares."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from mft_client.aws_clients import WORKERS
from mft_client.content import Content, SourceFile
from mft_client.errors import UploadRefusedError
from mft_client.journal import Journal, OpenUpload
from mft_client.protocol import BucketRecord

MIB = 1024 * 1024

#: Bytes of a part. A smaller file is uploaded in one request.
PART = 16 * MIB

#: The most parts and the largest object of S3: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
_MOST_PARTS, _LARGEST = 10_000, 5 * 1024 * 1024 * MIB

#: Bytes of the parts that are in memory at the same time, besides the one that is read.
_MEMORY = 256 * MIB


def _nothing(_: object = None) -> None:
    """What is done where nobody asked for anything."""


@dataclass(frozen=True, kw_only=True)
class Upload:
    """One upload of what a file was measured to contain, to the bucket of a record, which `owner` has to own.

    `confirm` is called before each part, and with True before the upload is completed; whatever it raises
    ends the upload. `progress` is called with the number of bytes that S3 has.
    """

    s3: Any
    journal: Journal
    record: BucketRecord
    owner: str
    key: str
    source: SourceFile
    content: Content
    confirm: Callable[[bool], None] = _nothing
    progress: Callable[[int], None] = _nothing

    def run(self) -> tuple[str, str | None]:
        """Upload; return the version's id, and the id of the multipart upload, which is still in the journal.

        Raises FileChangedError if the file is no longer what was measured, UploadRefusedError, or botocore's
        errors if another try may succeed. The bucket then has either nothing or an upload whose response was
        lost. Sending the same again is safe, because the platform compares contents.
        """
        if self.content.size > _LARGEST:
            raise UploadRefusedError(
                f"{self.source.path}: has {self.content.size} bytes, and S3 takes {_LARGEST}; split it"
            )
        if self.content.size < PART:
            answer, upload_id = self._whole(), None
        else:
            upload_id = self._begin()
            answer = self._in_parts(upload_id)
        if "VersionId" not in answer:
            raise UploadRefusedError(
                f"s3://{self.record.bucket} keeps no versions: it is not one of the platform's buckets"
            )
        return answer["VersionId"], upload_id

    @property
    def _where(self) -> dict[str, str]:
        return {"Bucket": self.record.bucket, "Key": self.key, "ExpectedBucketOwner": self.owner}

    def _whole(self) -> dict[str, Any]:
        body = b"".join(self.source.pieces(self.content, PART))
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        answer: dict[str, Any] = self.s3.put_object(**self._where, Body=body, ChecksumSHA256=digest)
        self.progress(len(body))
        return answer

    def _begin(self) -> str:
        started = self.s3.create_multipart_upload(
            **self._where, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT"
        )
        upload_id = str(started["UploadId"])
        self.journal.opened(
            OpenUpload(
                upload_id=upload_id, region=self.record.region, bucket=self.record.bucket, key=self.key
            )
        )
        return upload_id

    def _in_parts(self, upload_id: str) -> dict[str, Any]:
        which = {**self._where, "UploadId": upload_id}
        size = max(PART, -(-self.content.size // _MOST_PARTS))
        try:
            with ThreadPoolExecutor(WORKERS, thread_name_prefix="part") as pool:
                parts, whole = self._send_parts(pool, which, size)
            self.confirm(True)
            answer: dict[str, Any] = self.s3.complete_multipart_upload(
                **which,
                MultipartUpload={"Parts": parts},
                ChecksumCRC32=_crc32(whole),
                ChecksumType="FULL_OBJECT",
                MpuObjectSize=self.content.size,
            )
        except BaseException:
            abort(self.s3, self.journal, upload_id, self._where)
            raise
        return answer

    def _send_parts(
        self, pool: ThreadPoolExecutor, which: dict[str, str], size: int
    ) -> tuple[list[dict[str, Any]], int]:
        """Send all parts, a few at the same time; return them, and the CRC-32 of the whole."""
        whole, done = 0, 0
        at_once = max(1, min(WORKERS, _MEMORY // size))
        sending: dict[Future[dict[str, Any]], int] = {}
        every: list[Future[dict[str, Any]]] = []
        try:
            for number, body in enumerate(self.source.pieces(self.content, size), start=1):
                self.confirm(False)
                whole = zlib.crc32(body, whole)
                every.append(pool.submit(self._send_part, which, number, body))
                sending[every[-1]] = len(body)
                if len(sending) == at_once:
                    for each in wait(sending, return_when=FIRST_COMPLETED).done:
                        each.result()
                        done += sending.pop(each)
                    self.progress(done)
            parts = [each.result() for each in every]
        except BaseException:
            for each in every:
                each.cancel()
            raise
        self.progress(self.content.size)
        return parts, whole

    def _send_part(self, which: dict[str, str], number: int, body: bytes) -> dict[str, Any]:
        checksum = _crc32(zlib.crc32(body))
        part = self.s3.upload_part(**which, PartNumber=number, Body=body, ChecksumCRC32=checksum)
        return {"PartNumber": number, "ETag": part["ETag"], "ChecksumCRC32": checksum}


def abort(s3: Any, journal: Journal, upload_id: str, where: dict[str, str]) -> None:
    """Remove what a multipart upload has left.

    If S3 does not answer, the journal keeps it for the next try, and a lifecycle rule of the bucket removes
    the parts after some days.
    """
    try:
        s3.abort_multipart_upload(**where, UploadId=upload_id)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "NoSuchUpload":
            return
    except BotoCoreError:
        return
    journal.closed(upload_id)


def _crc32(value: int) -> str:
    """Return a CRC-32 in the form of S3's headers."""
    return base64.b64encode(value.to_bytes(4, "big")).decode()
