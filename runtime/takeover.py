"""Takeover: finishing the transfers that a lost region had received, as far as this region's replicas show.

It starts only when an operator has declared the peer lost, which the peer's switch states, and never because
replication is slow. Each transfer continues in this region's workflow, with its own id and the replica of its
object. The lost region may have delivered it at the last moment, so every attempt asks the destination first.

A transfer that this region had received continues too if its execution has died, because the lost region may
have been carrying it.

A lost region may return before an operator puts it in again. If it has written anything about a transfer
since it was declared lost, it is alive, and the transfer is left to it for a while. Otherwise both deliver.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError

from runtime import objects
from runtime.contract import Kind, peer_of
from runtime.executions import Executions, Purpose, first
from runtime.facts import Fact, submitted
from runtime.file_names import without_names
from runtime.orphan_objects import OrphanObjects
from runtime.switch import Switch
from runtime.tracker import Tracker
from runtime.transfer import Transfer
from runtime.transfer_scan import TransferScan
from runtime.workflow import Leases

#: A transfer of this region that is younger than this is assumed to have a running execution.
_YOUNG = timedelta(hours=3)

#: A region that is well takes the lease on a file within this time of what it last wrote about the transfer,
#: or waits for another transfer of the file.
_QUICK = timedelta(minutes=5)

#: Transfers that are taken over at the same time at most, each of another file.
AT_ONCE = 32


@dataclass(frozen=True)
class Found:
    """A transfer that is under way, as this region would continue it, and its facts."""

    transfer: Transfer
    facts: tuple[Fact, ...]


class Result(StrEnum):
    """What became of one transfer in a pass."""

    STARTED = "started"
    ABSENT = "absent"
    LEFT_ALONE = "left alone"
    FAILED = "failed"


#: Calls a function for each transfer of a batch, and returns the results in their order.
Each = Callable[[Callable[[Found], tuple[Result, str]], list[Found]], Iterable[tuple[Result, str]]]


@dataclass(frozen=True, kw_only=True)
class TakenOver:
    """The result of one pass.

    `started` are the transfers that run here now. Submissions of one file run one at a time: a later pass
    starts the next. A transfer that an earlier pass started is listed for as long as its execution runs.
    `absent` are the transfers whose object has not arrived. `adopted` are the keys of objects without facts
    that were taken in here. `unproven` are the keys of such objects that were uploaded by SFTP and may be
    incomplete; only the lost region and the client know. `failed` has a text for each transfer, and each
    customer's bucket, with which AWS refused to help. `left` is the number of days, over all customers, that
    there was no time to scan; the next pass begins with them.
    """

    started: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    adopted: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    left: int = 0


class Takeover:
    """Takes over from the peer of `side`."""

    def __init__(
        self,
        *,
        side: str,
        switch: Switch,
        tracker: Tracker,
        scan: TransferScan,
        orphans: OrphanObjects,
        executions: Executions,
        s3: Any,
        each: Each = map,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`switch` is the peer's; `scan` finds transfers under way; the rest belongs to this region.

        `each` decides whether the transfers of a batch, at most AT_ONCE, have their turn one by one or at the
        same time.
        """
        self._side, self._switch, self._scan, self._orphans = side, switch, scan, orphans
        self._executions, self._s3, self._each, self._now = executions, s3, each, now
        self._tracker, self._leases = tracker, Leases(tracker=tracker, now=lambda: now().timestamp())
        self._carried: set[str] = set()
        self._lost_since = datetime.max.replace(tzinfo=UTC)

    def run(self, today: date, remaining: Callable[[], float] = lambda: math.inf) -> TakenOver:
        """Take over every transfer that the lost peer left under way; do nothing while the peer is not lost.

        It is safe to repeat: an execution's name follows from the transfer, and finished transfers have
        facts. `remaining` returns the seconds that are left. A transfer that cannot be taken over does not
        hold up the others: it is among the `failed`.
        """
        if not self._switch.position().is_lost:
            return TakenOver()
        self._lost_since = self._switch.standing().since
        # Submissions of one file run one after the other; otherwise the older one could arrive last.
        if not self._scan.is_continued:
            self._carried.clear()
        found: dict[Result, list[str]] = {result: [] for result in Result}
        batch: dict[str, Found] = {}
        for facts in self._scan.find(today, remaining):
            received = next((fact for fact in facts if fact.kind is Kind.RECEIVED), None)
            if received is None:
                continue
            transfer = Transfer.here(received, self._side, taken_over=True)
            if transfer.file in batch or len(batch) == AT_ONCE:
                self._take_all(batch, found)
            batch[transfer.file] = Found(transfer, facts)
        self._take_all(batch, found)
        adopted, unproven, refused = self._orphans.run(remaining)
        return TakenOver(
            started=tuple(found[Result.STARTED]),
            absent=tuple(found[Result.ABSENT]),
            adopted=adopted,
            unproven=unproven,
            failed=(*found[Result.FAILED], *refused),
            left=self._scan.left,
        )

    def _take_all(self, batch: dict[str, Found], found: dict[Result, list[str]]) -> None:
        """Take over a batch, add to `found`, by result, what became of each, and empty the batch."""
        outcomes = self._each(self._take, list(batch.values()))
        for each, (result, text) in zip(list(batch.values()), outcomes, strict=True):
            found[result].append(text)
            if result is Result.STARTED:
                self._carried.add(each.transfer.file)
        batch.clear()

    def _take(self, found: Found) -> tuple[Result, str]:
        """Take over one transfer; return what became of it, with its id, or with the text of a failure."""
        transfer = found.transfer
        try:
            if self._is_at_work(transfer, found.facts) or self._is_carried_there(transfer, found.facts):
                return Result.LEFT_ALONE, transfer.id
            if not self._has_arrived(transfer):
                return Result.ABSENT, transfer.id
            if transfer.file in self._carried or not self._executions.again(transfer, Purpose.TAKEOVER):
                return Result.LEFT_ALONE, transfer.id
        except ClientError as error:
            return Result.FAILED, f"{transfer.id}: {without_names(str(error), transfer.key)}"
        return Result.STARTED, transfer.id

    def _is_at_work(self, transfer: Transfer, facts: tuple[Fact, ...]) -> bool:
        """Return whether an execution of this region carries the transfer: ingest's, or a release's.

        A second execution beside a release's could have the lease first. It does not know that nothing was
        sent since the operator decided, and would hold the transfer again.
        """
        if any(self._runs(fact.writer) for fact in facts if self._is_release(fact)):
            return True
        if not any(fact.kind is Kind.RECEIVED and fact.side == self._side for fact in facts):
            return False
        if self._now() - submitted(transfer.id) < _YOUNG:
            return True
        return self._runs(first(transfer.id))

    def _is_carried_there(self, transfer: Transfer, facts: tuple[Fact, ...]) -> bool:
        """Return whether the region that was declared lost has returned and carries the transfer itself."""
        written = (datetime.fromisoformat(fact.at) for fact in facts if fact.side == peer_of(self._side))
        last = max(written, default=self._lost_since)
        if last <= self._lost_since:
            return False
        if self._now() - last < _QUICK:
            return True
        return self._leases.works_there(transfer, self._tracker.history(transfer.file, transfer.id))

    def _is_release(self, fact: Fact) -> bool:
        return fact.kind is Kind.REPLAYED and fact.side == self._side

    def _runs(self, execution: str) -> bool:
        run = self._executions.find(execution)
        return run is not None and run.ended is None

    def _has_arrived(self, transfer: Transfer) -> bool:
        return objects.head(self._s3, transfer.bucket, transfer.key, transfer.version_id) is not None
