"""Evacuating a region: the peer's switch, and nothing else.

One parameter and one datapoint, whatever the number of customers. Every call goes to the peer region's data
planes; the region that goes out may be dead, and Route 53's and IAM's APIs with it. Whether the peer itself
is out, and which customers were shifted out of it, stands in the dead region and in Route 53: so the zone's
name servers are asked, which answer all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from customers.route53 import Record
from ops.cell import DeployedCell, side_of
from ops.dns.dns_routing import NameRouting, halves, look
from ops.dns.name_servers import NameServers
from ops.environment import Environment
from ops.failover import interlocks
from ops.failover.interlocks import Doubt
from ops.logbook import Logbook
from ops.plan import RefusedError, digest, is_expired
from runtime.contract import PRIMARY, REGION_OF, Position, peer_of, switch_parameter
from runtime.switch import Standing

EVACUATE, RESTORE = "evacuate", "restore"


@dataclass(frozen=True, kw_only=True)
class SwitchPlan:
    """What moving a switch does: which region, from where to where, through which region.

    `wanted` is what the name servers answer when it is done. `document` is what the digest stands for.
    `override` is the sentence that was typed against what the interlocks found.
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
    """Whether the switch stands there already, and who moved it was cut off before the end."""
    warnings: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """What stands for the plan: moving the switch, from where it stands now."""
        return digest(self.document)

    @property
    def verb(self) -> str:
        """Which verb moves the switch there."""
        return EVACUATE if self.position.is_out else RESTORE


def standing_of(environment: Environment, side: str) -> Standing:
    """Return where a side's switch stands; RefusedError when its keeper does not tell."""
    try:
        return interlocks.switch_of(environment, side).standing()
    except (ClientError, BotoCoreError, ValueError) as error:
        if is_expired(error):
            raise
        region, keeper = REGION_OF[side], REGION_OF[peer_of(side)]
        name = switch_parameter(environment.namespace, environment.cell, side)
        raise RefusedError(
            f"{keeper} keeps the switch of {region}, in {name}, and does not tell its position: {error}"
        ) from error


def document(side: str, position: Position, standing: Standing) -> dict[str, dict[str, Any]]:
    """Return what a digest stands for: a switch's way, from one of its versions to the next."""
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
    """Return the document of the plan that moved a switch to where it stands, and was cut off.

    `cell` is the region that acts. Raises RefusedError when nothing was cut off.
    """
    region = REGION_OF[side]
    try:
        entry = Logbook(cell, EVACUATE if position.is_out else RESTORE).cut_off()
    except (ClientError, BotoCoreError) as error:
        if is_expired(error):
            raise
        entry = None
    plan: Mapping[str, Mapping[str, Any]] = entry.intent["plan"] if entry else {}
    way = plan.get(region, {})
    # The switch was moved once since, and to there: by that plan.
    if (way.get("position"), way.get("version")) == (position.value, now.version - 1):
        return plan
    raise RefusedError(f"{region} is {position.value} already; nothing was done")


def evacuation(
    environment: Environment, region: str, position: Position, *, override: str | None = None
) -> SwitchPlan:
    """Return the plan that takes a region out, as `out` or as `lost`.

    Raises RefusedError when it is there already, when the peer is out, and when the peer is not ready or
    customers are out of it, unless `override` is the sentence that says so.
    """
    side = side_of(region)
    peer = DeployedCell(environment=environment, side=peer_of(side))
    now = standing_of(environment, side)
    if now.position is Position.LOST and position is Position.OUT:
        raise RefusedError(
            f"{region} is declared lost, and its peer has taken over; "
            f"restore it when it is back: python -m ops restore {region}"
        )
    is_resumed = now.position is position
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
    """Return the doubt about customers that are out of the peer; RefusedError when all of them are."""
    outside = found.at(side)
    if not outside:
        return ()
    if len(outside) == len(found.sides):
        raise RefusedError(
            f"{peer.region} is out of DNS already, for all customers; both regions are never out at once."
            f" Restore it first: python -m ops restore {peer.region}; or, if they were shifted out of it:"
            f" python -m ops shift {' '.join(outside)} --back"
        )
    are = "is" if len(outside) == 1 else "are"
    return (
        Doubt(
            sentence=f"{', '.join(outside)} {are} out of {peer.region}",
            problems=[
                f"{len(outside):,} of {len(found.sides):,} customers would be nowhere, and Route 53 would"
                " answer as if both regions were well; bring them back first, which needs its control plane:"
                f" python -m ops shift {' '.join(outside)} --back"
            ],
        ),
    )


def _answers(environment: Environment, customers: Iterable[str], side: str) -> Iterable[Record]:
    """Yield what names answer while a side is out: its own and `primary.`, with the peer."""
    for customer in customers:
        for endpoint in (side, PRIMARY):
            yield from halves(environment, customer, endpoint, peer_of(side))
