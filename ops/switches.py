"""The switches of both regions, each kept by the other region, where they stand, and who was forced in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, assert_never

from botocore.exceptions import BotoCoreError, ClientError

from customers import names
from ops.aws_errors import blames_credentials, is_denied, is_outage
from ops.environment import Environment
from ops.finding import Finding
from ops.plan import RefusedError, command
from runtime.contract import REGION_OF, SIDES, peer_of, switch_parameter
from runtime.force import Force, ForceStanding, outdates
from runtime.metric_names import SWITCH_METRIC, SWITCH_NAMESPACE, SwitchKind, switch_dimensions
from runtime.switch import ObjectSwitch, Standing, Switch

#: A keeper that has published nothing for so long is not heard by Route 53 any more.
UNHEARD_AFTER = timedelta(minutes=5)


class SilentKeeperError(RefusedError):
    """The region that keeps a switch does not answer."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One region's switch, and the region that keeps it; `problem` says why its position is not known.

    `force` is the region's own word, None if it does not answer.
    """

    side: str
    standing: Standing | None = None
    problem: str | None = None
    force: ForceStanding | None = None

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
        """Whether the region is known to be out, and has not been forced in since."""
        is_out = self.standing is not None and self.standing.position.is_out
        return is_out and not self.is_forced

    @property
    def is_forced(self) -> bool:
        """Whether the region is forced in, and its keeper has not been heard since."""
        if self.force is None or not self.force.is_on:
            return False
        return self.standing is None or outdates(self.force, self.standing)


def switch_of(
    environment: Environment,
    side: str,
    *,
    client: Callable[[str, str], Any] | None = None,
    heeds_force: bool = False,
) -> Switch:
    """Return the switch of a side, worked through the region that keeps it: its peer.

    `client` makes the client of a service in the region of a side; the environment's own does by default.
    With `heeds_force`, a side that has been forced in since it was taken out counts as in.
    """
    client = client or environment.client
    keeper = peer_of(side)
    which = {"namespace": environment.namespace, "cell": environment.cell, "side": side}
    parameters = client("ssm", keeper)
    force = force_of(environment, side) if heeds_force else None
    match environment.switch:
        case SwitchKind.ALARM:
            metrics = client("cloudwatch", keeper)
            return Switch(**which, parameters=parameters, metrics=metrics, force=force)
        case SwitchKind.ENDPOINT:
            bucket = names.cell_bucket(environment.namespace, environment.cell, "switch", keeper)
            s3 = client("s3", keeper)
            return ObjectSwitch(**which, parameters=parameters, objects=s3, bucket=bucket, force=force)
        case _:
            assert_never(environment.switch)


def force_of(environment: Environment, side: str) -> Force:
    """Return a side's own word that it is in, worked through its own region."""
    return Force(
        namespace=environment.namespace,
        cell=environment.cell,
        side=side,
        parameters=environment.client("ssm", side),
        metrics=environment.client("cloudwatch", side),
    )


def is_heard(environment: Environment, side: str) -> bool:
    """Return whether Route 53 can hear the keeper of a side: what it reads there is there.

    Where the switch is an object, that is whether S3 answers.
    """
    keeper = peer_of(side)
    try:
        match environment.switch:
            case SwitchKind.ALARM:
                which = switch_dimensions(environment.namespace, environment.cell, side)
                now = datetime.now(UTC)
                found = environment.client("cloudwatch", keeper).get_metric_statistics(
                    Namespace=SWITCH_NAMESPACE,
                    MetricName=SWITCH_METRIC,
                    Dimensions=[{"Name": name, "Value": value} for name, value in which.items()],
                    StartTime=now - UNHEARD_AFTER,
                    EndTime=now + timedelta(minutes=1),
                    Period=60,
                    Statistics=["SampleCount"],
                )
                return bool(found["Datapoints"])
            case SwitchKind.ENDPOINT:
                bucket = names.cell_bucket(environment.namespace, environment.cell, "switch", keeper)
                environment.client("s3", keeper).list_objects_v2(Bucket=bucket, MaxKeys=1)
                return True
            case _:
                assert_never(environment.switch)
    except (ClientError, BotoCoreError) as error:
        if blames_credentials(error) or is_denied(error):
            raise
        return False


def standing_of(environment: Environment, side: str) -> Standing:
    """Return where a side's switch stands; RefusedError when the region that keeps it does not say.

    It is a SilentKeeperError when that region does not answer at all.
    """
    try:
        return switch_of(environment, side).standing()
    except (ClientError, BotoCoreError, ValueError) as error:
        if blames_credentials(error) or is_denied(error):
            raise
        region, keeper = REGION_OF[side], REGION_OF[peer_of(side)]
        name = switch_parameter(environment.namespace, environment.cell, side)
        kind = SilentKeeperError if is_outage(error) else RefusedError
        raise kind(
            f"{keeper} keeps the switch of {region}, in {name}, and does not say where it stands: {error}"
        ) from error


def kept(environment: Environment, answering: Sequence[str]) -> list[Kept]:
    """Return both switches. Only sides that are `answering` are asked: what they keep, and their own word.

    Raises what botocore raises when credentials are missing or no longer valid.
    """
    switches = {side: switch_of(environment, side) for side in SIDES}
    forces = {side: force_of(environment, side) for side in SIDES}

    def word(side: str) -> ForceStanding | None:
        try:
            return forces[side].standing() if side in answering else None
        except (ClientError, BotoCoreError, ValueError) as error:
            if blames_credentials(error):
                raise
            return None

    def read(side: str) -> Kept:
        keeper = REGION_OF[peer_of(side)]
        force = word(side)
        if peer_of(side) not in answering:
            return Kept(side=side, force=force, problem=f"{keeper} keeps it, and does not answer")
        try:
            return Kept(side=side, force=force, standing=switches[side].standing())
        except (ClientError, BotoCoreError, ValueError) as error:
            if blames_credentials(error):
                raise
            return Kept(side=side, force=force, problem=f"{keeper} keeps it, and does not say: {error}")

    with ThreadPoolExecutor(len(SIDES)) as pool:
        return list(pool.map(read, SIDES))


def differences(switches: Sequence[Kept]) -> Iterator[Finding]:
    """Yield a finding for each region that is out or forced in, and each whose switch is not known."""
    for each in switches:
        if each.is_forced and each.force and each.force.since:
            yield Finding(
                where=each.region,
                what=f"it is forced in from its own side since {each.force.since:%Y-%m-%d %H:%M:%S %Z}"
                f"; that ends when {each.keeper}, which keeps its switch, has the last word again",
                remedy=command("restore", each.region),
            )
        if each.problem and not each.is_forced:
            yield Finding(
                where=each.region,
                what=f"where its switch stands is not known: {each.problem}",
                remedy=f"if {each.region} is out and {each.keeper} does not come back:"
                f" {command('force-in', each.region)}",
            )
        elif each.standing and each.is_out:
            yield Finding(
                where=each.region,
                what=f"it is {each.standing.position.value} since {each.standing.since:%Y-%m-%d %H:%M:%S %Z}",
                remedy=command("restore", each.region),
            )
