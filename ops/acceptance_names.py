"""The names of the files that an acceptance sends, by which they are found again."""

from __future__ import annotations

#: The beginning of the names of files that an acceptance of the environment sends and removes again.
ACCEPTANCE = "mft-acceptance-"


def is_of_acceptance(key: str) -> bool:
    """Return whether a key is that of a file which an acceptance has sent."""
    return key.rpartition("/")[2].startswith(ACCEPTANCE)
