"""The names of files at a destination, and the names that are refused. Pure."""

from __future__ import annotations

import hashlib
import re

from runtime.delivery.errors import PermanentDeliveryError
from runtime.name_segments import LONGEST_SEGMENT, segment_problem
from runtime.patterns import literal_prefix

#: The temporary names of uploads, and of files that are set aside while another one takes their name.
TEMPORARY = ".*.part"
ASIDE = ".*.old"

_ATTEMPT = re.compile(r"[A-Za-z0-9._-]{1,120}")


def name_for(match: str, key_below_inbound: str) -> str:
    """Return the name of a key at the destination: its part below the wildcard-free directories of `match`.

    Two keys that one route matches never get the same name. Raises PermanentDeliveryError for a key outside
    those directories and for a name that check_name refuses.
    """
    prefix = literal_prefix(match)
    if not key_below_inbound.startswith(prefix):
        raise PermanentDeliveryError(key_below_inbound, "name", f"is not below {prefix!r}")
    return check_name(key_below_inbound[len(prefix) :])


def check_name(name: str) -> str:
    """Return `name`, a path of segments joined by `/`, if it is safe to write on a partner's server.

    Raises PermanentDeliveryError for an absolute path, an empty segment, `.` or `..`, a backslash (a
    separator on Windows servers), control characters, text that is not UTF-8, and overlong segments.
    """
    for segment in name.split("/"):
        if problem := segment_problem(segment):
            raise PermanentDeliveryError(repr(name), "name", problem)
    return name


def temporary_name(basename: str, attempt: str, *, pattern: str = TEMPORARY) -> str:
    """Return the name in the same directory that one attempt uses before or besides `basename`.

    `pattern` is the name with a `*` in the place of `basename` and `attempt`. Raises ValueError if `attempt`
    has characters that do not belong in a file name.
    """
    if not _ATTEMPT.fullmatch(attempt):
        raise ValueError(f"attempt {attempt!r} is not of the form {_ATTEMPT.pattern}")
    name = pattern.replace("*", f"{basename}.{attempt}")
    if len(name.encode()) <= LONGEST_SEGMENT:
        return name
    return pattern.replace("*", f"{hashlib.sha256(basename.encode()).hexdigest()[:32]}.{attempt}")
