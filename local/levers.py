"""What can be done to a running world: lines that are typed where `mft-local up` runs.

A region is lost or returns, a partner is down or back, a registry that was changed is applied. What operators
do about it, they do with `mft-ops`.
"""

from __future__ import annotations

import select
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from customers.problems import RegistryError
from local import interrupts
from local.program import ProgramError
from local.world import World, WorldError
from runtime.contract import EAST, REGION_OF, SIDE_OF, WEST

HELP = (
    "lose REGION | return REGION     a region dies, or comes back",
    "stop PARTNER | start PARTNER    a partner's server is down, or up again: CUSTOMER/DESTINATION",
    "apply                           run both stacks on the registry as it is now",
)


class LeverError(ValueError):
    """A line that is no lever of this world; the message says what would be."""


class Levers:
    """The levers of one world."""

    def __init__(self, world: World, registry: Path) -> None:
        """`registry` is the folder of YAML files that `apply` reads."""
        self._world, self._registry = world, registry
        self._lost: set[str] = set()

    def pull(self, line: str) -> str:
        """Do what a line says, and return what has happened.

        Raises LeverError, and RegistryError or ProgramError for a registry that cannot be applied.
        """
        match line.split():
            case ["lose", region]:
                return self._lose(self._side(region))
            case ["return", region]:
                return self._return(self._side(region))
            case ["stop", partner]:
                return self._partner(partner, lambda server: server.stop(), "is down")
            case ["start", partner]:
                return self._partner(partner, lambda server: server.start(), "is up")
            case ["apply"]:
                return self._apply()
            case _:
                raise LeverError(f"{line.strip()!r} is not one of:\n" + "\n".join(HELP))

    def _lose(self, side: str) -> str:
        if side in self._lost:
            raise LeverError(f"{REGION_OF[side]} is lost already; bring it back: return {REGION_OF[side]}")
        self._world.lose(side)
        self._lost.add(side)
        return f"{REGION_OF[side]} is lost"

    def _return(self, side: str) -> str:
        if side not in self._lost:
            raise LeverError(f"{REGION_OF[side]} is not lost")
        self._world.find_again(side)
        self._lost.remove(side)
        return f"{REGION_OF[side]} is back"

    def _partner(self, name: str, act: Callable[..., object], state: str) -> str:
        servers = self._world.external_parties.partners
        found = servers.get((name.partition("/")[0], name.partition("/")[2]))
        if found is None:
            known = ", ".join(f"{customer}/{destination}" for customer, destination in sorted(servers))
            raise LeverError(f"{name!r} is not a partner's SFTP server; these are: {known}")
        act(found)
        return f"{name} {state}"

    def _apply(self) -> str:
        if self._lost:
            regions = ", ".join(sorted(REGION_OF[side] for side in self._lost))
            raise LeverError(f"a stack cannot be run while its region is lost: return {regions}")
        self._world.read_registry(self._registry)
        sides = (WEST, EAST)
        for side in sides:
            self._world.up(side)
        return f"{', '.join(map(self._world.stack, sides))}: applied"

    @staticmethod
    def _side(region: str) -> str:
        if region not in SIDE_OF:
            raise LeverError(f"{region!r} is not one of {', '.join(SIDE_OF)}")
        return SIDE_OF[region]


def keep(world: World, registry: Path, console: Console) -> None:
    """Keep a world running until KeyboardInterrupt, and pull the levers that are typed.

    Raises WorldError if the emulated AWS ends by itself.
    """
    levers, sources = Levers(world, registry), [sys.stdin] if sys.stdin and sys.stdin.isatty() else []
    try:
        while world.aws.alive():
            ready, _, _ = select.select(sources, [], [], 1)
            line = ready[0].readline() if ready else "\n"
            if not line:
                sources = []  # the end of the input: nothing more will be typed
            elif line.strip():
                _try(levers, line, console)
    except KeyboardInterrupt:
        interrupts.noticed(status=0)
    else:
        raise WorldError(f"the emulated AWS has ended; the last lines of its log:\n{world.aws.tail()}")


def _try(levers: Levers, line: str, console: Console) -> None:
    try:
        console.print(levers.pull(line), markup=False)
    except (LeverError, OSError, ProgramError, RegistryError) as error:
        console.print(str(error), markup=False)
