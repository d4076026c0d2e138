"""What a delivery that ended well has to say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A file that is at its destination under its final name.

    `sha256` is in hex, of the source's bytes; `size` in bytes; `path` where it is (a path on the server,
    or `s3://bucket/key`); `sent` is False when it was found there already and nothing was sent.
    """

    sha256: str
    size: int
    path: str
    sent: bool = True
