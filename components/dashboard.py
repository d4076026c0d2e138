"""The dashboard: what an operator looks at first, from the effect on customers down to the causes.

The format of its body: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from components import jsontext
from components.alarm import MINUTE, RUNBOOK, Watched
from components.settings import Settings
from components.widgets import Widget, placed
from runtime.canary_legs import Leg
from runtime.contract import REGION_OF, WEST
from runtime.metric_names import (
    METRIC_ADDRESSES,
    METRIC_CANARY,
    METRIC_CANARY_SECONDS,
    METRIC_DELIVERY_SECONDS,
    METRIC_FAILED,
    METRIC_HELD,
    METRIC_HELD_NOW,
    METRIC_OBJECT_GONE,
    METRIC_PEER_OUT,
    METRIC_REJECTED,
    METRIC_REPLICATION_FAILED,
    METRIC_REPLICATION_LATE,
    METRIC_REPLICATION_MISSED,
    METRIC_REPLICATION_UNTRACKED,
    METRIC_SWEEP_AGE,
    METRICS,
    SWEEP_COUNTS,
    cell_dimensions,
)
from runtime.timing import REPLICATION_MINUTES

_TEXT, _GRAPH, _ALARMS = 2, 6, 5

Line = list[Any]
_NOT_ARRIVED = (METRIC_FAILED, METRIC_HELD, METRIC_REJECTED, METRIC_OBJECT_GONE)


class Dashboard(pulumi.ComponentResource):
    """One cell's dashboard. An account has one list of dashboards, so the name contains the region's side."""

    def __init__(
        self,
        name: str,
        *,
        settings: Settings,
        watched: Watched,
        alarm_arns: Sequence[pulumi.Input[str]],
        server_id: pulumi.Input[str],
        health_check_id: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`health_check_id` is the check that the records of this cell carry."""
        super().__init__("mft:dashboard:Dashboard", name, None, opts)
        self._settings, self._watched = settings, watched
        rows = [
            self._hurt(alarm_arns),
            self._flow(server_id),
            self._names(health_check_id),
            self._replication(),
            self._functions(),
        ]
        dashboard = aws.cloudwatch.Dashboard(
            name,
            dashboard_name=f"{settings.namespace}-cell{settings.cell}-{settings.side}",
            dashboard_body=jsontext.render({"start": "-PT3H", "widgets": placed(rows)}),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"name": dashboard.dashboard_name})

    def _hurt(self, alarm_arns: Sequence[pulumi.Input[str]]) -> list[list[Widget]]:
        alarms = {"title": "Alarms", "alarms": list(alarm_arns), "sortBy": "stateUpdatedTimestamp"}
        return [
            _text("Is anybody hurt?", "canary-failing", "endpoint-silent", "files-failed", "files-held"),
            [{"type": "alarm", "height": _ALARMS, "properties": alarms}],
            [
                self._graph(
                    "Synthetic transfers",
                    *(
                        line
                        for leg in Leg
                        for line in (
                            self._own(METRIC_CANARY, "Minimum", label=f"{leg}: delivered (1)", Leg=leg.value),
                            self._own(
                                METRIC_CANARY_SECONDS,
                                "Maximum",
                                label=f"{leg}: s",
                                Leg=leg.value,
                                yAxis="right",
                            ),
                        )
                    ),
                ),
                self._graph(
                    f"SFTP addresses that answer, of {self._watched.addresses}",
                    *(
                        self._own(METRIC_ADDRESSES, "Minimum", label=f"seen from zone {zone}", Zone=zone)
                        for zone in self._watched.nat_gateways
                    ),
                    period=MINUTE,
                ),
                self._graph(
                    "Files that did not arrive",
                    *(self._own(each, "Sum") for each in _NOT_ARRIVED),
                    self._own(METRIC_HELD_NOW, "Maximum", label="held now"),
                ),
            ],
        ]

    def _flow(self, server_id: pulumi.Input[str]) -> list[list[Widget]]:
        queue, machine = self._watched.ingest_queue, self._watched.state_machine_arn
        dead = self._watched.dead_letters
        return [
            _text("Flow", "ingest-delayed", "ingest-dead-letters", "executions-failed", "deliveries-slow"),
            [
                self._graph(
                    "Taken in",
                    _line("AWS/Transfer", "FilesIn", "Sum", ServerId=server_id, label="files by SFTP"),
                    _sqs("ApproximateNumberOfMessagesVisible", queue, label="events waiting"),
                    _sqs("ApproximateAgeOfOldestMessage", queue, label="oldest, seconds", yAxis="right"),
                ),
                self._graph(
                    "Dead letters",
                    *(
                        _sqs("ApproximateNumberOfMessagesVisible", name, label=what)
                        for what, name in dead.items()
                    ),
                ),
                self._graph(
                    "What the sweep found",
                    *(self._own(metric, "Sum") for metric in SWEEP_COUNTS),
                    self._own(METRIC_SWEEP_AGE, "Maximum", label="oldest pass, seconds", yAxis="right"),
                ),
                self._graph(
                    "Transfers",
                    *(
                        _line("AWS/States", metric, "Sum", StateMachineArn=machine)
                        for metric in (
                            "ExecutionsStarted",
                            "ExecutionsSucceeded",
                            "ExecutionsFailed",
                            "ExecutionsTimedOut",
                            "ExecutionThrottled",
                        )
                    ),
                ),
                self._graph(
                    "Seconds from submission to receipt",
                    self._own(METRIC_DELIVERY_SECONDS, "p50", label="half of the files"),
                    self._own(METRIC_DELIVERY_SECONDS, "p99", label="99 of 100"),
                ),
            ],
        ]

    def _names(self, health_check_id: pulumi.Input[str]) -> list[list[Widget]]:
        here, there = self._settings.region, self._settings.peer_region
        return [
            _text(
                f"DNS and health (Route 53 reports in {REGION_OF[WEST]}, and is blank while that is dead)",
                "peer-out",
                "switch-silent",
                "endpoint-zone-lost",
                "zone-silent",
            ),
            [
                self._graph(
                    "Out of DNS (1), as its peer says",
                    self._own(METRIC_PEER_OUT, "Maximum", label=there),
                    self._own(METRIC_PEER_OUT, "Maximum", label=here, region=there),
                    period=MINUTE,
                ),
                self._graph(
                    f"Health of {here}, as its records see it",
                    _line(
                        "AWS/Route53",
                        "HealthCheckStatus",
                        "Minimum",
                        HealthCheckId=health_check_id,
                        label="healthy (1)",
                    ),
                    period=MINUTE,
                    region=REGION_OF[WEST],
                ),
                self._graph(
                    "Questions to the zone",
                    _line("AWS/Route53", "DNSQueries", "Sum", HostedZoneId=self._settings.zone_id),
                    region=REGION_OF[WEST],
                ),
            ],
        ]

    def _replication(self) -> list[list[Widget]]:
        table = self._watched.table
        return [
            _text(
                f"Replication to {self._settings.peer_region}",
                "replication-failed",
                "replication-late",
                "facts-delayed",
            ),
            [
                self._graph(
                    "Files not copied as promised",
                    self._own(METRIC_REPLICATION_FAILED, "Sum", label="failed"),
                    self._own(
                        METRIC_REPLICATION_MISSED, "Sum", label=f"not within {REPLICATION_MINUTES} minutes"
                    ),
                    self._own(METRIC_REPLICATION_LATE, "Sum", label="late"),
                    self._own(METRIC_REPLICATION_UNTRACKED, "Sum", label="nobody knows"),
                ),
                self._graph(
                    "Facts: milliseconds to the other region",
                    _line(
                        "AWS/DynamoDB",
                        "ReplicationLatency",
                        "Average",
                        TableName=table,
                        ReceivingRegion=self._settings.peer_region,
                    ),
                ),
                self._graph(
                    "Tracker: refused for being too many",
                    *(
                        _line("AWS/DynamoDB", metric, "Sum", TableName=table)
                        for metric in ("ReadThrottleEvents", "WriteThrottleEvents")
                    ),
                ),
            ],
        ]

    def _functions(self) -> list[list[Widget]]:
        def each(metric: str, stat: str) -> list[Line]:
            return [
                _line("AWS/Lambda", metric, stat, FunctionName=name, label=handler)
                for handler, name in self._watched.functions.items()
            ]

        return [
            _text("Functions and the way out", "function-errors", "deliveries-failing", "nat-ports"),
            [
                self._graph("Errors", *each("Errors", "Sum")),
                self._graph("Throttles", *each("Throttles", "Sum")),
                self._graph("Milliseconds, 99 of 100", *each("Duration", "p99")),
                self._graph(
                    "NAT gateways: connections refused for want of a port",
                    *(
                        _line("AWS/NATGateway", "ErrorPortAllocation", "Sum", NatGatewayId=id, label=zone)
                        for zone, id in self._watched.nat_gateways.items()
                    ),
                ),
            ],
        ]

    def _own(self, metric: str, stat: str, **shown: Any) -> Line:
        dimensions = cell_dimensions(self._settings.namespace, self._settings.cell)
        return _line(METRICS, metric, stat, **dimensions, **shown)

    def _graph(self, title: str, *lines: Line, period: int = 5 * MINUTE, region: str | None = None) -> Widget:
        properties = {
            "title": title,
            "view": "timeSeries",
            "region": region or self._settings.region,
            "period": period,
            "metrics": list(lines),
        }
        return {"type": "metric", "height": _GRAPH, "properties": properties}


#: Arguments of a line that are not dimensions.
_SHOWN = ("label", "yAxis", "region")


def _line(namespace: str, metric: str, stat: str, **more: Any) -> Line:
    """Return a line of a graph: its metric, its dimensions, and how it is shown."""
    shown = {name: more.pop(name) for name in _SHOWN if name in more}
    dimensions = [part for dimension in more.items() for part in dimension]
    return [namespace, metric, *dimensions, {"stat": stat, **shown}]


def _sqs(metric: str, queue: pulumi.Input[str], **shown: Any) -> Line:
    return _line("AWS/SQS", metric, "Maximum", QueueName=queue, **shown)


def _text(title: str, *sections: str) -> list[Widget]:
    where = " · ".join(f"`#{section}`" for section in sections)
    markdown = f"### {title}\n{RUNBOOK}: {where}"
    return [{"type": "text", "height": _TEXT, "properties": {"markdown": markdown}}]
