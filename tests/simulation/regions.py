"""The two regions and how they are lost: what stops, what goes on, and what is delayed until they return."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from runtime.contract import REGION_OF
from tests.simulation.clock import Clock, Process


class Mode(StrEnum):
    """The state of a region.

    DEAD: nothing runs, functions die. IMPAIRED: AWS does not answer and workflows stand still, but functions
    that run go on and reach the partners. CUT: all goes on inside, and outside only partners are reached.
    """

    UP = "up"
    DEAD = "dead"
    IMPAIRED = "impaired"
    CUT = "cut"


class Region:
    """One region: whether it answers, and which calls wait for its return."""

    def __init__(self, clock: Clock, side: str) -> None:
        self.clock, self.side, self.name = clock, side, REGION_OF[side]
        self.mode = Mode.UP
        self.functions: dict[Process, None] = {}
        self.lost_at: list[tuple[float, float | None]] = []
        self._frozen: list[tuple[Process, int]] = []
        self._held: list[Callable[[], Any]] = []

    def lose(self, mode: Mode) -> None:
        """Lose the region."""
        self.mode = mode
        self.lost_at.append((self.clock.now, None))
        if mode is Mode.DEAD:
            for process in self.functions:
                process.kill()

    def heal(self) -> None:
        """Restore the region: frozen processes continue, and delayed calls are made."""
        self.mode = Mode.UP
        since, _ = self.lost_at.pop()
        self.lost_at.append((since, self.clock.now))
        frozen, self._frozen = self._frozen, []
        for process, turn in frozen:
            self.clock.wake(process, turn)
        held, self._held = self._held, []
        for call in held:
            self.clock.at(self.clock.now, call)

    @property
    def runs(self) -> bool:
        """Whether its workflows, queues and schedules go on."""
        return self.mode is Mode.UP or self.mode is Mode.CUT

    @property
    def linked(self) -> bool:
        """Whether replication reaches and leaves the region."""
        return self.mode is Mode.UP

    def answers(self, side: str | None) -> bool:
        """Whether a call from a side (None: from outside) is answered."""
        return self.mode is Mode.UP or (self.mode is Mode.CUT and side == self.side)

    def freezes(self, process: Process) -> bool:
        """Freeze a process while the region does not run; return whether it was frozen."""
        if self.runs:
            return False
        self._frozen.append((process, process.turn))
        return True

    def when_runs(self, call: Callable[[], Any]) -> None:
        """Make a call now, or when the region runs again."""
        if self.runs:
            call()
        else:
            self._held.append(call)

    def when_linked(self, call: Callable[[], Any]) -> None:
        """Make a call now, or when the region can be reached again."""
        if self.linked:
            call()
        else:
            self._held.append(call)

    def was_lost_between(self, start: float, end: float) -> bool:
        """Whether the region was down at any moment of an interval."""
        return any(since <= end and (until is None or until >= start) for since, until in self.lost_at)
