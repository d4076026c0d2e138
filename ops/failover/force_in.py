"""Forcing a region in from its own side, which is the lever while the region that keeps its switch is silent.

That takes one parameter and one datapoint in the region itself: no Route 53 or IAM call, and nothing of the
keeper, which may be dead. While the keeper can be heard, `restore` and `evacuate` act through it, and this
is refused: a region that is out does not come in beside a keeper that says so. Gaps are not looked for, since
the other half of what they compare is in the region that is silent.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ops.aws_errors import is_outage
from ops.cell import DeployedCell, side_of
from ops.dns.dns_routing import NameRouting, halves, look
from ops.environment import Environment
from ops.failover import interlocks
from ops.failover.evacuation import FORCE_IN, SwitchPlan, cut_off
from ops.failover.interlocks import Doubt
from ops.plan import RefusedError, command
from ops.switches import SilentKeeperError, force_of, is_heard, standing_of
from runtime.contract import REGION_OF, Position, peer_of
from runtime.force import ForceStanding, outdates
from runtime.metric_names import SwitchKind


def forcing(environment: Environment, region: str, *, is_on: bool, override: str | None = None) -> SwitchPlan:
    """Return the plan that forces a region in, or with `is_on` False the plan that takes that back.

    Raises RefusedError when the region does not answer or has said so already. To force it in, `override` has
    to be the sentence that says that its keeper is silent, together with what else there is to doubt; while
    the keeper is heard, nothing overrides the refusal.
    """
    side = side_of(region)
    own = DeployedCell(environment=environment, side=side)
    word = _current(environment, side, _word(environment, side))
    is_resumed = word.is_on is is_on
    plan = _resumed(own, word, is_on=is_on) if is_resumed else _document(region, word, is_on=is_on)
    found = look(own, side) if is_on else NameRouting()
    doubts = [] if is_resumed or not is_on else [_silence(environment, side), *_doubts(found, own)]
    return SwitchPlan(
        region=region,
        through=region,
        position=Position.IN if is_on else Position.OUT,
        now=Position.OUT if is_on else Position.IN,
        document=plan,
        customers=len(found.sides),
        # Where `primary.` belongs depends on the other region, too: it is not watched.
        wanted=tuple(each for name in found.sides for each in halves(environment, name, side, side)),
        servers=found.servers,
        override=interlocks.settle(doubts, override),
        is_resumed=is_resumed,
        warnings=tuple(found.warnings),
        forces=is_on,
    )


def _word(environment: Environment, side: str) -> ForceStanding:
    try:
        return force_of(environment, side).standing()
    except ValueError as error:
        raise RefusedError(str(error)) from error
    except (BotoCoreError, ClientError) as error:
        if not is_outage(error):
            raise
        region, instead = REGION_OF[side], _instead_of_a_dead_region(environment, side)
        raise RefusedError(
            f"{region} does not answer, so it cannot say anything of itself: {error}; {instead}"
        ) from error


def _instead_of_a_dead_region(environment: Environment, side: str) -> str:
    """Return what acts while a region does not answer, by what its keeper says."""
    region, keeper = REGION_OF[side], REGION_OF[peer_of(side)]
    try:
        kept = standing_of(environment, side)
    except SilentKeeperError as error:
        return f"neither does {keeper}: {error}; nobody can be sent anywhere until one of them answers"
    if kept.position.is_out:
        return f"it is {kept.position.value}; once it answers: {command('restore', region)}"
    return interlocks.way_out(environment, side)


def _current(environment: Environment, side: str, word: ForceStanding) -> ForceStanding:
    """Return a region's word; as not given, if its keeper is known to have spoken since."""
    if word.is_on:
        with contextlib.suppress(SilentKeeperError):
            return replace(word, is_on=outdates(word, standing_of(environment, side)))
    return word


def _document(region: str, word: ForceStanding, *, is_on: bool) -> dict[str, dict[str, Any]]:
    return {region: {"through": region, "forced": is_on, "was": word.is_on, "version": word.version}}


def _resumed(own: DeployedCell, word: ForceStanding, *, is_on: bool) -> Any:
    """Return the document of the plan that has given this word and was cut off; RefusedError if none was."""
    if plan := cut_off(own, FORCE_IN, own.region, forced=is_on, version=word.version - 1):
        return plan
    keeper = REGION_OF[peer_of(own.side)]
    if is_on:
        raise RefusedError(
            f"{own.region} is forced in already; nothing was done; to take {keeper} out:"
            f" {command('evacuate', keeper)}; to take it back: {command(FORCE_IN, own.region, '--back')}"
        )
    raise RefusedError(
        f"{own.region} is not forced in; nothing was done; to take it out of DNS:"
        f" {command('evacuate', own.region)}"
    )


def _silence(environment: Environment, side: str) -> Doubt:
    """Return the doubt whether the keeper of a region is silent; RefusedError when it is not."""
    region, keeper = REGION_OF[side], REGION_OF[peer_of(side)]
    sentence = f"{keeper} is silent"
    try:
        kept = standing_of(environment, side)
    except SilentKeeperError as error:
        return Doubt(
            sentence=sentence,
            problems=[
                f"{error}; if that is only so from here, {region} is put in beside it, and neither knows what"
                " the other has delivered"
            ],
        )
    verb = "restore" if kept.position.is_out else "evacuate"
    if not is_heard(environment, side):
        return Doubt(
            sentence=sentence,
            problems=[
                f"it answers, and has published nothing for five minutes of where the switch of {region}"
                f" stands; try first whether it can: {command(verb, region)}"
            ],
        )
    back = f"to put it back: {command(verb, region)}"
    instead = back if kept.position.is_out else interlocks.way_out(environment, side)
    raise RefusedError(
        f"{keeper} keeps the switch of {region}, answers, and says that it is {kept.position.value}; while it"
        f" does, the region is moved through it; {instead}"
    )


def _doubts(found: NameRouting, own: DeployedCell) -> Sequence[Doubt]:
    """Return what else there is to doubt: the region is in already, or its cell is not ready."""
    keeper = REGION_OF[peer_of(own.side)]
    doubts = interlocks.ready(own)
    # An object that cannot be read says nothing, so there the region is in, until its keeper returns.
    is_by_alarm = own.environment.switch is SwitchKind.ALARM
    if is_by_alarm and found.sides and len(found.at(own.side)) == len(found.sides):
        doubts.append(
            Doubt(
                sentence=f"{own.region} is in DNS already",
                problems=[
                    f"all of its names answer with it; if {keeper} is dead, take that one out:"
                    f" {command('evacuate', keeper)}"
                ],
            )
        )
    return doubts
