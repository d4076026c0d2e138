"""Interlocks: what keeps customers from being sent to a region that cannot serve them, and the override.

A refusal names the command that does act: what is in whose hands is known here.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from ops import switches
from ops.aws_errors import blames_credentials
from ops.cell import DeployedCell
from ops.dns.dns_changes import CONTROL_SIDE, ControlPlaneError
from ops.dns.dns_routing import NameRouting, look
from ops.environment import Environment
from ops.health import cell_health
from ops.plan import RefusedError, command
from ops.switches import SilentKeeperError, switch_of
from runtime.contract import REGION_OF, peer_of
from runtime.switch import Standing

#: How many customers a refusal names.
_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """A reason to refuse until an operator types the sentence; `problems` are the findings behind it."""

    sentence: str
    problems: Sequence[str]


def ready(cell: DeployedCell) -> list[Doubt]:
    """Return the doubt whether a cell can carry its customers; an empty list when it can."""
    if problems := cell_health.problems(cell):
        return [Doubt(sentence=f"{cell.region} is not ready", problems=problems)]
    return []


def settle(doubts: Sequence[Doubt], typed: str | None) -> str | None:
    """Return the sentence that was typed to act in spite of all doubts; None when there are no doubts.

    Raises RefusedError, with every problem and the sentence to type, unless exactly that was typed.
    """
    if not doubts:
        return None
    sentence = ", and ".join(doubt.sentence for doubt in doubts)
    if typed == sentence:
        return sentence
    lines = [f"{doubt.sentence}: {problem}" for doubt in doubts for problem in doubt.problems]
    if typed is not None:
        lines.append(f"--override {shlex.quote(typed)} is not the sentence that overrides this")
    raise RefusedError("\n".join([*lines, f"to do it all the same: --override {shlex.quote(sentence)}"]))


def standing_of(environment: Environment, side: str) -> Standing:
    """Return where a region's switch stands; SilentKeeperError, with what acts instead, if nobody says."""
    try:
        return switches.standing_of(environment, side)
    except SilentKeeperError as error:
        keeper = REGION_OF[peer_of(side)]
        raise SilentKeeperError(
            f"{error}; nobody can be sent there while it does not answer. If {REGION_OF[side]} is out, put it"
            f" in from its own side: {command('force-in', REGION_OF[side])}; if it is in, take {keeper} out:"
            f" {command('evacuate', keeper)}"
        ) from error


def way_in(environment: Environment, side: str) -> str:
    """Return the command that puts a region that is out back in: through its keeper, or without it."""
    try:
        switches.standing_of(environment, side)
    except SilentKeeperError:
        return command("force-in", REGION_OF[side])
    return command("restore", REGION_OF[side])


def way_out(environment: Environment, side: str) -> str:
    """Return how a region that is in is taken out; while its peer is out, what has to come first."""
    peer = DeployedCell(environment=environment, side=peer_of(side))
    alone = left_alone(look(peer, peer.side), peer)
    return alone or f"to take it out: {command('evacuate', REGION_OF[side])}"


def left_alone(found: NameRouting, peer: DeployedCell) -> str | None:
    """Return why nobody can be sent to a peer, with what brings it back; None if it has a customer."""
    outside = found.at(peer_of(peer.side))
    if not outside or len(outside) < len(found.sides):
        return None
    return (
        f"{peer.region} is out of DNS already, for all customers; both regions are never out at once."
        f" Bring it back first: {way_in(peer.environment, peer.side)}; or, if they were"
        f" shifted out of it: {command('shift', *outside, '--back')}"
    )


def without_control_plane(environment: Environment, error: ControlPlaneError) -> RefusedError:
    """Return the refusal while Route 53's API is dead: the advice is left out where it has been taken."""
    try:
        position = switch_of(environment, CONTROL_SIDE, heeds_force=True).position()
    except (ClientError, BotoCoreError, ValueError):
        return error
    if not position.is_out:
        return error
    region = REGION_OF[CONTROL_SIDE]
    return RefusedError(
        f"{error.problem}. All customers are out of {region} already, which is {position.value};"
        " this has to wait until it is back"
    )


def still_in(environment: Environment, side: str, customers: Iterable[str]) -> str | None:
    """Return why customers must not be told that a region is out of service; None if they are sent elsewhere.

    They are if the region's switch is out, or if DNS shows that all of them were shifted out of it.
    """
    region, keeper = REGION_OF[side], peer_of(side)
    switches.standing_of(environment, side)
    if switch_of(environment, side, heeds_force=True).position().is_out:
        return None
    left = look(DeployedCell(environment=environment, side=keeper), side).at(keeper)
    there = sorted(set(customers) - set(left))
    if not there:
        return None
    whose = f"{', '.join(there[:_NAMED])}{', ...' if len(there) > _NAMED else ''}"
    return (
        f"{region} is in, and so far as DNS shows these customers are sent there: {whose}; take it out first:"
        f" {command('evacuate', region)}"
    )


def keeps_in(environment: Environment, side: str) -> list[str]:
    """Return a warning when nobody knows whether a region is out; RefusedError while it is known to be."""
    region, keeper = REGION_OF[side], REGION_OF[peer_of(side)]
    try:
        position = switch_of(environment, side, heeds_force=True).position()
    except (ClientError, BotoCoreError, ValueError) as error:
        if blames_credentials(error):
            raise
        return [f"{keeper} does not say whether {region} is out: {error}; find out before you apply"]
    if position.is_out:
        raise RefusedError(
            f"{region} is {position.value}, and nobody is sent there;"
            f" bring it back first: {way_in(environment, side)}"
        )
    return []
