"""The file that is sent: its content as receipts state it, and whether it stays as it is meanwhile."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from mft_client.errors import FileChangedError

_MIB = 1024 * 1024

#: Most bytes of a content that receipts state by its SHA-256. That of a larger one is a chain: the SHA-256 of
#: its first LINK bytes, then that of the previous link and the next LINK bytes, and so on; then the number of
#: links.
LARGEST_WHOLE, LINK = 5 * 1024 * _MIB, 64 * _MIB

_PIECE = 4 * _MIB


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a file contained: its size in bytes, its hash as receipts state it, and its time of modification.

    `mtime_ns` is that of the file system, in nanoseconds.
    """

    size: int
    sha256: str
    mtime_ns: int


class ContentHash:
    """The hash of a content of `size` bytes, as receipts state it."""

    def __init__(self, size: int) -> None:
        self._is_whole = size <= LARGEST_WHOLE
        self._digest, self._in_link, self._link, self._links = hashlib.sha256(), 0, b"", 0
        self.read = 0

    def feed(self, data: bytes) -> None:
        """Hash the next bytes."""
        self.read += len(data)
        left = memoryview(data)
        while left:
            room = len(left) if self._is_whole else LINK - self._in_link
            now, left = left[:room], left[room:]
            self._digest.update(now)
            self._in_link += len(now)
            if not self._is_whole and self._in_link == LINK:
                self._end_link()

    def text(self) -> str:
        """Return the SHA-256 in hex; of a larger content, the last link, `-` and the number of links."""
        if self._is_whole:
            return self._digest.hexdigest()
        if self._in_link:
            self._end_link()
        return f"{self._link.hex()}-{self._links}"

    def _end_link(self) -> None:
        self._link, self._links = self._digest.digest(), self._links + 1
        self._digest, self._in_link = hashlib.sha256(self._link), 0


class SourceFile:
    """A file that is read twice: once to know what it contains, and once to send exactly that."""

    def __init__(self, path: Path) -> None:
        """Open a file; FileChangedError if it is gone or no file, OSError if it cannot be read."""
        self.path = path
        try:
            self._file: BinaryIO = path.open("rb")
        except (FileNotFoundError, IsADirectoryError) as error:
            raise FileChangedError(f"{path}: there is no such file; name one that exists") from error
        if not stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
            self._file.close()
            raise FileChangedError(f"{path}: is not a file; name a regular file")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def measure(self) -> Content:
        """Read the file; FileChangedError if it changes while it is read."""
        before = self._stamp()
        found = ContentHash(before[2])
        for _ in self._pieces(found, _PIECE):
            pass
        content = Content(size=found.read, sha256=found.text(), mtime_ns=before[3])
        if self._stamp() != before or found.read != before[2]:
            raise self._changed()
        return content

    def pieces(self, content: Content, size: int) -> Iterator[bytes]:
        """Yield what was measured in pieces of `size` bytes; an empty file has no piece.

        FileChangedError, after the last piece at the latest, if it is no longer what was measured.
        """
        found = ContentHash(content.size)
        for piece in self._pieces(found, size):
            if found.read > content.size:
                raise self._changed()
            yield piece
        _, _, size_now, mtime_ns = self._stamp()
        if (size_now, mtime_ns, found.text()) != (content.size, content.mtime_ns, content.sha256):
            raise self._changed()

    def _pieces(self, found: ContentHash, size: int) -> Iterator[bytes]:
        self._file.seek(0)
        while piece := self._file.read(size):
            found.feed(piece)
            yield piece

    def _stamp(self) -> tuple[int, int, int, int]:
        now = os.fstat(self._file.fileno())
        return now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns

    def _changed(self) -> FileChangedError:
        return FileChangedError(
            f"{self.path}: changes while it is sent, so nothing of it was; send it when it is complete"
        )
