"""The loss of one zone of a cell: nothing there answers, and nothing from there reaches the endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from components.network import ZONES
from local.loopback import ADDRESSES
from local.thresholds import judged
from local.world import DNS_SPEED_UP, World
from runtime.environment import ENV_ADDRESSES, ENV_ZONE

#: A port of the endpoint's loopback address where nobody listens.
_NOBODY = 1


class ZoneFaults:
    """What a zone of one cell can suffer, and what CloudWatch makes of it."""

    def __init__(self, world: World, side: str) -> None:
        self._world, self._side = world, side
        self._lambda = world.client("lambda", side)

    @contextmanager
    def lost(self, zone: str) -> Iterator[None]:
        """Let a zone be lost: its address is dead for everybody, and all addresses are for its probe.

        On this machine the addresses of a cell are one, so the functions are told dead ones instead.
        """
        usual = dict(self._environments())
        for name, variables in usual.items():
            told = variables[ENV_ADDRESSES].split(",")
            is_there = variables.get(ENV_ZONE) == zone
            dead = [is_there or each == zone for each in ZONES]
            here = f"{ADDRESSES[self._side]}:{_NOBODY}"
            told = [here if is_dead else address for is_dead, address in zip(dead, told, strict=True)]
            self._tell(name, {**variables, ENV_ADDRESSES: ",".join(told)})
        try:
            yield
        finally:
            for name, variables in usual.items():
                self._tell(name, variables)

    def is_off(self, alarm: str) -> bool:
        """Return whether an alarm of the cell is not on, judged like `is_on`."""
        return not self.is_on(alarm)

    def is_on(self, alarm: str) -> bool:
        """Return whether an alarm of the cell is on, its periods scaled as those of health checks are."""
        name = self._world.graphs[self._side].one("aws:cloudwatch/metricAlarm:MetricAlarm", alarm).id
        cloudwatch = self._world.client("cloudwatch", self._side)
        [found] = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        period, periods = round(found["Period"] / DNS_SPEED_UP), found["EvaluationPeriods"]
        ends = datetime.fromtimestamp(datetime.now(UTC).timestamp() // period * period, UTC)
        metric = {key: found[key] for key in ("Namespace", "MetricName", "Dimensions")}
        query = {"Metric": metric, "Period": period, "Stat": found["Statistic"]}
        answer = cloudwatch.get_metric_data(
            MetricDataQueries=[{"Id": "m", "MetricStat": query}],
            StartTime=ends - timedelta(seconds=period * periods),
            EndTime=ends,
        )
        [series] = answer["MetricDataResults"]
        values = {
            round((ends - at).total_seconds() / period): value
            for at, value in zip(series["Timestamps"], series["Values"], strict=True)
        }
        return bool(judged(found, [values.get(back + 1) for back in range(periods)]))

    def _environments(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield the name and the variables of each function that is told the endpoint's addresses."""
        for each in self._world.graphs[self._side].of("aws:lambda/function:Function"):
            name = each.outputs["name"]
            variables = self._lambda.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
            if ENV_ADDRESSES in variables:
                yield name, variables

    def _tell(self, name: str, variables: dict[str, Any]) -> None:
        self._lambda.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
