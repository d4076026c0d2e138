"""The facts about a customer's files, carried from the trackers of one cell to those of another.

With them, the new cell knows what was delivered: it recognises a file that is sent again, and does not
replace a newer one. Each fact is inserted once, so carrying them again changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby

from customers.model import Customer
from ops.plan import command
from ops.recovery.regions import Regions
from runtime.facts import CARRIED_FROM, Fact, Status, status
from runtime.restarts import is_unfinished

#: How many facts are written at once.
_AT_ONCE = 16


class CarriedFacts:
    """All facts about a customer that the trackers of a cell have not forgotten, in both regions."""

    def __init__(self, customer: Customer, regions: Regions) -> None:
        """`customer` is as the cell has it that it moves out of, and `regions` are those of that cell."""
        self._customer, self._regions = customer, regions
        today = datetime.now(UTC).date()
        first = today - timedelta(days=customer.retention.tracker_days + 1)
        self._days = [first + timedelta(days=each) for each in range((today - first).days + 2)]

    @property
    def steps(self) -> int:
        """How many steps of progress `unsettled` and `carry` take: one for each day."""
        return len(self._days)

    def unsettled(self, stepped: Callable[[int], None]) -> Iterator[str]:
        """Yield what the cell still has to do, or a person to decide, in a sentence each.

        A file that failed for good is settled: its customer has been told.
        """
        counts: Counter[str] = Counter()
        for facts in self._read(stepped):
            for _, its in groupby(facts, key=lambda fact: (fact.transfer, fact.file)):
                transfer = tuple(its)
                if status(transfer) is Status.HELD:
                    counts["held"] += 1
                elif is_unfinished(transfer):
                    counts["in flight, or not archived or receipted"] += 1
        id = self._customer.id
        for what, count in sorted(counts.items()):
            yield f"{id}: {count:,} files are {what}; see {command('transfers', id)}"

    def carry(self, to: Regions, stepped: Callable[[int], None]) -> int:
        """Write all facts to the trackers of another cell, in each region; return their number."""
        trackers = [to.tracker(side) for side in to.sides]
        count = 0
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for facts in self._read(stepped):
                carried = [
                    replace(each, extra={CARRIED_FROM: self._customer.cell} | each.extra) for each in facts
                ]
                for tracker in trackers:
                    list(pool.map(tracker.record, carried))
                count += len(carried)
        return count

    def _read(self, stepped: Callable[[int], None]) -> Iterator[list[Fact]]:
        """Yield the facts of each day of submission, by transfer: the union of both regions'."""
        trackers = [self._regions.tracker(side) for side in self._regions.sides]
        for day in self._days:
            found = {
                fact.sort_key + fact.file: fact
                for tracker in trackers
                for fact in tracker.day(self._customer.id, day.isoformat())
            }
            yield [found[key] for key in sorted(found, key=lambda key: (found[key].transfer, key))]
            stepped(1)
