"""Simulated notices: while a region is out, operators send customers instructions, as `ops notice` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from ops.plan import RefusedError
from ops.recovery.notice import Notices
from runtime.contract import REGION_OF, stem
from runtime.metric_names import SwitchKind
from tests.simulation.clock import Dice
from tests.simulation.place import CELL, NAMESPACE, ZONE

if TYPE_CHECKING:
    from tests.simulation.world import World

#: Seconds from taking a region out to its notices, least and most; seconds between two tries.
_NOTICE_AFTER = (30.0, 1800.0)
_AGAIN = 300.0


class _Environment:
    """The environment as the operators' tools see it."""

    namespace, cell, zone, switch = NAMESPACE, CELL, ZONE, SwitchKind.ALARM
    stem = stem(NAMESPACE, CELL)

    def __init__(self, world: World) -> None:
        self._world = world

    def client(self, service: str, side: str) -> Any:
        """Return the client of a service in the region of a side."""
        return self._world.client(service, REGION_OF[side])


def announce(world: World, out: str, number: int) -> None:
    """Have the operators notify every customer while a side is out, until that has succeeded.

    Some schedules have no notice: they show that files do not depend on it.
    """
    clock, dice = world.clock, Dice(world.clock.seed, f"notice {number}")
    if dice.chance(0.3):
        return

    def tell() -> None:
        informed: set[str] = set()
        while world.switched_out(out):
            try:
                notices = Notices(_Environment(world))  # type: ignore[arg-type]
                for name in notices.customers(()):
                    if name not in informed:
                        notices.publish(notices.notice(name))
                        informed.add(name)
                return
            except (ClientError, BotoCoreError, RefusedError):
                clock.sleep(_AGAIN)

    clock.spawn(f"notice {number}", tell, after=dice.between(*_NOTICE_AFTER))
