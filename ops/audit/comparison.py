"""The facts of an audit chain, compared with those in the tracker."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from runtime import chain
from runtime.audit import RECENT
from runtime.chain import Link
from runtime.facts import Fact, submitted
from runtime.tracker import Tracker

#: How much longer the export of a fact may take if the fact was written long after its day of submission.
_LATE = timedelta(days=1)

_TABLE = """
PRAGMA journal_mode = OFF; PRAGMA temp_store = FILE; PRAGMA cache_size = -8192;
CREATE TABLE chained (
    identity BLOB PRIMARY KEY, content BLOB, link INTEGER, day TEXT, expires INTEGER, file TEXT,
    transfer TEXT, name TEXT
) WITHOUT ROWID
"""


class ChainedFacts:
    """The unexpired facts of a customer's chain in one region, kept on `disk` until they are compared."""

    def __init__(
        self,
        tracker: Tracker,
        customer: str,
        *,
        tracker_days: int,
        grace: timedelta,
        start: datetime,
        disk: sqlite3.Connection,
    ) -> None:
        """A fact written less than `grace` before `start`, or later, may still be missing from the chain."""
        self._tracker, self._customer, self._tracker_days = tracker, customer, tracker_days
        self._grace, self._start, self._disk = grace, start, disk
        #: How many facts of the tracker are in no link, and were written so lately that they need not be.
        self.unproven = 0
        disk.executescript(_TABLE)

    def keep(self, number: int, link: Link) -> Iterator[str]:
        """Store the facts of a link; yield a finding for each that the chain already holds."""
        for fact in link.facts:
            if fact["expires"] <= self._start.timestamp():
                continue
            identity, name = chain.identity(fact), _name(fact)
            of = (fact["file"], fact["transfer"])
            row = (identity, chain.content(fact), number, link.day, fact["expires"], *of, name)
            try:
                self._disk.execute("INSERT INTO chained VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            except sqlite3.IntegrityError:
                first = self._disk.execute("SELECT link FROM chained WHERE identity = ?", (identity,))
                yield f"link {number} repeats {name}, which is in link {first.fetchone()[0]}"

    def compared(self) -> Iterator[str]:
        """Yield the differences between the chain and the tracker; the stored facts are used up."""
        for day in self._days():
            for fact in self._tracker.day(self._customer, day.isoformat()):
                if fact.side == self._tracker.side:
                    yield from self._compare(fact)
        left = self._disk.execute(
            "SELECT identity, file, transfer, name, link FROM chained WHERE expires > ? ORDER BY link, name",
            (int(datetime.now(UTC).timestamp()),),
        )
        for identity, file, transfer, name, link in left:
            # The index by day may lag, so the table itself is asked before a fact is reported as missing.
            facts = self._tracker.facts_of(file, transfer)
            if all(chain.identity(chain.document(fact)) != identity for fact in facts):
                yield f"{name}, in link {link}, is not in the tracker"

    def _compare(self, fact: Fact) -> Iterator[str]:
        identity = (chain.identity(chain.document(fact)),)
        row = self._disk.execute("SELECT content, link FROM chained WHERE identity = ?", identity).fetchone()
        name = _name(vars(fact))
        if row is None:
            if fact.carried_from:
                self.unproven += 1  # the chain of the cell that it comes from has it
            elif self._due(fact) < self._start:
                yield f"{name}, of {fact.at}, is in the tracker but in no link"
            else:
                self.unproven += 1
            return
        if row[0] != chain.content(chain.document(fact)):
            yield f"{name} has other content in link {row[1]} than in the tracker"
        self._disk.execute("DELETE FROM chained WHERE identity = ?", identity)

    def _due(self, fact: Fact) -> datetime:
        """Return the time by which a fact must have been exported."""
        usual = datetime.fromisoformat(fact.at) + self._grace
        is_late = usual.astimezone(UTC).date() - submitted(fact.transfer).date() >= timedelta(days=RECENT)
        return usual + _LATE if is_late else usual

    def _days(self) -> Iterator[date]:
        """Yield every day of submission of which the tracker may hold facts, or the chain does."""
        today = self._start.date()
        day = today - timedelta(days=self._tracker_days + 1)
        (first,) = self._disk.execute("SELECT min(day) FROM chained").fetchone()
        if first is not None:
            day = min(day, date.fromisoformat(first))
        while day <= today + timedelta(days=1):
            yield day
            day += timedelta(days=1)


def _name(fact: Mapping[str, Any]) -> str:
    to = f" at {fact['destination']}" if fact["destination"] else ""
    return f"{fact['kind']}{to} of {fact['key']}, transfer {fact['transfer']}"
