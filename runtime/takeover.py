"""Takeover: finishing what the lost region had received, as far as this region's replicas know.

It starts only when an operator has declared the peer lost, which is what the peer's switch says; never
because replication is slow. Each transfer goes on in this region's workflow, with its own id and the
replica of its object. Nobody can tell whether the lost region delivered it at the last moment, so every
attempt asks the destination first.

What this region had received goes on too where its execution has died: the lost region may have been the one
that carried it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from runtime import objects
from runtime.contract import Kind
from runtime.executions import Executions, Purpose, first
from runtime.facts import Fact, submitted
from runtime.orphan_objects import OrphanObjects
from runtime.switch import Switch
from runtime.transfer import Transfer
from runtime.transfer_scan import TransferScan

#: A transfer of this region younger than this is not asked about: its execution is at work.
_YOUNG = timedelta(hours=3)

_FAILURES_TOLD = 10


class TakeoverIncompleteError(RuntimeError):
    """Some transfers could not be taken over, and the message names them; all others were."""


@dataclass(frozen=True, kw_only=True)
class TakenOver:
    """What one pass found: transfers that now go on here, and all those whose object has not arrived.

    Of one file's submissions one goes on at a time; a later pass starts the next. One that an earlier pass
    started is named again for as long as its execution runs. `adopted` are keys of objects that no fact was
    about, taken in here; `unproven` are those uploaded by SFTP, of which nobody here knows whether they are
    complete: the lost region knows, and so does the client. `left` counts the days, of all customers, that
    there was no time to look at; the next pass begins with them.
    """

    started: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    adopted: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()
    left: int = 0


class Takeover:
    """Takes over from the peer of `side`."""

    def __init__(
        self,
        *,
        side: str,
        switch: Switch,
        survey: TransferScan,
        unseen: OrphanObjects,
        executions: Executions,
        s3: Any,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`switch` is the peer's, and `survey` looks for what is under way; the rest is this region's."""
        self._side, self._switch, self._survey, self._unseen = side, switch, survey, unseen
        self._executions, self._s3, self._now = executions, s3, now

    def run(self, today: date, remaining: Callable[[], float] = lambda: math.inf) -> TakenOver:
        """Take over everything that the peer left under way; nothing while the peer is in.

        Safe to repeat: an execution's name follows from the transfer, and facts end what is done. `remaining`
        is how many seconds are left for it. A transfer that AWS refuses to take over does not hold back the
        others: TakeoverIncompleteError after them.
        """
        if not self._switch.position().is_lost:
            return TakenOver()
        started, absent, failed = [], [], []
        carried: set[str] = set()
        for facts in self._survey.find(today, remaining):
            received = next((fact for fact in facts if fact.kind is Kind.RECEIVED), None)
            if received is None:
                continue
            transfer = Transfer.here(received, self._side, taken_over=True)
            try:
                if self._is_at_work(transfer, facts):
                    continue
                if not self._has_arrived(transfer):
                    absent.append(transfer.id)
                # Submissions of one file go one after the other: else the older could be the last to arrive.
                elif transfer.file not in carried and self._executions.again(transfer, Purpose.TAKEOVER):
                    started.append(transfer.id)
                    carried.add(transfer.file)
            except ClientError as error:
                failed.append(f"{transfer.id}: {error}")
        adopted, unproven, refused = self._unseen.run(remaining)
        failed += refused
        if failed:
            told = "; ".join(failed[:_FAILURES_TOLD])
            raise TakeoverIncompleteError(f"{len(started)} started, {len(failed)} failed: {told}")
        return TakenOver(
            started=tuple(started),
            absent=tuple(absent),
            adopted=adopted,
            unproven=unproven,
            left=self._survey.left,
        )

    def _is_at_work(self, transfer: Transfer, facts: tuple[Fact, ...]) -> bool:
        """Return whether this region's own execution, the one that ingest began, carries the transfer."""
        if not any(fact.kind is Kind.RECEIVED and fact.side == self._side for fact in facts):
            return False
        if self._now() - submitted(transfer.id) < _YOUNG:
            return True
        run = self._executions.find(first(transfer.id))
        return run is not None and run.ended is None

    def _has_arrived(self, transfer: Transfer) -> bool:
        return objects.head(self._s3, transfer.bucket, transfer.key, transfer.version_id) is not None
