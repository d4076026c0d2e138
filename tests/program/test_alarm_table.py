"""Each alarm of a cell, by the datapoints that must set it off and those that must not.

A row states what is published, in the unit in which it is published, and where: an alarm that watches another
metric, queue or function, that compares the wrong way round, with another statistic, period or unit, differs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import pytest

from local.program import Graph, Resource
from local.thresholds import judged
from runtime.contract import REGION_OF, SIDE_OF, peer_of
from runtime.metric_names import METRICS, SWITCH_NAMESPACE
from tests.program.conftest import STACKS

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
PREFIX = "cell1-monitoring-"

#: Datapoints: how many minutes ago, and the value.
Points = Sequence[tuple[float, float]]
#: Namespace, name and dimensions of what is published.
Published = tuple[str, str, dict[str, str]]
#: Finds what is published by a graph's resource.
Source = Callable[[Graph], Published]


@dataclass(frozen=True, kw_only=True)
class Row:
    """An alarm, where its datapoints are published, and which set it off. `silence` is without any;
    None is for an alarm that then stays as it is.
    """

    name: str
    source: Source
    on: Sequence[Points]
    off: Sequence[Points]
    silence: bool | None = False


def every(minutes: float, *values: float | Sequence[float] | None) -> Points:
    """Return datapoints at this distance, the newest last; several of one time, or None for no datapoint."""
    found = []
    for ago, value in enumerate(reversed(values)):
        for each in () if value is None else value if isinstance(value, Sequence) else (value,):
            found.append((ago * minutes, float(each)))
    return found


# --- Where ------------------------------------------------------------------------------------------


def own(metric: str, namespace: str = METRICS, **more: str) -> Source:
    dimensions = {"Namespace": "example-mft", "Cell": "1", **more}
    return lambda graph: (namespace, metric, dimensions)


def named(namespace: str, metric: str, dimension: str, type: str, name: str, by: str = "name") -> Source:
    return lambda graph: (namespace, metric, {dimension: graph.one(type, name).outputs[by]})


def queue(metric: str, name: str) -> Source:
    return named("AWS/SQS", metric, "QueueName", "aws:sqs/queue:Queue", name)


def rule(name: str) -> Source:
    type = "aws:cloudwatch/eventRule:EventRule"
    return named("AWS/Events", "FailedInvocations", "RuleName", type, name)


def function(metric: str, name: str) -> Source:
    return named("AWS/Lambda", metric, "FunctionName", "aws:lambda/function:Function", name)


def machine(metric: str) -> Source:
    type, name = "aws:sfn/stateMachine:StateMachine", "cell1-workflow-transfers"
    return named("AWS/States", metric, "StateMachineArn", type, name, by="arn")


def table(metric: str, **more: str) -> Source:
    return lambda graph: ("AWS/DynamoDB", metric, {"TableName": "MFT-TransferTracker", **more})


def nat_gateway(zone: str) -> Source:
    type, name = "aws:ec2/natGateway:NatGateway", f"cell1-network-nat-{zone}"
    return lambda graph: ("AWS/NATGateway", "ErrorPortAllocation", {"NatGatewayId": graph.one(type, name).id})


def region_of(graph: Graph) -> str:
    return str(graph.of("pulumi:providers:aws")[0].inputs["region"])


def latency(graph: Graph) -> Published:
    to = REGION_OF[peer_of(SIDE_OF[region_of(graph)])]
    return table("ReplicationLatency", ReceivingRegion=to)(graph)


def forced(graph: Graph) -> Published:
    return own("ForcedIn", SWITCH_NAMESPACE, Region=region_of(graph))(graph)


# --- The table --------------------------------------------------------------------------------------

#: Something is counted, whose first case is one too many; and what a metric says where nothing has happened.
ONCE, NEVER = [every(4, 1, (0, 0)), every(5, 0, 1)], [every(5, (0, 0)), every(5, 1, 0), every(5, 1, None)]
#: Something is counted that is repeated by itself, so that it matters if it goes on.
TWICE = [every(5, 1, (0, 1), 0), every(5, 1, 0, 1), every(5, 5, 5, None)]
NOT_TWICE = [
    every(5, (3, 3), 0, 0),
    every(5, 1, 1, 0, 0),
    every(5, 1, 0, 0, 1, 0, 0),
    every(5, (0, 0), (0, 0), 1),
]
THRICE, NOT_THRICE = [every(5, 1, (0, 1), 1)], [every(5, 1, 1, 0), every(5, 1, 1, None, 1), every(5, 0, 0, 0)]
DEAD_LETTERS = [every(5, 0, 1), every(5, None, 2), every(4, 1, (0, 0))]

DEAD = "ApproximateNumberOfMessagesVisible"

ROWS = [
    # Files and partners
    *(
        Row(
            name=f"canary-{leg}-failing",
            source=own("CanaryDelivered", Leg=leg),
            on=[every(5, 0, 0), every(5, 1, 0, 0)],
            off=[every(5, 0, 1), every(5, 0, 1, 0), every(5, (0, 1), (0, 1)), every(5, 1, 1)],
            silence=None,
        )
        for leg in ("sftp", "s3")
    ),
    Row(
        name="canary-silent",
        source=own("CanaryDelivered"),
        on=[every(5, 1, None, None, None)],
        off=[every(5, 0, None, None), every(5, 0, 0, 0), every(5, 1, 1, 1)],
        silence=True,
    ),
    Row(
        name="endpoint-silent",
        source=own("AddressesAnswering"),
        on=[every(1, 3, 3, 3, (0, 0, 0), (0, 0, 0), (0, 0)), every(1, 0, None, 0)],
        off=[every(1, 0, (0, 0, 1), 0), every(1, 0, 0, 3), every(1, 3, 3, 3), every(1, 2, None, None)],
        silence=True,
    ),
    Row(
        name="endpoint-zone-lost",
        source=own("AddressesAnswering"),
        on=[every(1, 2, (0, 2), (2, 2, 2), 2, 2), every(1, 0, 0, 0, 0, 0)],
        off=[every(1, 2, 2, 2, (0, 3), 2, 2), every(1, 3, 3, 3, 3, 3)],
        silence=None,
    ),
    *(
        Row(
            name=f"zone-{zone}-silent",
            source=own("AddressesAnswering", Zone=zone),
            on=[every(1, *[3] * 5, 0, 0, 0, 0, 0), every(1, None, 0, None, 0, None)],
            off=[every(1, 3, 0, 0, None, 0), every(1, *[None] * 4, 3), every(1, 1, 1, (0, 1), 1, 1)],
            silence=True,
        )
        for zone in "abc"
    ),
    Row(
        name="files-failed",
        source=own("Failed"),
        on=[every(60, (0, 1), *[None] * 23), every(5, 1)],  # for a day
        off=[every(60, 1, *[None] * 24), every(5, (0, 0))],
    ),
    Row(
        name="files-held",
        source=own("FilesHeld"),
        on=[every(15, 1, 0), every(15, 0, 7), every(15, 0, 1, None)],
        off=[every(15, 1, 0, 0), every(15, 0, 0)],
        silence=None,
    ),
    Row(name="object-gone", source=own("ObjectGone"), on=ONCE, off=NEVER),
    Row(
        name="deliveries-slow",
        source=own("DeliverySeconds"),
        on=[every(15, (10, 900, 5000), (899, 901, 902)), every(15, 86_400, 86_400)],
        off=[every(15, 900, (10, 899, 99_000), 900), every(15, 2, 2), every(15, 5000, None)],
    ),
    Row(name="executions-failed", source=machine("ExecutionsFailed"), on=ONCE, off=NEVER),
    Row(name="executions-timed-out", source=machine("ExecutionsTimedOut"), on=ONCE, off=NEVER),
    Row(name="executions-throttled", source=machine("ExecutionThrottled"), on=THRICE, off=NOT_THRICE),
    # Intake
    Row(
        name="ingest-delayed",
        source=queue("ApproximateAgeOfOldestMessage", "cell1-intake-queue"),
        on=[every(5, (30, 600), (30, 600)), every(5, 4000, 4000)],
        off=[every(5, 600, 599), every(5, (300, 300), (300, 300)), every(5, 600, None, 600), every(5, 1, 1)],
    ),
    *(
        Row(name=f"{what}-dead-letters", source=queue(DEAD, place), on=DEAD_LETTERS, off=NEVER)
        for what, place in (
            ("ingest", "cell1-intake-dead-letters"),
            ("replication", "cell1-replication-dead-letters"),
            ("events", "cell1-events-dead-letters"),
        )
    ),
    Row(
        name="invocations-dead-letters",
        source=queue("NumberOfMessagesSent", "cell1-invocations-dead-letters"),
        on=TWICE,
        off=NOT_TWICE,  # the next run made that good
    ),
    *(
        Row(name=f"{events}-undelivered", source=rule(f"cell1-intake-{events}"), on=ONCE, off=NEVER)
        for events in ("sdk-uploads", "sftp-uploads", "sftp-copies", "sftp-renames")
    ),
    Row(name="unknown-to-tracker", source=own("UnknownToTracker"), on=ONCE, off=NEVER),
    Row(name="uploads-unproven", source=own("UploadsUnproven"), on=ONCE, off=NEVER),
    Row(
        name="sweep-late",
        source=own("SweepAge"),
        on=[every(15, 1800, 3600), every(15, 900, None, None)],
        off=[every(15, 1800, 3599), every(15, 900, None), every(15, 3600, 900, 900)],
        silence=True,
    ),
    Row(
        name="transfers-stalled",
        source=own("TransfersStalled"),
        on=[every(15, (0, 1), (0, 1)), every(15, 0, 2, 1)],
        off=[every(15, 0, 1), every(15, 1, 0, 1), every(15, 3, None), every(5, 1, 1)],
    ),
    # The cell's parts
    Row(name="replication-failed", source=own("ReplicationFailed"), on=ONCE, off=NEVER),
    Row(name="replication-untracked", source=own("ReplicationUntracked"), on=ONCE, off=NEVER),
    Row(name="replication-late", source=own("ReplicationMissed"), on=ONCE, off=NEVER),
    Row(
        name="facts-delayed",  # in milliseconds
        source=latency,
        on=[every(5, 0, 0, 0, 60_000, (0, 120_000), 60_000), every(5, 60_000, None, 60_000)],
        off=[every(5, 60_000, (0, 119_999), 60_000), every(5, 600, 600, 600), every(5, 60_000, 60_000, 60)],
        silence=True,
    ),
    Row(
        name="peer-out",
        source=own("PeerOut"),
        on=[every(1, 0, (0, 1)), every(0.75, 1, 0)],
        off=[every(1, 1, 0), every(1, 0, 0)],
        silence=None,
    ),
    Row(
        name="forced-in",
        source=forced,
        on=[every(1, (0, 1)), every(0.75, 1, 0)],
        off=[every(1, 1, None), every(1, 0)],
    ),
    Row(
        name="switch-silent",
        source=own("PeerOut"),
        on=[every(1, 0, *[None] * 5)],
        off=[every(1, 0, *[None] * 4), every(1, 1, 1, 1, 1, 1), every(1, 0, 0, 0, 0, 0)],
        silence=True,
    ),
    Row(name="not-taken-over", source=own("NotTakenOver"), on=TWICE, off=NOT_TWICE),
    *(
        Row(name=f"tracker-{name}-throttled", source=source, on=THRICE, off=NOT_THRICE)
        for name, source in (
            ("reads", table("ReadThrottleEvents")),
            ("writes", table("WriteThrottleEvents")),
            ("index-writes", table("WriteThrottleEvents", GlobalSecondaryIndexName="by-customer-day")),
        )
    ),
    *(Row(name=f"nat-{zone}-ports", source=nat_gateway(zone), on=ONCE, off=NEVER) for zone in "abc"),
]

#: The logical names of functions by what their alarms call them, and of the rules that start some of them.
FUNCTIONS = {
    **{step: f"cell1-workflow-{step}" for step in ("claim", "compare", "deliver", "complete", "archive")},
    **{name: f"cell1-failover-{name}" for name in ("switch", "takeover")},
    **{name: f"cell1-{name}" for name in ("probe-a", "probe-b", "probe-c", "replication", "sweep", "canary")},
    "audit": "cell1-audit-export",
    "ingest": "cell1-intake-ingest",
}
SCHEDULED = ("audit", "canary", "probe-a", "probe-b", "probe-c", "sweep", "switch", "takeover")
#: A function that runs once at a time is throttled by design.
ONE_AT_A_TIME = {"takeover"}
#: Partners that are down on an ordinary day cause some errors.
MANY = [every(5, (1,) * 20, 0, (1,) * 20)]
NOT_MANY = [
    every(5, (1,) * 20, (1,) * 19, (0,) * 99, (1,) * 20),
    every(5, *[(1,) * 19] * 3),
    every(5, *[(0,) * 99] * 3),
]

ROWS += [
    Row(
        name=f"{called}-errors",
        source=function("Errors", name),
        on=MANY if called == "deliver" else TWICE,
        off=NOT_MANY if called == "deliver" else NOT_TWICE,
    )
    for called, name in FUNCTIONS.items()
]
ROWS += [
    Row(name=f"{called}-throttles", source=function("Throttles", name), on=TWICE, off=NOT_TWICE)
    for called, name in FUNCTIONS.items()
    if called not in ONE_AT_A_TIME
]
ROWS += [
    Row(name=f"{called}-undelivered", source=rule(FUNCTIONS[called]), on=TWICE, off=NOT_TWICE)
    for called in SCHEDULED
]


# --- What CloudWatch makes of it --------------------------------------------------------------------

STATISTICS: dict[str, Callable[[Sequence[float]], float]] = {
    "Sum": math.fsum,
    "Maximum": max,
    "Minimum": min,
    "Average": lambda values: math.fsum(values) / len(values),
    "SampleCount": len,
    "p50": median,
}


def state(alarm: Resource, published: Published, points: Points) -> bool | None:
    """Return whether an alarm is on after datapoints of one metric, or None if it stays as it was.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
    """
    asked = alarm.inputs
    if (asked["namespace"], asked["metricName"], asked["dimensions"]) != published:
        points = ()
    minutes, periods = asked["period"] / 60, int(asked["evaluationPeriods"])
    statistic = STATISTICS[asked.get("statistic") or asked["extendedStatistic"]]
    values: list[float | None] = []
    for period in reversed(range(periods)):
        within = [value for ago, value in points if period <= ago / minutes < period + 1]
        values.append(statistic(within) if within else None)
    described: dict[str, Any] = {key[0].upper() + key[1:]: value for key, value in asked.items()}
    return judged(described, values)


def differences(graph: Graph) -> Iterator[str]:
    """Yield what an alarm does otherwise than its row says."""
    for row in ROWS:
        alarm, published = graph.one(ALARM, f"{PREFIX}{row.name}"), row.source(graph)
        yield from (f"{row.name} is off after {each}" for each in row.on if not state(alarm, published, each))
        yield from (f"{row.name} is on after {each}" for each in row.off if state(alarm, published, each))
        if (found := state(alarm, published, ())) is not row.silence:
            yield f"{row.name} is {found} in silence"


@pytest.mark.parametrize("stack", STACKS)
def test_each_alarm_goes_off_for_what_must_set_it_off_and_for_nothing_else(
    graphs: dict[str, Graph], stack: str
) -> None:
    assert list(differences(graphs[stack])) == []


@pytest.mark.parametrize("stack", STACKS)
def test_every_alarm_has_a_row(graphs: dict[str, Graph], stack: str) -> None:
    there = [each.name for each in graphs[stack].of(ALARM) if each.inputs.get("alarmActions")]
    assert sorted(there) == sorted(f"{PREFIX}{row.name}" for row in ROWS)
