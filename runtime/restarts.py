"""Restarts: transfers of this region that are not finished, and that no execution carries, are carried again.

An execution may fail, time out or be aborted, and a transfer may be recorded as received without an execution
having been started. A transfer is finished when its destinations are settled, its file is archived, and its
customer has the receipt that says so.

Each restart asks the destinations first, because an execution that died may have sent the file. Nothing is
given up: the pauses between the restarts of a transfer double, from two minutes to a day
(`runtime.executions`), and from the fifth restart on the transfer is reported as stalled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import assert_never

from botocore.exceptions import ClientError

from runtime.contract import Kind
from runtime.executions import Executions, Purpose, first
from runtime.facts import Fact, Status, status
from runtime.file_names import without_names
from runtime.receipts import outcome_of
from runtime.transfer import Transfer
from runtime.transfer_scan import TransferScan

#: A transfer whose latest fact is younger is assumed to have an execution: Step Functions lists executions
#: with some delay, and the intake starts one after it has recorded the transfer.
YOUNG = timedelta(minutes=10)

#: Restarts after which a transfer is reported as stalled.
MANY = 5


@dataclass(frozen=True, kw_only=True)
class Restarted:
    """The result of a pass, by the ids of transfers.

    `started` were carried by no execution and now are; `waiting` are to be restarted after a pause, or after
    an earlier submission of their file. `stalled` have had MANY restarts. `failed` has a text
    for each transfer that could not be started, and `left` is the number of days, over all customers, that
    there was no time to scan.
    """

    started: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    stalled: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    left: int = 0


def is_unfinished(facts: tuple[Fact, ...]) -> bool:
    """Return whether something of ONE transfer is left for an execution to do.

    A rejected transfer has none: the intake sends its receipt.
    """
    its = status(facts)
    match its:
        case Status.UNDER_WAY:
            return True
        case Status.REJECTED:
            return False
        case Status.DELIVERED | Status.DUPLICATE | Status.FAILED | Status.HELD:
            told = (fact.detail.get("outcome") for fact in facts if fact.kind is Kind.RECEIPT)
            is_archived = any(fact.kind is Kind.ARCHIVED for fact in facts)
            return not is_archived or outcome_of(its).value not in told
        case _:
            assert_never(its)


class Restarts:
    """Restarts the transfers of `side`. `scan` finds unfinished ones; everything is of that region."""

    def __init__(
        self,
        *,
        side: str,
        scan: TransferScan,
        executions: Executions,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._side, self._scan, self._executions, self._now = side, scan, executions, now

    def run(self, today: date, remaining: Callable[[], float]) -> Restarted:
        """Make one pass; it is safe to repeat, because an execution's name follows from the transfer.

        `remaining` returns the seconds that are left. Of several submissions of a file, one is restarted at
        a time, as in a takeover.
        """
        started, waiting, stalled, failed = [], [], [], []
        running: set[str] | None = None
        files: set[str] = set()
        for facts in self._scan.find(today, remaining):
            received = self._own(facts)
            if received is None or self._is_young(facts):
                continue
            if running is None:
                running = self._executions.running()
            if received.transfer in running:
                continue
            transfer = Transfer.here(received, self._side, taken_over=True)
            try:
                if self._is_carried(transfer, facts):
                    continue
                if self._executions.starts(transfer.id, Purpose.TAKEOVER) >= MANY:
                    stalled.append(transfer.id)
                if transfer.file not in files and self._start(transfer):
                    started.append(transfer.id)
                    files.add(transfer.file)
                else:
                    waiting.append(transfer.id)
            except ClientError as error:
                failed.append(f"{transfer.id}: {without_names(str(error), transfer.key)}")
        return Restarted(
            started=tuple(started),
            waiting=tuple(waiting),
            stalled=tuple(stalled),
            failed=tuple(failed),
            left=self._scan.left,
        )

    def _own(self, facts: Iterable[Fact]) -> Fact | None:
        """Return the first RECEIVED fact if it is this region's, otherwise None."""
        received = [fact for fact in facts if fact.kind is Kind.RECEIVED]
        earliest = min(received, key=lambda fact: fact.at, default=None)
        return earliest if earliest and earliest.side == self._side else None

    def _is_young(self, facts: Iterable[Fact]) -> bool:
        return self._now() - max(datetime.fromisoformat(fact.at) for fact in facts) < YOUNG

    def _is_carried(self, transfer: Transfer, facts: Iterable[Fact]) -> bool:
        """Return whether ingest's execution, or that of a release, runs after all."""
        releases = [fact.writer for fact in facts if fact.kind is Kind.REPLAYED and fact.side == self._side]
        runs = (self._executions.find(name) for name in (first(transfer.id), *releases))
        return any(run is not None and run.ended is None for run in runs)

    def _start(self, transfer: Transfer) -> bool:
        """Start the execution that ingest should have started, or else the next restart when it is due."""
        if self._executions.find(first(transfer.id)) is None:
            return self._executions.start(transfer, first(transfer.id))
        return self._executions.again(transfer, Purpose.TAKEOVER)
