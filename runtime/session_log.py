"""The SFTP endpoint's session log: which uploads ended well, and which were cut off.

Transfer Family writes one JSON document for each command: CLOSE after a whole upload, PARTIAL_CLOSE when a
session ended in the middle of one, RENAME after a rename
(https://docs.aws.amazon.com/transfer/latest/userguide/cw-structure-logs.html). It is written apart from the
events of the same commands, so it tells what an event that was lost would have told.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class SessionLogUnreadError(RuntimeError):
    """There was no time to read the session log to its end."""


class Ending(StrEnum):
    """How a command that wrote a file ended: the `activity-type` of its entry."""

    WHOLE = "CLOSE"
    CUT_OFF = "PARTIAL_CLOSE"
    RENAMED = "RENAME"


#: The pattern of the entries that are read.
#: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
_PATTERN = "{{ {} }}".format(" || ".join(f'($.activity-type = "{each}")' for each in Ending))


@dataclass(frozen=True, kw_only=True)
class Written:
    """One entry about a file: how the command ended, when, and the bytes that came in, None for a rename."""

    ending: Ending
    at: datetime
    size: int | None


@dataclass
class Entries:
    """The entries of a period, by path (`/bucket/key`)."""

    by_path: dict[str, list[Written]] = field(default_factory=dict)

    def about(self, bucket: str, key: str) -> list[Written]:
        """Return the entries about an object, oldest first."""
        return self.by_path.get(f"/{bucket}/{key}", [])


class SessionLog:
    """The log group of one region's SFTP endpoint; `logs` is the region's client of CloudWatch Logs."""

    def __init__(self, *, group: str, logs: Any) -> None:
        self._group, self._logs = group, logs

    def read(
        self, paths: Collection[str], *, since: datetime, remaining: Callable[[], float], reserve: float
    ) -> Entries:
        """Return the entries about these paths from `since` on.

        `remaining` returns the seconds that are left: SessionLogUnreadError is raised when they come down to
        `reserve` before the end of the log.
        """
        found = Entries()
        pages = self._logs.get_paginator("filter_log_events").paginate(
            logGroupName=self._group, startTime=int(since.timestamp() * 1000), filterPattern=_PATTERN
        )
        for page in pages:
            for event in page["events"]:
                for path, written in _written(event):
                    if path in paths:
                        found.by_path.setdefault(path, []).append(written)
            if remaining() < reserve:
                raise SessionLogUnreadError("the session log was not read to its end in time")
        return found


def _written(event: dict[str, Any]) -> Iterator[tuple[str, Written]]:
    """Yield the paths that an entry is about, each with what it says.

    AWS names no field for the new path of a rename, so a rename is about every path in its entry.
    """
    try:
        entry = json.loads(event["message"])
        ending = Ending(entry["activity-type"])
    except (ValueError, KeyError, TypeError):
        return
    at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
    if ending is Ending.RENAMED:
        for path in entry.values():
            if isinstance(path, str) and path.startswith("/"):
                yield path, Written(ending=ending, at=at, size=None)
    elif "path" in entry:
        yield entry["path"], Written(ending=ending, at=at, size=int(entry.get("bytes-in", 0)))
