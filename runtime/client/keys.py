"""The names that a customer may give to a file, and the keys that they become. Pure."""

from __future__ import annotations

from runtime.contract import INBOUND_SDK
from runtime.name_segments import segment_problem

#: Most bytes of a key: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
_LONGEST_KEY = 1024


def key_of(name: str) -> str:
    """Return the key of a file's name, `inbound/sdk/<name>`; ValueError if it could never be delivered.

    The platform would take such a file and then reject it, or let its delivery fail.
    """
    key = f"{INBOUND_SDK}{name}"
    problem = next(filter(None, map(segment_problem, name.split("/"))), None)
    if problem is None and len(key.encode()) > _LONGEST_KEY:
        problem = f"has a key of {len(key.encode())} bytes, and S3 takes {_LONGEST_KEY}"
    if problem:
        raise ValueError(f"{name!r} is not the name of a file: it {problem}; write it as `folder/report.csv`")
    return key
