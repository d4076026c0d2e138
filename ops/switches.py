"""The switches of both regions, each kept by the other region, and where they stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ops.aws_errors import blames_credentials, is_denied
from ops.environment import Environment
from ops.finding import Finding
from ops.plan import RefusedError, command
from runtime.contract import REGION_OF, SIDES, peer_of, switch_parameter
from runtime.switch import Standing, Switch


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One region's switch, and the region that keeps it; `problem` says why its position is not known."""

    side: str
    standing: Standing | None = None
    problem: str | None = None

    @property
    def region(self) -> str:
        """The region that the switch takes out."""
        return REGION_OF[self.side]

    @property
    def keeper(self) -> str:
        """The region that keeps the switch."""
        return REGION_OF[peer_of(self.side)]

    @property
    def is_out(self) -> bool:
        """Whether the region is known to be out."""
        return self.standing is not None and self.standing.position.is_out


def switch_of(
    environment: Environment, side: str, *, client: Callable[[str, str], Any] | None = None
) -> Switch:
    """Return the switch of a side, worked through the region that keeps it: its peer.

    `client` makes the client of a service in the region of a side; the environment's own does by default.
    """
    client = client or environment.client
    keeper = peer_of(side)
    return Switch(
        namespace=environment.namespace,
        cell=environment.cell,
        side=side,
        parameters=client("ssm", keeper),
        metrics=client("cloudwatch", keeper),
    )


def standing_of(environment: Environment, side: str) -> Standing:
    """Return where a side's switch stands; RefusedError when the region that keeps it does not say."""
    try:
        return switch_of(environment, side).standing()
    except (ClientError, BotoCoreError, ValueError) as error:
        if blames_credentials(error) or is_denied(error):
            raise
        region, keeper = REGION_OF[side], REGION_OF[peer_of(side)]
        name = switch_parameter(environment.namespace, environment.cell, side)
        raise RefusedError(
            f"{keeper} keeps the switch of {region}, in {name}, and does not say where it stands: {error}"
        ) from error


def kept(environment: Environment, answering: Sequence[str]) -> list[Kept]:
    """Return both switches. Only sides that are `answering` are asked about what they keep.

    Raises what botocore raises when credentials are missing or no longer valid.
    """
    switches = {side: switch_of(environment, side) for side in SIDES}

    def read(side: str) -> Kept:
        keeper = REGION_OF[peer_of(side)]
        if peer_of(side) not in answering:
            return Kept(side=side, problem=f"{keeper} keeps it, and does not answer")
        try:
            return Kept(side=side, standing=switches[side].standing())
        except (ClientError, BotoCoreError, ValueError) as error:
            if blames_credentials(error):
                raise
            return Kept(side=side, problem=f"{keeper} keeps it, and does not say: {error}")

    with ThreadPoolExecutor(len(SIDES)) as pool:
        return list(pool.map(read, SIDES))


def differences(switches: Sequence[Kept]) -> Iterator[Finding]:
    """Yield a finding for each region that is out, and for each whose switch's position is not known."""
    for each in switches:
        if each.problem:
            yield Finding(where=each.region, what=f"where its switch stands is not known: {each.problem}")
        elif each.standing and each.is_out:
            yield Finding(
                where=each.region,
                what=f"it is {each.standing.position.value} since {each.standing.since:%Y-%m-%d %H:%M:%S %Z}",
                remedy=command("restore", each.region),
            )
