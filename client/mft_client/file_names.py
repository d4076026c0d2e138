"""The names that a customer may give to a file, and the keys that they become. Pure."""

from __future__ import annotations

import unicodedata

from mft_client.errors import NameRefusedError
from mft_client.protocol import INBOUND_SDK

#: Most bytes of a key: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
_LONGEST_KEY = 1024

#: Most bytes between two slashes, which is the limit of POSIX file systems.
_LONGEST_SEGMENT = 255


def key_of(name: str) -> str:
    """Return the key of a file's name, `inbound/sdk/<name>`.

    Raises NameRefusedError for a name that the platform would take and then reject, or fail to deliver.
    """
    key = f"{INBOUND_SDK}{name}"
    problem = next(filter(None, map(_segment_problem, name.split("/"))), None)
    if problem is None and len(key.encode()) > _LONGEST_KEY:
        problem = f"has a key of {len(key.encode())} bytes, and S3 takes {_LONGEST_KEY}"
    if problem:
        raise NameRefusedError(
            f"{name!r} is not the name of a file: it {problem}; write it as `folder/report.csv`"
        )
    return key


def name_of(key: str) -> str:
    """Return the name that a customer gave to the file with this key."""
    return key.removeprefix(INBOUND_SDK)


def _segment_problem(segment: str) -> str | None:
    """Return what is wrong with the part of a name between two slashes, None if nothing is."""
    if segment in ("", ".", ".."):
        return f"has the segment {segment!r}"
    if "\\" in segment:
        return "has a backslash"
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in segment):
        return "has a control character or is not text"
    if len(segment.encode()) > _LONGEST_SEGMENT:
        return f"has a segment over {_LONGEST_SEGMENT} bytes"
    return None
