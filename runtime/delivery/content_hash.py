"""The hash of a content that is read over many attempts (docs/adr/0048-large-files.md).

Python's SHA-256 cannot be put down and taken up again in another function. So a content of more than
LARGEST_WHOLE bytes is hashed in links: the SHA-256 of its first PART bytes, then the SHA-256 of the previous
link's 32 bytes and the next PART bytes, and so on. A link and its offset are all that the next attempt needs.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple, Protocol

MIB = 1024 * 1024

#: Most bytes of a content that is known by its SHA-256. S3 stores and copies no more in one request, and only
#: of those it knows the SHA-256 itself: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
LARGEST_WHOLE = 5 * 1024 * MIB

#: Bytes of a link, except for the last one.
PART = 64 * MIB

#: Seconds before the end of a function at which reading and sending stop. A stopped upload needs them to get
#: the responses to its last writes.
RESERVE = 120.0


class Position(NamedTuple):
    """How far a content was read: the number of bytes, and the link there in hex, if there is one."""

    offset: int = 0
    link: str = ""


class Progress(Protocol):
    """Where positions are kept between attempts. Each belongs to one content, read for one purpose.

    Neither method raises an error of AWS: what is not kept is read again.
    """

    def load(self, purpose: str) -> Position: ...

    def save(self, purpose: str, position: Position) -> None: ...


class ContentHash:
    """The hash of a content of `size` bytes, of which an earlier attempt has read up to `position`.

    A content that is hashed as a whole is always read from the beginning.
    """

    def __init__(self, size: int, position: Position) -> None:
        self._size, self._is_whole = size, size <= LARGEST_WHOLE
        self.position = Position() if self._is_whole else position
        self.read = self.position.offset
        self._digest = hashlib.sha256(bytes.fromhex(self.position.link))

    def feed(self, data: bytes, offset: int) -> None:
        """Hash the bytes at this offset. Those that were read before are skipped."""
        left = memoryview(data)[max(0, self.read - offset) :]
        while left:
            room = len(left) if self._is_whole else PART - self.read % PART
            now, left = left[:room], left[room:]
            self._digest.update(now)
            self.read += len(now)
            if not self._is_whole and (self.read % PART == 0 or self.read == self._size):
                link = self._digest.digest()
                self.position = Position(self.read, link.hex())
                self._digest = hashlib.sha256(link)

    def text(self) -> str:
        """Return the SHA-256 in hex; of a larger content, the last link, `-` and the number of links."""
        if self._is_whole:
            return self._digest.hexdigest()
        return f"{self.position.link}-{-(-self.position.offset // PART)}"
