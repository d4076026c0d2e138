"""Files that are held, have failed or are still being tried, counted from the facts in the tracker."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby, product
from typing import assert_never

from botocore.exceptions import BotoCoreError, ClientError

from ops.cell import DeployedCell
from ops.plan import command
from runtime.contract import REGION_OF, SIDES, Kind, is_canary
from runtime.facts import Fact, Status, status, submitted
from runtime.timing import REPLICATION_MINUTES

#: Days of submission that are counted: today and yesterday.
DAYS = 2
#: Seconds after which counting is given up, so that an incident does not have to wait for it.
_PATIENCE = 15.0
_AT_ONCE = 16


@dataclass(frozen=True, kw_only=True)
class OpenFiles:
    """How many files that a side received in the last days are held, failed or are tried for long."""

    held: int = 0
    failed: int = 0
    retrying: int = 0


def count(cells: Sequence[DeployedCell]) -> tuple[dict[str, OpenFiles], list[str]]:
    """Return the counts by the side that received the files, and what was found, in sentences.

    `cells` are the regions that answer. What a region received is counted in its own replica of the tracker
    or, while the region does not answer, in its peer's. A side is missing where that is not known.
    """
    give_up, found, findings = time.monotonic() + _PATIENCE, {}, []
    for side in SIDES if cells else ():
        cell = next((each for each in cells if each.side == side), cells[0])
        try:
            counted = _counted(cell, side, give_up)
        except (ClientError, BotoCoreError, TimeoutError) as error:
            findings.append(
                f"{REGION_OF[side]}: how many files are held or have failed is not known: {error}"
            )
            continue
        found[side] = counted
        if counted.held or counted.failed:
            findings.append(
                f"{REGION_OF[side]}: of the files since yesterday, {counted.held:,} held until a person"
                f" decides, and {counted.failed:,} failed: {command('gaps', '--window', '48h')}"
            )
    return found, findings


def _counted(cell: DeployedCell, side: str, give_up: float) -> OpenFiles:
    today = datetime.now(UTC).date()
    days = [f"{today - timedelta(days=back)}" for back in range(DAYS)]
    customers = [name for name in cell.directory.names() if not is_canary(name)]
    tracker = cell.tracker()

    def look(of: tuple[str, str]) -> Counter[Status]:
        customer, day = of
        counts: Counter[Status] = Counter()
        for facts in _transfers(tracker.outline(customer, day)):
            if time.monotonic() > give_up:
                raise TimeoutError(f"counting took more than {_PATIENCE:.0f} s")
            if any(fact.kind is Kind.RECEIVED and fact.side == side for fact in facts):
                counts.update(_open(facts))
        return counts

    total: Counter[Status] = Counter()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for counts in pool.map(look, product(customers, days)):
            total += counts
    return OpenFiles(held=total[Status.HELD], failed=total[Status.FAILED], retrying=total[Status.UNDER_WAY])


def _transfers(facts: Iterator[Fact]) -> Iterator[tuple[Fact, ...]]:
    for _, its in groupby(facts, key=lambda fact: fact.transfer):
        yield tuple(its)


def _open(facts: tuple[Fact, ...]) -> Iterator[Status]:
    """Yield the status of a transfer that a person, or a partner, has to be asked about."""
    became = status(facts)
    match became:
        case Status.HELD | Status.FAILED:
            yield became
        case Status.UNDER_WAY:
            age = datetime.now(UTC) - submitted(facts[0].transfer)
            if age > timedelta(minutes=REPLICATION_MINUTES):
                yield became
        case Status.DELIVERED | Status.DUPLICATE | Status.REJECTED:
            return
        case _:
            assert_never(became)
