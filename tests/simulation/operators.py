"""Simulated operators: they see a region lost, throw its switch after a while, and put it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.contract import REGION_OF, Position, peer_of
from runtime.switch import Switch
from tests.simulation.clock import Process
from tests.simulation.notices import announce
from tests.simulation.place import CELL, NAMESPACE
from tests.simulation.schedule import Evacuate, Lose

if TYPE_CHECKING:
    from tests.simulation.world import World

#: Seconds between two looks of the takeover while a region is out: it looks every minute, which is shown at
#: first; later looks find the same, so most of them are left out.
_LOOKS = (20.0, 60.0, 300.0, 1800.0)


class Operators:
    """The loss of regions, and the operators who react to it with the code's own switch."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._moves = 0
        self.evacuations: list[tuple[str, float, float]] = []

    def lose(self, action: Lose) -> None:
        """Lose a region and restore it later; the operators react."""
        clock, region = self._world.clock, self._world.regions[action.side]
        region.lose(action.mode)
        self._world.note(f"{action.side} is lost: {action.mode}")
        if action.declared is not None:
            clock.at(clock.now + action.declared, lambda: self._move(action.side, Position.LOST))
        healed = clock.now + action.seconds

        def heal() -> None:
            self._world.clients.look_back(action.side)
            region.heal()
            self._world.note(f"{action.side} is back")

        clock.at(healed, heal)
        if action.declared is not None:
            clock.at(healed + action.restored, lambda: self._move(action.side, Position.IN))

    def evacuate(self, action: Evacuate) -> None:
        """Take a healthy region out, and put it back later."""
        clock = self._world.clock
        self.evacuations.append((action.side, clock.now, clock.now + action.seconds))
        self._move(action.side, Position.OUT)
        clock.at(clock.now + action.seconds, lambda: self._move(action.side, Position.IN))

    def tick(self, side: str) -> None:
        """Run a side's takeover, if that side is running."""
        region = self._world.regions[side]
        if region.runs:
            self._world.cells[side].functions.start("takeover", {})

    def sweep(self, side: str) -> Process | None:
        """Run a side's sweep, if that side is running."""
        if not self._world.regions[side].runs:
            return None
        return self._world.cells[side].functions.start("sweep", {})

    def export(self, side: str) -> Process | None:
        """Export a side's facts to the audit chains, if that side is running."""
        if not self._world.regions[side].runs:
            return None
        return self._world.cells[side].functions.start("audit", {})

    def _move(self, side: str, position: Position) -> None:
        """Move a side's switch, and repeat that until it has succeeded."""
        world, clock = self._world, self._world.clock
        peer = REGION_OF[peer_of(side)]
        self._moves += 1
        number = self._moves

        def move() -> None:
            switch = Switch(
                namespace=NAMESPACE,
                cell=CELL,
                side=side,
                parameters=world.client("ssm", peer),
                metrics=world.client("cloudwatch", peer),
            )
            switch.move(position)
            world.note(f"{side} is declared {position.value}")
            if position.is_out:
                self._look(peer_of(side), side, 0)
                announce(world, side, number)

        clock.spawn(f"operator {number}", move)

    def _look(self, side: str, lost: str, number: int) -> None:
        clock = self._world.clock

        def look() -> None:
            if self._world.switched_out(lost):
                self.tick(side)
                self._look(side, lost, number + 1)

        clock.at(clock.now + _LOOKS[min(number, len(_LOOKS) - 1)], look)
