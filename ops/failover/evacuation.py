"""Evacuating a region: moving the switch that its peer keeps, and nothing else.

That takes one parameter and one datapoint, whatever the number of customers. Every call goes to the data
planes of the peer region; the region that goes out may be dead, and the APIs of Route 53 and IAM with it.
Whether the peer itself is out, and which customers were shifted out of it, is recorded in the dead region and
in Route 53; the zone's name servers answer all the same, so they are asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from botocore.exceptions import BotoCoreError, ClientError

from customers.route53 import Record
from ops.aws_errors import blames_credentials
from ops.cell import DeployedCell, side_of
from ops.dns.dns_routing import NameRouting, halves, look
from ops.dns.name_servers import NameServers
from ops.environment import Environment
from ops.failover import interlocks
from ops.failover.interlocks import Doubt
from ops.logbook import Logbook
from ops.plan import RefusedError, command, digest
from ops.switches import force_of
from runtime.contract import PRIMARY, REGION_OF, Position, peer_of
from runtime.switch import Standing

EVACUATE, RESTORE, FORCE_IN = "evacuate", "restore", "force-in"


@dataclass(frozen=True, kw_only=True)
class SwitchPlan:
    """A move of a region's switch to `position`, through the region that keeps it.

    `now` is where the switch stands. `wanted` is what the name servers answer afterwards, for how many
    `customers`; without a name server that can be asked (`servers` is None), both are not known. The digest
    stands for `document`. `override` is the sentence that was typed to act in spite of the interlocks. Where
    `forces` is not None, the switch stays: the region itself says that it is in, or takes that back.
    """

    region: str
    through: str
    position: Position
    now: Position
    document: Mapping[str, Mapping[str, Any]]
    customers: int = 0
    wanted: tuple[Record, ...] = ()
    servers: NameServers | None = None
    override: str | None = None
    is_resumed: bool = False
    """Whether the switch stands there already, moved by a command that was cut off."""
    warnings: tuple[str, ...] = ()
    forces: bool | None = None

    @property
    def digest(self) -> str:
        """The digest of the plan: of moving the switch from where it stands now."""
        return digest(self.document)

    @property
    def names(self) -> int | None:
        """How many names answer otherwise afterwards, or None if that is not known."""
        return len(self.wanted) if self.servers else None

    @property
    def reach(self) -> str:
        """How much answers otherwise afterwards."""
        if self.names is None:
            return "of how many names and customers is not known"
        return f"{self.names:,} names of {self.customers:,} customers in service"

    @property
    def verb(self) -> str:
        """The verb that moves the switch to this position, or that forces the region in."""
        return verb_of(self.position) if self.forces is None else FORCE_IN

    @property
    def is_urgent(self) -> bool:
        """Whether it is carried out even if that cannot be recorded."""
        return self.position.is_out or self.forces is not None


def verb_of(position: Position) -> str:
    """Return the verb that moves a switch to a position."""
    match position:
        case Position.OUT | Position.LOST:
            return EVACUATE
        case Position.IN:
            return RESTORE
        case unreachable:
            assert_never(unreachable)


def document(side: str, position: Position, standing: Standing) -> dict[str, dict[str, Any]]:
    """Return what the digest of a plan stands for: one move of a switch, from the version that it has."""
    return {
        REGION_OF[side]: {
            "through": REGION_OF[peer_of(side)],
            "position": position.value,
            "was": standing.position.value,
            "version": standing.version,
        }
    }


def resumed(
    cell: DeployedCell, side: str, position: Position, now: Standing
) -> Mapping[str, Mapping[str, Any]]:
    """Return the document of the plan that moved a switch to where it stands and was cut off.

    `cell` is the region that acts. Raises RefusedError when no plan was cut off.
    """
    region = REGION_OF[side]
    verb = verb_of(position)
    # The switch has been moved once since then, to this position: by that plan.
    if plan := cut_off(cell, verb, region, position=position.value, version=now.version - 1):
        return plan
    if position.is_out:
        instead = f"to put it back: {command(RESTORE, region)}"
    else:
        instead = interlocks.way_out(cell.environment, side)
    raise RefusedError(f"{region} is {position.value} already; nothing was done; {instead}")


def cut_off(cell: DeployedCell, verb: str, region: str, **move: Any) -> Mapping[str, Mapping[str, Any]]:
    """Return the document of a verb's plan that was cut off and makes this move; an empty one if none does.

    `cell` is the region that acts.
    """
    try:
        entry = Logbook(cell, verb).cut_off()
    except (ClientError, BotoCoreError) as error:
        if blames_credentials(error):
            raise
        entry = None
    plan: Mapping[str, Mapping[str, Any]] = entry.intent["plan"] if entry else {}
    found = plan.get(region, {})
    return plan if all(found.get(key, ...) == value for key, value in move.items()) else {}


def evacuation(
    environment: Environment, region: str, position: Position, *, override: str | None = None
) -> SwitchPlan:
    """Return the plan that takes a region out of DNS, to the position `out` or `lost`.

    Raises RefusedError when the region is in that position already, unless it has been forced in since; when
    its peer is out or does not answer; and when the peer is not ready or customers are out of it, unless
    `override` is the sentence that names those doubts.
    """
    side = side_of(region)
    peer = DeployedCell(environment=environment, side=peer_of(side))
    now = interlocks.standing_of(environment, side)
    is_forced = now.position.is_out and force_of(environment, side).overrules(now)
    if now.position is Position.LOST and position is Position.OUT and not is_forced:
        raise RefusedError(
            f"{region} is declared lost, and its peer has taken over; "
            f"restore it when it is back: {command('restore', region)}"
        )
    is_resumed = now.position is position and not is_forced
    plan = resumed(peer, side, position, now) if is_resumed else document(side, position, now)
    found = look(peer, peer.side)
    doubts = [] if is_resumed else [*_outside(found, peer, side), *interlocks.ready(peer)]
    return SwitchPlan(
        region=region,
        through=peer.region,
        position=position,
        now=now.position,
        document=plan,
        customers=len(found.sides),
        wanted=tuple(_answers(environment, found.sides, side)),
        servers=found.servers,
        override=interlocks.settle(doubts, override),
        is_resumed=is_resumed,
        warnings=tuple(found.warnings),
    )


def _outside(found: NameRouting, peer: DeployedCell, side: str) -> Sequence[Doubt]:
    """Return the doubt about customers that are out of the peer; RefusedError when all customers are."""
    outside = found.at(side)
    if not outside:
        return ()
    if alone := interlocks.left_alone(found, peer):
        raise RefusedError(alone)
    are = "is" if len(outside) == 1 else "are"
    return (
        Doubt(
            sentence=f"{', '.join(outside)} {are} out of {peer.region}",
            problems=[
                f"{len(outside):,} of {len(found.sides):,} customers would be nowhere, and Route 53 would"
                " answer as if both regions were well; bring them back first, which needs its control plane:"
                f" {command('shift', *outside, '--back')}"
            ],
        ),
    )


def _answers(environment: Environment, customers: Iterable[str], side: str) -> Iterable[Record]:
    """Yield what customers' names answer while a side is out: its own name and `primary.`, with the peer."""
    for customer in customers:
        for endpoint in (side, PRIMARY):
            yield from halves(environment, customer, endpoint, peer_of(side))
