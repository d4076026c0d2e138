"""Windows of time on the command line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

_ISO = "%Y-%m-%dT%H:%M:%SZ"
#: The default length: a workflow ends within hours.
DAYS = timedelta(days=3)

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, kw_only=True)
class Window:
    """Times of submission from `since` until before `until`, UTC."""

    since: datetime
    until: datetime

    @classmethod
    def of(
        cls,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        length: timedelta | None = None,
    ) -> Window:
        """Return the window with these ends.

        Without `since` it is `length` long, or three days; without `until` it ends now. Raises
        typer.BadParameter if it would be empty.
        """
        now = datetime.now(UTC)
        try:
            begin = since or (until or now) - (length or DAYS)
        except OverflowError as error:
            raise typer.BadParameter(
                "--window is longer than time is counted; write e.g. 90m, 6h, 3d"
            ) from error
        # A minute more, because clocks differ.
        end = until or now + timedelta(minutes=1)
        if begin >= end:
            raise typer.BadParameter(
                f"--since {begin:%Y-%m-%dT%H:%M:%SZ} is not before {end:%Y-%m-%dT%H:%M:%SZ}"
            )
        return cls(since=begin.replace(microsecond=0), until=end.replace(microsecond=0))

    def older_than(self, age: timedelta) -> Window:
        """Return the part of the window that is at least this old; typer.BadParameter if there is none."""
        return Window.of(since=self.since, until=datetime.now(UTC) - age)

    def has(self, when: datetime) -> bool:
        """Return whether a time is within the window."""
        return self.since <= when < self.until

    def document(self) -> dict[str, str]:
        """Return both ends in the form that `moment` accepts."""
        return {"since": f"{self.since:{_ISO}}", "until": f"{self.until:{_ISO}}"}


def moment(text: str) -> datetime:
    """Return the time of ISO 8601 text, as UTC unless it names another zone."""
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(
            f"{text!r} is not a time; write 2026-01-31 or 2026-01-31T18:00:00Z"
        ) from error


def length(text: str) -> timedelta:
    """Return the duration of text such as `90m`, `6h` or `3d`."""
    found = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", text)
    if not found:
        raise typer.BadParameter(
            f"{text!r} is not a length of time; write minutes, hours or days: 90m, 6h, 3d"
        )
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def age(seconds: int) -> str:
    """Return a number of seconds in words: `45 s`, `17 min`, `5 h`, `3 d`."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


Since = Annotated[
    datetime | None,
    typer.Option("--since", parser=moment, metavar="TIME", help="Submitted at this time, UTC, or later."),
]
Until = Annotated[
    datetime | None,
    typer.Option("--until", parser=moment, metavar="TIME", help="Submitted before this time, UTC."),
]
Length = Annotated[
    timedelta | None,
    typer.Option(
        "--window",
        parser=length,
        metavar="LENGTH",
        help="How far back, without --since: 90m, 6h, 3d; 3d by default.",
    ),
]
