"""Held transfers: destinations are asked repeatedly whether they have the file after all.

No amount of waiting proves that they do not, but a destination that could not be read, or that had moved the
file for a while, may answer later. A file that is found is recorded as delivered. Nothing is ever sent: that
takes an operator (runtime/release.py).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from botocore.exceptions import ClientError

from runtime.contract import Kind
from runtime.executions import Executions, Purpose
from runtime.facts import Fact, standing
from runtime.switch import Switch
from runtime.transfer import Transfer
from runtime.transfer_scan import TransferScan

#: Seconds between two scans for held transfers: each reads the tracker's index for every kept day.
PAUSE = 900


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The transfers whose destinations are being asked, and the number of days left to scan.

    `held` is the number of held transfers after a scan of all days, None after any other call.
    """

    asked: tuple[str, ...] = ()
    left: int = 0
    held: int | None = None


class HeldTransfers:
    """Asks about this region's held transfers, and about the peer's too while the peer is declared lost."""

    def __init__(
        self,
        *,
        side: str,
        switch: Switch,
        scan: TransferScan,
        executions: Executions,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`switch` is the peer's; `scan` finds held transfers; the rest belongs to this region."""
        self._side, self._switch, self._scan, self._executions = side, switch, scan, executions
        self._clock, self._due = clock, -math.inf

    def run(self, today: date, remaining: Callable[[], float] = lambda: math.inf) -> Asked:
        """Start an execution that asks about each held transfer, if a scan is due.

        The first one asks at once; the pause before each further one doubles, from two minutes to a day.
        `remaining` returns the seconds that are left.
        """
        if self._clock() < self._due:
            return Asked()
        self._due = self._clock() + PAUSE
        is_alone = self._switch.position().is_lost
        asked: list[str] = []
        refused: list[ClientError] = []
        held = 0
        for facts in self._scan.find(today, remaining):
            held += any(self._is_here(fact, is_alone) for fact in standing(facts))
            received = next((fact for fact in facts if fact.kind is Kind.RECEIVED), None)
            if received is None or not self._is_asked_about(facts, is_alone):
                continue
            transfer = Transfer.here(received, self._side, taken_over=True, asks=True)
            try:
                if self._executions.again(transfer, Purpose.ASK):
                    asked.append(transfer.id)
            except ClientError as error:
                refused.append(error)
        if refused:
            raise refused[0]
        left = self._scan.left
        return Asked(asked=tuple(asked), left=left, held=None if left else held)

    def _is_asked_about(self, facts: tuple[Fact, ...], is_alone: bool) -> bool:
        """Return whether a destination may have the file and this region is the one that asks.

        A destination that has a newer version in the file's place is not asked.
        """
        return any(self._is_here(fact, is_alone) and "newer" not in fact.detail for fact in standing(facts))

    def _is_here(self, fact: Fact, is_alone: bool) -> bool:
        return fact.kind is Kind.HELD and (is_alone or fact.side == self._side)
