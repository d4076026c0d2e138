"""A file on its way between an SFTP session and S3, in bounded memory. Blocking, no SSH.

An upload is written once, from start to end: there is no append, and what S3 already holds cannot be
rewritten. S3's limit of 10,000 parts makes 78 GiB the largest file here.
"""

from __future__ import annotations

import heapq
import stat
from datetime import datetime
from typing import Any

from asyncssh import SFTPAttrs, SFTPFailure

MiB = 1024 * 1024
#: A file up to this size is one PutObject; above it, the size of each part of a multipart upload.
PART = 8 * MiB
#: How far ahead of the first missing byte a client may write, and how many bytes of such writes are kept.
WINDOW = 8 * MiB


def file_attrs(size: int, modified: datetime) -> SFTPAttrs:
    """Return the attributes of a file; S3 only has its size and the time at which it was stored."""
    seconds = int(modified.timestamp())
    return SFTPAttrs(size=size, permissions=stat.S_IFREG | 0o644, atime=seconds, mtime=seconds)


class Upload:
    """A file on its way into S3; no more than a part, a window and one write are in memory."""

    def __init__(self, s3: Any, bucket: str, key: str) -> None:
        self.path = f"/{bucket}/{key}"
        self.size = 0  # bytes from the start without a gap
        self.broken = ""  # why this upload can no longer succeed
        self._s3 = s3
        self._target = {"Bucket": bucket, "Key": key}
        self._tail = bytearray()  # the bytes that are in no part yet, which end at `size`
        self._ahead: list[tuple[int, bytes]] = []  # a heap of writes beyond `size`
        self._kept = 0  # the bytes in that heap
        self._multipart: dict[str, str] = {}
        self._parts: list[dict[str, Any]] = []

    def write(self, offset: int, data: bytes) -> bool:
        """Take `data` into memory; return whether `send_parts` is due. SFTPFailure if it does not fit."""
        if self.broken:
            raise SFTPFailure(self.broken)
        sent = self.size - len(self._tail)
        if offset < sent:
            self.broken = f"offset {offset} is already stored: a file is written once, from front to back"
        elif offset > self.size and max(offset - self.size, self._kept) + len(data) > WINDOW:
            self.broken = f"offset {offset} is too far ahead of {self.size}, the first missing byte"
        if self.broken:
            raise SFTPFailure(self.broken)
        heapq.heappush(self._ahead, (offset, data))
        self._kept += len(data)
        while self._ahead and self._ahead[0][0] <= self.size:
            at, kept = heapq.heappop(self._ahead)
            self._kept -= len(kept)
            self._tail[at - sent : at - sent + len(kept)] = kept
            self.size = sent + len(self._tail)
        return len(self._tail) > PART

    def send_parts(self) -> None:
        """Upload every full part but the last, so that the end of the file is always in memory."""
        while len(self._tail) > PART:
            self._send_part(PART)

    def _send_part(self, length: int) -> None:
        if not self._multipart:
            started = self._s3.create_multipart_upload(**self._target)
            self._multipart = {**self._target, "UploadId": started["UploadId"]}
        number = len(self._parts) + 1
        body = bytes(self._tail[:length])
        sent = self._s3.upload_part(**self._multipart, PartNumber=number, Body=body)
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})
        del self._tail[:length]

    def finish(self, *, partial: bool) -> str:
        """Store the object and return its ETag; with `partial`, store what arrived without a gap.

        A partial upload of no bytes stores nothing and returns the empty string. Raises SFTPFailure for a
        file with a gap or an earlier error.
        """
        if self._ahead and not partial and not self.broken:
            self.broken = f"the bytes {self.size} to {self._ahead[0][0] - 1} never arrived"
        if self.broken:
            raise SFTPFailure(self.broken)
        if partial and not self.size:
            return ""
        if not self._multipart:
            stored = self._s3.put_object(**self._target, Body=bytes(self._tail))
        else:
            self._send_part(len(self._tail))
            stored = self._s3.complete_multipart_upload(
                **self._multipart, MultipartUpload={"Parts": self._parts}
            )
        return str(stored["ETag"]).strip('"')

    def abort(self) -> None:
        """Leave nothing of this upload in S3."""
        if self._multipart:
            self._s3.abort_multipart_upload(**self._multipart)


class Download:
    """A version of an object, read in windows of the size of a part."""

    def __init__(self, s3: Any, bucket: str, key: str) -> None:
        self._s3 = s3
        head = s3.head_object(Bucket=bucket, Key=key)
        self.size: int = head["ContentLength"]
        self.attrs = file_attrs(head["ContentLength"], head["LastModified"])
        # Reading an object that is replaced meanwhile must fail, rather than mix two versions.
        self._source = {"Bucket": bucket, "Key": key, "IfMatch": head["ETag"]}
        self._start, self._window = 0, b""

    def read(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`; none beyond the end."""
        if offset >= self.size:
            return b""
        end = min(offset + size, self.size)
        if not self._start <= offset <= end <= self._start + len(self._window):
            reach = max(end, min(offset + PART, self.size))
            got = self._s3.get_object(**self._source, Range=f"bytes={offset}-{reach - 1}")
            self._start, self._window = offset, got["Body"].read()
        return self._window[offset - self._start : end - self._start]
