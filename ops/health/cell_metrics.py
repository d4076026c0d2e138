"""What CloudWatch has measured of a cell and of copies that come into it, in one region."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ops.cell import DeployedCell
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

#: How far back is looked: for what may have gone wrong, for what is the case now, for synthetic transfers, of
#: which three are due. That none of these reports is an alarm's to tell.
DAY = timedelta(hours=24)
RECENT = timedelta(minutes=15)
#: Metrics of one request: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
_PER_REQUEST = 500
_PERIOD = 60
#: The replication rule of every bucket, and the metric of how far behind its copies are, in seconds.
RULE, LATENCY = "to-peer", "ReplicationLatency"


@dataclass(frozen=True, kw_only=True)
class CellMetrics:
    """None is what nobody has measured lately.

    `canary` is the last synthetic transfer, whether it was delivered; `addresses` how many of the endpoint's
    answered; `facts_delay` seconds until the peer has a fact. Of files in the last 24 hours: `copies_lost`
    will not come to the peer, `copies_late` had not after 15 minutes and have not since.
    """

    canary: bool | None
    addresses: int | None
    facts_delay: float | None
    copies_lost: int
    copies_late: int


@dataclass(frozen=True)
class Series:
    """One metric, and how the values of a minute become one."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: str

    def query(self, id: str) -> dict[str, Any]:
        """Return what CloudWatch is asked."""
        dimensions = [{"Name": name, "Value": value} for name, value in self.dimensions.items()]
        metric = {"Namespace": self.namespace, "MetricName": self.name, "Dimensions": dimensions}
        return {"Id": id, "MetricStat": {"Metric": metric, "Period": _PERIOD, "Stat": self.statistic}}


Values = list[tuple[datetime, float]]


def of_cell(cell: DeployedCell, cloudwatch: Any) -> CellMetrics:
    """Return what the cell's own region has measured; raises what AWS does."""
    own = cell_dimensions(cell.environment.namespace, cell.environment.cell)
    table = {"TableName": cell.table, "ReceivingRegion": REGION_OF[peer_of(cell.side)]}
    counts = (
        METRIC_REPLICATION_FAILED,
        METRIC_REPLICATION_UNTRACKED,
        METRIC_REPLICATION_MISSED,
        METRIC_REPLICATION_LATE,
    )
    asked = [
        Series(METRICS, METRIC_CANARY, own, "Minimum"),
        Series(METRICS, METRIC_ADDRESSES, own, "Minimum"),
        Series("AWS/DynamoDB", LATENCY, table, "Average"),
        *(Series(METRICS, name, own, "Sum") for name in counts),
    ]
    now = datetime.now(UTC)
    canary, addresses, delay, *sums = ask(cloudwatch, asked, since=now - DAY)
    failed, untracked, missed, late = (int(sum(value for _, value in values)) for values in sums)
    delivered, answering, milliseconds = (
        _last(values, now - RECENT) for values in (canary, addresses, delay)
    )
    return CellMetrics(
        canary=None if delivered is None else delivered >= 1,
        addresses=None if answering is None else int(answering),
        facts_delay=None if milliseconds is None else milliseconds / 1000,
        copies_lost=failed + untracked,
        copies_late=max(0, missed - late),
    )


def copies_behind(buckets: Iterable[tuple[str, str]], cloudwatch: Any) -> Iterator[float | None]:
    """Yield, for each pair of a bucket and its copy, how many seconds the copy is behind; None if unmeasured.

    The region of the copies measures it (https://docs.aws.amazon.com/AmazonS3/latest/userguide/repl-metrics.html).
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
    """Return the last value of a period that ended since then."""
    at, value = values[-1] if values else (since, None)
    return value if at + timedelta(seconds=_PERIOD) > since else None
