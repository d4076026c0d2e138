"""Evacuating a region and restoring it: the peer's switch, and nothing else.

One parameter and one datapoint, whatever the number of customers. Every call goes to the peer region's data
planes; the region that goes out may be dead, and Route 53's and IAM's APIs with it.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ops.environment import Environment
from ops.plan import RefusedError
from runtime.contract import REGION_OF, SIDE_OF, Position, peer_of, switch_parameter
from runtime.switch import Switch


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What moving a switch does: which region, from where to where, through which region."""

    region: str
    through: str
    position: Position
    now: Position
    warnings: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return the plan in words."""
        is_out = self.position.is_out
        told = [
            f"take {self.region} {'out of' if is_out else 'back into'} DNS,"
            f" through {self.through}: one parameter, one datapoint",
            f"its records then answer with {self.through if is_out else self.region}",
        ]
        if self.position is Position.LOST:
            told.append(f"it is declared lost: {self.through} takes over what it has left unfinished")
        return [*told, *(f"warning: {warning}" for warning in self.warnings)]


def side_of(region: str) -> str:
    """Return the side of a region; RefusedError, with the nearest match, for one that is not ours."""
    if region in SIDE_OF:
        return SIDE_OF[region]
    near = difflib.get_close_matches(region, SIDE_OF, n=1, cutoff=0.3)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise RefusedError(f"{region!r} is not one of {', '.join(sorted(SIDE_OF))}{hint}")


class Evacuation:
    """Moves the switches of an environment's regions."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def plan(self, region: str, position: Position) -> Plan:
        """Return the plan; RefusedError when the region is there already, or its peer is out."""
        side = side_of(region)
        peer = peer_of(side)
        now = self._position(side)
        if now is position:
            raise RefusedError(f"{region} is {position.value} already; nothing was done")
        if now is Position.LOST and position is Position.OUT:
            raise RefusedError(
                f"{region} is declared lost, and its peer has taken over; "
                f"restore it when it is back: python -m ops restore {region} --apply"
            )
        warnings = []
        if position.is_out:
            warnings = self._interlock(region, peer)
        return Plan(
            region=region, through=REGION_OF[peer], position=position, now=now, warnings=tuple(warnings)
        )

    def apply(self, plan: Plan) -> None:
        """Do what the plan says: move the switch and publish it."""
        self._switch(SIDE_OF[plan.region]).move(plan.position)

    def _interlock(self, region: str, peer: str) -> list[str]:
        """Refuse to take out the second region; where its switch cannot be read, warn."""
        try:
            other = self._position(peer)
        except RefusedError as error:
            return [str(error)]
        if other.is_out:
            raise RefusedError(
                f"{REGION_OF[peer]} is out already; both regions are never out at once. "
                f"Restore it first: python -m ops restore {REGION_OF[peer]} --apply"
            )
        return []

    def _position(self, side: str) -> Position:
        """Return where a side's switch stands; RefusedError when its keeper does not tell."""
        try:
            return self._switch(side).position()
        except (ClientError, BotoCoreError, ValueError) as error:
            region, keeper = REGION_OF[side], REGION_OF[peer_of(side)]
            name = switch_parameter(self._environment.namespace, self._environment.cell, side)
            raise RefusedError(
                f"{keeper} keeps the switch of {region}, in {name}, and does not tell its position: {error}"
            ) from error

    def _switch(self, side: str) -> Switch:
        environment, peer = self._environment, peer_of(side)

        def client(service: str) -> Any:
            return environment.client(service, peer)

        return Switch(
            namespace=environment.namespace,
            cell=environment.cell,
            side=side,
            parameters=client("ssm"),
            metrics=client("cloudwatch"),
        )
