"""A scan of the transfers that a cell's customers have submitted, within the time that is available."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from runtime.contract import is_canary
from runtime.facts import Fact, Status, status
from runtime.routing import Directory
from runtime.tracker import Tracker

#: Seconds for which a day before yesterday is not scanned again if nothing was found on it. A transfer of the
#: wanted status is rare by then, and a busy day has a hundred thousand facts.
QUIET = 900

#: Remaining seconds below which a pass ends: enough to finish the current transfer and to report.
ENOUGH = 30.0


@dataclass(frozen=True)
class Day:
    """The submissions of a customer on one day, UTC."""

    customer: str
    day: date


class TransferScan:
    """Finds the transfers of one status, or of another kind, in one pass after another.

    It holds the facts of one transfer at a time in memory, and a note for each day. A pass that ran out of
    time is continued by the next one. The canary's transfers are left out: they are not customers' files, and
    the canary's bucket is not replicated.
    """

    def __init__(
        self,
        *,
        tracker: Tracker,
        directory: Directory,
        wanted: Status | Callable[[tuple[Fact, ...]], bool],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`wanted` is the status of the transfers to find, or says of the facts of one whether to find it."""
        self._tracker, self._directory, self._now = tracker, directory, now
        self._is_wanted = wanted if callable(wanted) else lambda facts: status(facts) is wanted
        self._quiet: dict[Day, float] = {}
        self._stopped_at: Day | None = None
        self.left = 0

    def find(self, today: date, remaining: Callable[[], float]) -> Iterator[tuple[Fact, ...]]:
        """Yield the facts of each wanted transfer, oldest first within a customer.

        Today and yesterday of every customer come first, because a workflow usually ends within hours, then
        the days for as far back as inbound files are kept. `remaining` returns the seconds that are left, and
        the scan ends in time. `left` is then the number of days, over all customers, that were not scanned.
        """
        days = self._days(today)
        self.left = len(days)
        for each in days:
            if remaining() < ENOUGH:
                self._stopped_at = each
                return
            found = False
            facts = self._tracker.day(each.customer, each.day.isoformat())
            for _, group in itertools.groupby(facts, key=lambda fact: fact.transfer):
                about = tuple(group)
                if self._is_wanted(about):
                    found = True
                    yield about
                if remaining() < ENOUGH:
                    self._stopped_at = each
                    return
            self.left -= 1
            if not found and each.day < today - timedelta(days=1):
                self._quiet[each] = self._now() + QUIET
        self._stopped_at = None

    def _days(self, today: date) -> list[Day]:
        recent, older = [], []
        for name in self._directory.names():
            if is_canary(name):
                continue
            kept = self._directory.customer(name).inbound_days
            recent += [Day(name, today - timedelta(days=back)) for back in (1, 0)]
            older += [Day(name, today - timedelta(days=back)) for back in range(kept, 1, -1)]
        if self._stopped_at in older:
            begin = older.index(self._stopped_at)
            older = older[begin:] + older[:begin]
        self._quiet = {day: until for day, until in self._quiet.items() if until > self._now()}
        return [*recent, *(day for day in older if day not in self._quiet)]
