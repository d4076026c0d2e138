"""Where the switches of both regions stand, as far as the regions that keep them tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from ops.environment import Environment
from ops.finding import Finding
from runtime.contract import REGION_OF, SIDES, peer_of
from runtime.switch import Standing, Switch


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One region's switch, and the region that keeps it; `problem` says why nobody knows where it stands."""

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


def kept(environment: Environment, answering: Sequence[str]) -> list[Kept]:
    """Return both switches. Only sides that are `answering` are asked about what they keep."""
    switches = {
        side: Switch(
            namespace=environment.namespace,
            cell=environment.cell,
            side=side,
            parameters=environment.client("ssm", peer_of(side)),
            metrics=None,
        )
        for side in SIDES
    }

    def read(side: str) -> Kept:
        keeper = REGION_OF[peer_of(side)]
        if peer_of(side) not in answering:
            return Kept(side=side, problem=f"{keeper} keeps it, and does not answer")
        try:
            return Kept(side=side, standing=switches[side].standing())
        except (ClientError, BotoCoreError, ValueError) as error:
            return Kept(side=side, problem=f"{keeper} keeps it, and does not tell: {error}")

    with ThreadPoolExecutor(len(SIDES)) as pool:
        return list(pool.map(read, SIDES))


def differences(switches: Sequence[Kept]) -> Iterator[Finding]:
    """Yield each region that is out, or of which nobody knows whether it is."""
    for each in switches:
        if each.problem:
            yield Finding(where=each.region, what=f"nobody tells where its switch stands: {each.problem}")
        elif each.standing and each.is_out:
            yield Finding(
                where=each.region,
                what=f"it is {each.standing.position.value} since {each.standing.since:%Y-%m-%d %H:%M:%S %Z}",
                remedy=f"python -m ops restore {each.region}",
            )
