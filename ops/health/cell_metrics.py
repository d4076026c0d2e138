"""CloudWatch's metrics of one region: of its cell, and of the copies that arrive there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ops.cell import DeployedCell
from runtime.canary_legs import Leg
from runtime.contract import REGION_OF, peer_of
from runtime.metric_names import (
    METRIC_ADDRESSES,
    METRIC_CANARY,
    METRIC_REPLICATION_FAILED,
    METRIC_REPLICATION_LATE,
    METRIC_REPLICATION_MISSED,
    METRIC_REPLICATION_UNTRACKED,
    METRICS,
    cell_dimensions,
)

#: How far back to look: DAY for what may have gone wrong, RECENT for the present state (three synthetic
#: transfers are due within it). Missing metrics are not reported here: there are alarms for that.
DAY = timedelta(hours=24)
RECENT = timedelta(minutes=15)
#: Metrics per request: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
_PER_REQUEST = 500
_PERIOD = 60
#: The name of every bucket's replication rule, and the metric that says how late its copies are, in seconds.
RULE, LATENCY = "to-peer", "ReplicationLatency"


@dataclass(frozen=True, kw_only=True)
class CellMetrics:
    """The latest metrics of a cell; None where there is no recent value.

    `canary` says whether the last synthetic transfers were delivered, and `legs` the same for each leg that
    has a recent value. `addresses` is how many of the endpoint's addresses answered, as the zone that reached
    most of them sees it, and `facts_delay` how many seconds a fact takes to reach the peer. Of the files of
    the last 24 hours, `copies_lost` will never reach the peer, and `copies_late` had not reached it within 15
    minutes and have not since.
    """

    canary: bool | None
    legs: Mapping[str, bool]
    addresses: int | None
    facts_delay: float | None
    copies_lost: int
    copies_late: int


@dataclass(frozen=True)
class Series:
    """One metric, and the statistic that makes one value of a minute's values."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: str

    def query(self, id: str) -> dict[str, Any]:
        """Return the query for GetMetricData."""
        dimensions = [{"Name": name, "Value": value} for name, value in self.dimensions.items()]
        metric = {"Namespace": self.namespace, "MetricName": self.name, "Dimensions": dimensions}
        return {"Id": id, "MetricStat": {"Metric": metric, "Period": _PERIOD, "Stat": self.statistic}}


Values = list[tuple[datetime, float]]


def of_cell(cell: DeployedCell, cloudwatch: Any) -> CellMetrics:
    """Return the metrics of a cell from its own region; raises botocore's errors."""
    own = cell_dimensions(cell.environment.namespace, cell.environment.cell)
    table = {"TableName": cell.table, "ReceivingRegion": REGION_OF[peer_of(cell.side)]}
    counts = (
        METRIC_REPLICATION_FAILED,
        METRIC_REPLICATION_UNTRACKED,
        METRIC_REPLICATION_MISSED,
        METRIC_REPLICATION_LATE,
    )
    series = [
        Series(METRICS, METRIC_CANARY, own, "Minimum"),
        Series(METRICS, METRIC_ADDRESSES, own, "Maximum"),
        Series("AWS/DynamoDB", LATENCY, table, "Average"),
        *(Series(METRICS, METRIC_CANARY, {**own, "Leg": leg.value}, "Minimum") for leg in Leg),
        *(Series(METRICS, name, own, "Sum") for name in counts),
    ]
    now = datetime.now(UTC)
    canary, addresses, delay, *more = ask(cloudwatch, series, since=now - DAY)
    by_leg, sums = dict(zip(Leg, more, strict=False)), more[len(Leg) :]
    failed, untracked, missed, late = (int(sum(value for _, value in values)) for values in sums)
    delivered, answering, milliseconds = (
        _last(values, now - RECENT) for values in (canary, addresses, delay)
    )
    return CellMetrics(
        canary=None if delivered is None else delivered >= 1,
        legs={
            leg.value: value >= 1
            for leg, values in by_leg.items()
            if (value := _last(values, now - RECENT)) is not None
        },
        addresses=None if answering is None else int(answering),
        facts_delay=None if milliseconds is None else milliseconds / 1000,
        copies_lost=failed + untracked,
        copies_late=max(0, missed - late),
    )


def copies_behind(buckets: Iterable[tuple[str, str]], cloudwatch: Any) -> Iterator[float | None]:
    """Yield how many seconds the copy is behind, for each pair of a bucket and its copy; None if unmeasured.

    The metric is in the region of the copies (https://docs.aws.amazon.com/AmazonS3/latest/userguide/repl-metrics.html).
    """
    asked = [
        Series(
            "AWS/S3",
            LATENCY,
            {"SourceBucket": source, "DestinationBucket": copy, "RuleId": RULE},
            "Maximum",
        )
        for source, copy in buckets
    ]
    since = datetime.now(UTC) - RECENT
    for values in ask(cloudwatch, asked, since=since):
        yield _last(values, since)


def ask(cloudwatch: Any, series: Iterable[Series], *, since: datetime) -> Iterator[Values]:
    """Yield the values of each series, oldest first."""
    everything = list(series)
    for start in range(0, len(everything), _PER_REQUEST):
        some = everything[start : start + _PER_REQUEST]
        found: dict[str, Values] = {f"m{number}": [] for number in range(len(some))}
        pages = cloudwatch.get_paginator("get_metric_data").paginate(
            MetricDataQueries=[one.query(id) for id, one in zip(found, some, strict=True)],
            StartTime=since,
            EndTime=datetime.now(UTC) + timedelta(minutes=1),
            ScanBy="TimestampAscending",
        )
        for page in pages:
            for each in page["MetricDataResults"]:
                found[each["Id"]] += zip(each["Timestamps"], each["Values"], strict=True)
        yield from found.values()


def _last(values: Values, since: datetime) -> float | None:
    """Return the last value, if its period ended after `since`; otherwise None."""
    at, value = values[-1] if values else (since, None)
    return value if at + timedelta(seconds=_PERIOD) > since else None
