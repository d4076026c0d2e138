"""What the tests of delivery share: an S3 in memory, and a partner as a destination."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from local.sftp.partners import Partner
from runtime.delivery import Source
from runtime.delivery.content_hash import Position
from runtime.delivery.sftp import Patience, SftpTarget

#: Short enough for tests that wait for it to run out, long enough for a busy machine.
QUICK = Patience(connect=10, step=1.5, keepalive=0.5, keepalive_count=2)


class MemoryS3:
    """The one call of S3 that a source makes. `on_read` is called before each read of a body."""

    def __init__(self, content: bytes, *, on_read: Callable[[int], None] | None = None) -> None:
        self.content, self.on_read = content, on_read

    def get_object(self, *, Range: str = "bytes=0-", **_: Any) -> dict[str, Any]:
        content = self.content[int(Range.removeprefix("bytes=").rstrip("-")) :]
        raw = _Watched(content, self.on_read) if self.on_read else io.BytesIO(content)
        return {"Body": StreamingBody(raw, len(content)), "ContentLength": len(content)}


class MemoryProgress:
    """Positions in memory; what the tests need of the tracker's."""

    def __init__(self) -> None:
        self.kept: dict[str, Position] = {}

    def load(self, purpose: str) -> Position:
        return self.kept.get(purpose, Position())

    def save(self, purpose: str, position: Position) -> None:
        self.kept[purpose] = max(self.kept.get(purpose, Position()), position)


class FailingS3:
    """An S3 that answers every read with one error code."""

    def __init__(self, code: str) -> None:
        self.code = code

    def get_object(self, **_: Any) -> dict[str, Any]:
        raise ClientError({"Error": {"Code": self.code, "Message": "no"}}, "GetObject")


class _Watched(io.BytesIO):
    def __init__(self, content: bytes, on_read: Callable[[int], None]) -> None:
        super().__init__(content)
        self._on_read = on_read

    def read(self, size: int | None = -1) -> bytes:
        self._on_read(self.tell())
        return super().read(size)


def source_of(content: bytes, *, s3: Any = None, size: int | None = None, **how: Any) -> Source:
    """Return a source with that content; `size` is what it claims to be, `how` is for MemoryS3."""
    return Source(
        s3=s3 or MemoryS3(content, **how),
        bucket="mft-acme-west",
        key="inbound/sftp/acme/a.bin",
        version_id="v1",
        size=len(content) if size is None else size,
    )


def destination_of(partner: Partner, **instead: Any) -> SftpTarget:
    """Return a partner as a destination, with some fields replaced."""
    usual = {name: getattr(partner, name) for name in ("host", "port", "user", "host_key", "directory")}
    return SftpTarget(**usual | instead)
