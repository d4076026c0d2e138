"""Interlocks: what keeps customers from being sent where nobody serves them, and how it is overridden."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from ops.cell import DeployedCell
from ops.environment import Environment
from ops.health import cell_health
from ops.plan import RefusedError, is_expired
from runtime.contract import REGION_OF, peer_of
from runtime.switch import Switch


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """Why something is refused until somebody types the sentence; `problems` are what is behind it."""

    sentence: str
    problems: Sequence[str]


def ready(cell: DeployedCell) -> list[Doubt]:
    """Return the doubt that a cell can carry its customers, or none."""
    if problems := cell_health.problems(cell):
        return [Doubt(sentence=f"{cell.region} is not ready", problems=problems)]
    return []


def settle(doubts: Sequence[Doubt], typed: str | None) -> str | None:
    """Return the sentence that was typed to act in spite of all doubts; None when there are none.

    Raises RefusedError, with every problem and the sentence, when it was not typed exactly.
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


def keeps_in(environment: Environment, side: str) -> list[str]:
    """Refuse while a region is out: nobody is sent there. A warning where its switch does not tell."""
    region, keeper = REGION_OF[side], peer_of(side)
    try:
        position = switch_of(environment, side).position()
    except (ClientError, BotoCoreError, ValueError) as error:
        if is_expired(error):
            raise
        return [f"{REGION_OF[keeper]} does not tell whether {region} is out: {error}; look before you apply"]
    if position.is_out:
        raise RefusedError(
            f"{region} is {position.value}, and nobody is sent there;"
            f" restore it first: python -m ops restore {region}"
        )
    return []


def switch_of(environment: Environment, side: str) -> Switch:
    """Return the switch of a side, worked through the region that keeps it: its peer."""
    return Switch(
        namespace=environment.namespace,
        cell=environment.cell,
        side=side,
        parameters=environment.client("ssm", peer_of(side)),
        metrics=environment.client("cloudwatch", peer_of(side)),
    )
