"""Alarms about the cell's machinery: replication, the switch, functions, the tracker, NAT gateways."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pulumi

from components.alarm import MINUTE, Alarm, Metric, Watched
from components.settings import Settings
from customers.concurrency import RESERVED
from runtime import contract, timing
from runtime.metric_names import (
    FORCE_METRIC,
    METRIC_NOT_TAKEN_OVER,
    METRIC_PEER_OUT,
    METRIC_REPLICATION_FAILED,
    METRIC_REPLICATION_MISSED,
    METRIC_REPLICATION_UNTRACKED,
    METRICS,
    SWITCH_NAMESPACE,
    switch_dimensions,
)

#: Failed attempts in five minutes; partners that are down on an ordinary day cause fewer.
_MANY_ATTEMPTS = 20


def cell_alarms(settings: Settings, own: Mapping[str, str], watched: Watched) -> Iterator[Alarm]:
    """Yield these alarms; `own` are the dimensions of the cell's own metrics."""
    yield from _copies(settings.peer_region, own)
    if settings.peer_present:
        yield _facts(settings.peer_region, watched.table)
    forced = switch_dimensions(settings.namespace, settings.cell, settings.side)
    yield from _switch(settings.peer_region, own, forced)
    for handler, function in watched.functions.items():
        yield _errors(handler, {"FunctionName": function})
        # A function that runs once at a time is throttled by design: its next scheduled run does the work.
        if RESERVED.get(handler) != 1:
            yield _throttles(handler, {"FunctionName": function})
    yield from _tracker(watched.table)
    for zone, gateway in watched.nat_gateways.items():
        yield Alarm(
            name=f"nat-{zone}-ports",
            section="nat-ports",
            means=f"The NAT gateway of zone {zone} has no port left: deliveries from there cannot connect.",
            first="find the destination that takes the connections in the flow logs.",
            metric=Metric("AWS/NATGateway", "ErrorPortAllocation", {"NatGatewayId": gateway}),
            at_least=1,
        )


def _copies(peer: str, own: Mapping[str, str]) -> Iterator[Alarm]:
    for name, metric_name, means in (
        ("replication-failed", METRIC_REPLICATION_FAILED, "S3 could not copy a file"),
        ("replication-untracked", METRIC_REPLICATION_UNTRACKED, "S3 lost sight of a file's copy"),
    ):
        yield Alarm(
            name=name,
            section="replication-failed",
            means=f"{means} to {peer}: if this region is lost, so is that file.",
            first="find bucket, key and reason in the replication function's log.",
            metric=Metric(METRICS, metric_name, own),
            at_least=1,
        )
    yield Alarm(
        name="replication-late",
        section="replication-late",
        means=f"A file had not reached {peer} after {timing.REPLICATION_MINUTES} minutes: were this region "
        "lost, it would be missing.",
        first="see whether it is one bucket or all of them, in the replication function's log.",
        metric=Metric(METRICS, METRIC_REPLICATION_MISSED, own),
        at_least=1,
    )


def _facts(peer: str, table: str) -> Alarm:
    """Return the alarm on the tracker's replication. The canary writes facts at any hour."""
    return Alarm(
        name="facts-delayed",
        section="facts-delayed",
        means=f"What this region has delivered is not known in {peer} within a minute: a takeover would send "
        "files again.",
        first=f"see whether {peer} is in trouble. Do not evacuate this region meanwhile, unless it must be.",
        metric=Metric("AWS/DynamoDB", "ReplicationLatency", {"TableName": table, "ReceivingRegion": peer}),
        statistic="Average",
        at_least=timing.FACTS_SECONDS * 1000,  # milliseconds
        breaching=3,
        of=3,
        missing="alarm",
    )


def _switch(peer: str, own: Mapping[str, str], forced: Mapping[str, str]) -> Iterator[Alarm]:
    position = Metric(METRICS, METRIC_PEER_OUT, own)
    yield Alarm(
        name="peer-out",
        section="peer-out",
        means=f"{peer} is out of DNS: this region carries all customers, and takes over what was left there.",
        first="make sure that it was meant; everything else follows docs/runbook.md.",
        metric=position,
        statistic="Maximum",
        at_least=1,
        period=MINUTE,
        missing="unknown",
    )
    yield Alarm(
        name="forced-in",
        section="forced-in",
        means=f"This region was put into DNS from its own side, because {peer}, which keeps its switch, was"
        " silent.",
        first=f"make sure that it was meant, and that {peer} is out; end it when {peer} is back.",
        metric=Metric(SWITCH_NAMESPACE, FORCE_METRIC, forced),
        statistic="Maximum",
        at_least=1,
        period=MINUTE,
    )
    yield Alarm(
        name="switch-silent",
        section="switch-silent",
        means=f"Where the switch of {peer} stands is not published: Route 53 goes by what it knew last.",
        first="see whether the switch function runs.",
        metric=position,
        statistic="SampleCount",
        below=1,
        missing="alarm",
    )
    yield Alarm(
        name="not-taken-over",
        section="takeover-incomplete",
        means=f"Some files that {peer} had received cannot be taken over, and are not sent.",
        first="read the reasons in the takeover function's log.",
        metric=Metric(METRICS, METRIC_NOT_TAKEN_OVER, own),
        at_least=1,
        breaching=2,
        of=3,
    )


def _errors(handler: str, function: Mapping[str, pulumi.Input[str]]) -> Alarm:
    """Return the alarm on a function that keeps failing; its caller repeats a call that fails once."""
    section, means, at_least = {
        "deliver": (
            "deliveries-failing",
            "Many attempts to deliver fail: a busy partner is down, or the way out of this region is.",
            _MANY_ATTEMPTS,
        ),
        "takeover": (
            "takeover-incomplete",
            "The takeover keeps failing: files that the lost region had received are not sent.",
            1,
        ),
    }.get(handler, ("function-errors", f"The function {handler} keeps failing.", 1))
    return Alarm(
        name=f"{handler}-errors",
        section=section,
        means=means,
        first="read the newest errors in its log.",
        metric=Metric("AWS/Lambda", "Errors", function),
        at_least=at_least,
        breaching=2,
        of=3,
    )


def _throttles(handler: str, function: Mapping[str, pulumi.Input[str]]) -> Alarm:
    return Alarm(
        name=f"{handler}-throttles",
        section="function-throttles",
        means=f"The function {handler} is not allowed to run as often as it is called.",
        first="compare its ConcurrentExecutions with what it reserves.",
        metric=Metric("AWS/Lambda", "Throttles", function),
        at_least=1,
        breaching=2,
        of=3,
    )


def _tracker(table: str) -> Iterator[Alarm]:
    whole = {"TableName": table}
    index = {**whole, "GlobalSecondaryIndexName": contract.TRACKER_INDEX}
    for name, dimensions, metric in (
        ("reads", whole, "ReadThrottleEvents"),
        ("writes", whole, "WriteThrottleEvents"),
        ("index-writes", index, "WriteThrottleEvents"),
    ):
        yield Alarm(
            name=f"tracker-{name}-throttled",
            section="tracker-throttled",
            means=f"DynamoDB refuses {name.replace('-', ' ')} of the tracker: transfers wait.",
            first="see on the dashboard whether one customer sends far more than usual.",
            metric=Metric("AWS/DynamoDB", metric, dimensions),
            at_least=1,
            breaching=3,
            of=3,
        )
