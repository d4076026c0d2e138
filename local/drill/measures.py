"""What is measured in a scenario: the timeline, and the RTO and RPO from its times, facts and losses."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime

from local.aws.ministack.controls import Pending
from local.drill.acknowledged_files import Account, SentFile
from local.drill.runs import Measures, TimelineEvent
from runtime.contract import Kind
from runtime.facts import ENDED, Fact, by_transfer, status


class Timeline:
    """What happened, by seconds since the timeline began. Safe to share between threads.

    `tell` is called with each line as it is noted; `clock` returns seconds since the epoch.
    """

    def __init__(
        self,
        tell: Callable[[str], None] = lambda line: None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._tell, self._clock, self._lock = tell, clock, threading.Lock()
        self.began = clock()
        self.events: list[TimelineEvent] = []

    def now(self) -> float:
        """Return the seconds since the timeline began."""
        return self._clock() - self.began

    def note(self, who: str, what: str) -> float:
        """Note that something happened now; return its time."""
        with self._lock:
            event = TimelineEvent(at=round(self.now(), 2), who=who, what=what)
            self.events.append(event)
            self._tell(f"{event.at:6.1f} s  {who}: {what}")
        return event.at


def unreplicated(files: Iterable[SentFile], pending: Iterable[Pending]) -> list[SentFile]:
    """Return the acknowledged files whose object, or whose RECEIVED fact, is still `pending`."""
    objects = {str(each.key) for each in pending if each.kind == "s3"}
    items = [each.key for each in pending if isinstance(each.key, dict)]
    facts = {item["file"]["S"] for item in items if f"#{Kind.RECEIVED}#" in item["fact"]["S"]}
    return [file for file in files if file.key in objects or file.id in facts]


def measures(
    accounts: Sequence[Account],
    *,
    survivor: str,
    began: float,
    died: float,
    decided: float,
    moved: float | None,
    lost: Collection[SentFile] | None,
) -> Measures:
    """Return the measures of a decision. All times are seconds since the epoch.

    `died` is when the region died or, if none did, when the operator decided. `moved` is when the name
    servers answered with the survivor. `lost` are the files that had not replicated when the region died,
    None if none did. A file is in flight if the other region acknowledged it before `died` and its fate was
    still open then.
    """
    deliveries = [
        _at(fact)
        for account in accounts
        for fact in account.facts
        if fact.kind is Kind.DELIVERED and fact.side == survivor and _at(fact) > decided
    ]
    unknown = {file.id for file in lost or ()}
    ends = [
        _ended(account.facts)
        for account in accounts
        if account.file.side != survivor and account.file.at < died and account.file.id not in unknown
    ]
    in_flight = [end for end in ends if end is None or end > died]
    return Measures(
        decision_at=round(decided - began, 2),
        dns_moved=_after(decided, moved),
        first_delivered=_after(decided, min(deliveries, default=None)),
        all_accounted=_after(decided, _last(in_flight)),
        rpo_files=None if lost is None else len(lost),
        rpo_ages=sorted(round(died - file.at, 2) for file in lost or ()),
    )


def _ended(facts: Sequence[Fact]) -> float | None:
    """Return when the last transfer of a file ended, None if one has not."""
    return _last([_end(group) for group in by_transfer(facts).values()] or [None])


def _end(facts: Sequence[Fact]) -> float | None:
    facts = sorted(facts, key=_at)
    for count, fact in enumerate(facts, start=1):
        if status(facts[:count]) in ENDED:
            return _at(fact)
    return None


def _last(times: Sequence[float | None]) -> float | None:
    there = [each for each in times if each is not None]
    return max(there) if there and len(there) == len(times) else None


def _after(decided: float, moment: float | None) -> float | None:
    return None if moment is None else round(max(0.0, moment - decided), 2)


def _at(fact: Fact) -> float:
    return datetime.fromisoformat(fact.at).timestamp()
