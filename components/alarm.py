"""An alarm as a value: when it goes off, what that means, what to do first, and its runbook section."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, assert_never

import pulumi
import pulumi_aws as aws

RUNBOOK = "docs/runbook.md"

MINUTE = 60

#: What a period without data means.
Missing = Literal["quiet", "alarm", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Watched:
    """The resources of a cell that are watched, as CloudWatch's dimensions name them.

    `functions` are by role, `dead_letters` by what their messages were meant for, `nat_gateways` by zone.
    `rules` of EventBridge are by the events that they select, or by the role of the function that they
    schedule. `addresses` is the number of addresses of the SFTP endpoint.
    """

    functions: Mapping[str, pulumi.Input[str]]
    ingest_queue: pulumi.Input[str]
    dead_letters: Mapping[str, pulumi.Input[str]]
    rules: Mapping[str, pulumi.Input[str]]
    state_machine_arn: pulumi.Input[str]
    table: str
    nat_gateways: Mapping[str, pulumi.Input[str]]
    addresses: int


@dataclass(frozen=True)
class Metric:
    """What an alarm watches: a metric of CloudWatch, by its namespace, its name and its dimensions."""

    namespace: str
    name: str
    dimensions: Mapping[str, pulumi.Input[str]]


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """One alarm of a cell. `section` is its section of the runbook; `period` is in seconds.

    It goes off when the metric was `at_least` a value, or `below` a value, in `breaching` of the last `of`
    periods. `missing` is the meaning of a period without data: `quiet` if the metric is only published when
    there is something to count, `alarm` if silence itself is the fault, `unknown` if another alarm covers it.
    """

    name: str
    section: str
    means: str
    first: str
    metric: Metric
    statistic: str = "Sum"
    at_least: float | None = None
    below: float | None = None
    period: int = 5 * MINUTE
    breaching: int = 1
    of: int = 1
    missing: Missing = "quiet"

    @property
    def description(self) -> str:
        """The text that is mailed with the alarm."""
        return f"{self.means} First: {self.first} Runbook: {RUNBOOK}#{self.section}"


def make(
    alarm: Alarm, *, name: str, topic_arn: pulumi.Input[str], parent: pulumi.Resource
) -> aws.cloudwatch.MetricAlarm:
    """Make an alarm that notifies a topic when it goes off and when it is over.

    A percentile of too few values means nothing, so it does not change the alarm's state:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/percentiles-with-low-samples.html.
    """
    is_percentile = alarm.statistic.startswith("p")
    threshold, comparison = (
        (alarm.below, "LessThanThreshold")
        if alarm.at_least is None
        else (alarm.at_least, "GreaterThanOrEqualToThreshold")
    )
    return aws.cloudwatch.MetricAlarm(
        f"{name}-{alarm.name}",
        alarm_description=alarm.description,
        namespace=alarm.metric.namespace,
        metric_name=alarm.metric.name,
        dimensions=alarm.metric.dimensions,
        statistic=None if is_percentile else alarm.statistic,
        extended_statistic=alarm.statistic if is_percentile else None,
        evaluate_low_sample_count_percentiles="ignore" if is_percentile else None,
        period=alarm.period,
        evaluation_periods=alarm.of,
        datapoints_to_alarm=alarm.breaching,
        threshold=threshold,
        comparison_operator=comparison,
        treat_missing_data=_treatment(alarm.missing),
        alarm_actions=[topic_arn],
        ok_actions=[topic_arn],
        opts=pulumi.ResourceOptions(parent=parent),
    )


def _treatment(missing: Missing) -> str:
    """Return CloudWatch's word for what a period without data means."""
    match missing:
        case "quiet":
            return "notBreaching"
        case "alarm":
            return "breaching"
        case "unknown":
            return "missing"
        case _:
            assert_never(missing)
