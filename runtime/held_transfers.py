"""Holds: asking destinations, again and again, whether a file that is held is there after all.

No waiting time proves anything, but a destination that could not be read, or had the file in another place
for a while, may answer later. What is found is recorded as delivered and nothing is ever sent: that takes an
operator (runtime/release.py).
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

#: Seconds between two looks for what is held: each reads the tracker's index of every kept day.
PAUSE = 900


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Transfers whose destinations are being asked, and how many days there was no time to look at."""

    asked: tuple[str, ...] = ()
    left: int = 0


class HeldTransfers:
    """Asks about what this region holds; about what the peer holds too, while the peer is declared lost."""

    def __init__(
        self,
        *,
        side: str,
        switch: Switch,
        survey: TransferScan,
        executions: Executions,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`switch` is the peer's, and `survey` looks for what is held; the rest is this region's."""
        self._side, self._switch, self._survey, self._executions = side, switch, survey, executions
        self._clock, self._due = clock, -math.inf

    def run(self, today: date, remaining: Callable[[], float] = lambda: math.inf) -> Asked:
        """Let an execution ask about each held transfer, if a look is due.

        The first asks at once; from one to the next the pause doubles, from two minutes to a day.
        """
        if self._clock() < self._due:
            return Asked()
        self._due = self._clock() + PAUSE
        is_alone = self._switch.position().is_lost
        asked: list[str] = []
        refused: list[ClientError] = []
        for facts in self._survey.find(today, remaining):
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
        return Asked(asked=tuple(asked), left=self._survey.left)

    def _is_asked_about(self, facts: tuple[Fact, ...], is_alone: bool) -> bool:
        """Return whether the destination may have the file, and it is for this region to ask.

        Where a newer version is in the file's place there is nothing to ask.
        """
        return any(
            fact.kind is Kind.HELD and "newer" not in fact.detail and (is_alone or fact.side == self._side)
            for fact in standing(facts)
        )
