"""The segments of a file's name, between its slashes, and which of them no destination takes."""

from __future__ import annotations

import unicodedata

#: Most bytes in one segment of a name, which is the limit of POSIX file systems. A server reports an overlong
#: name only as "failure", just like a full disk.
LONGEST_SEGMENT = 255


def segment_problem(segment: str) -> str | None:
    """Return what is wrong with a segment, in words that follow "it"; None if it can be delivered."""
    if segment in ("", ".", ".."):
        return f"has the segment {segment!r}"
    if "\\" in segment:
        return "has a backslash"
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in segment):
        return "has a control character or is not text"
    if len(segment.encode()) > LONGEST_SEGMENT:
        return f"has a segment over {LONGEST_SEGMENT} bytes"
    return None
