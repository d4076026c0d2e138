"""The names that a customer may give to a file, and the keys that they become. Pure."""

from __future__ import annotations

import unicodedata

from runtime.contract import INBOUND_SDK

#: Most bytes of a part of a name between slashes: the limit of the file systems of partners' servers.
_LONGEST_PART = 255

#: Most bytes of a key: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
_LONGEST_KEY = 1024


def key_of(name: str) -> str:
    """Return the key of a file's name, `inbound/sdk/<name>`; ValueError if it could never be delivered.

    The platform would take such a file and then reject it, or let its delivery fail.
    """
    key = f"{INBOUND_SDK}{name}"
    problem = next(filter(None, map(_problem, name.split("/"))), None)
    if problem is None and len(key.encode()) > _LONGEST_KEY:
        problem = f"its key has {len(key.encode())} bytes, and S3 takes {_LONGEST_KEY}"
    if problem:
        raise ValueError(f"{name!r} is not the name of a file: {problem}; write it as `folder/report.csv`")
    return key


def _problem(part: str) -> str | None:
    if part in ("", ".", ".."):
        return f"it has the part {part!r}"
    if "\\" in part:
        return "it has a backslash"
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in part):
        return "it has a control character, or is not text"
    if len(part.encode()) > _LONGEST_PART:
        return f"it has a part of over {_LONGEST_PART} bytes"
    return None
