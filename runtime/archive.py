"""The archive: the cell's bucket with a copy of every file that went through the workflow."""

from __future__ import annotations

from typing import Any

from boto3.s3.transfer import TransferConfig

from runtime import objects
from runtime.contract import Kind, archive_key
from runtime.tracker import Tracker
from runtime.transfer import Transfer

#: S3 copies an object of up to 5 GB in one request and a larger one in parts. Few large parts need few
#: requests.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/copy-object.html
_COPY = TransferConfig(multipart_threshold=5 * 1000**3, multipart_chunksize=64 * 1024**2, use_threads=True)


class Archive:
    """The archive bucket of this cell."""

    def __init__(self, *, bucket: str, side: str, tracker: Tracker, s3: Any) -> None:
        self._bucket, self._side, self._tracker, self._s3 = bucket, side, tracker, s3

    def store(self, transfer: Transfer, *, owner: str) -> str:
        """Copy the transfer's version into the archive, record ARCHIVED and return the archive key.

        The key follows from the transfer, so a repeat adds at most another version of the same content.
        """
        key = archive_key(transfer.customer, transfer.id, transfer.key)
        if not self._holds(key, transfer.size):
            source = {"Bucket": transfer.bucket, "Key": transfer.key, "VersionId": transfer.version_id}
            self._s3.copy(source, self._bucket, key, Config=_COPY)
        self._tracker.record(
            transfer.fact(Kind.ARCHIVED, side=self._side, writer=owner, bucket=self._bucket, archive_key=key)
        )
        return key

    def _holds(self, key: str, size: int) -> bool:
        return objects.holds(self._s3, self._bucket, key, size)
