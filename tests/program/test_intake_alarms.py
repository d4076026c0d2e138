"""Alarms of intake, by series that must set them off and series that must not; dead letters behind events."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from local.program import Graph, Resource
from local.thresholds import BREACHES
from tests.program.conftest import STACKS

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
TARGET = "aws:cloudwatch/eventTarget:EventTarget"
SQS = "aws:sqs/queue:Queue"

#: One value a period, by the alarm's own statistic; None is a period without data.
Series = Sequence[float | None]


@pytest.fixture(params=STACKS)
def graph(request: pytest.FixtureRequest, graphs: dict[str, Graph]) -> Graph:
    return graphs[request.param]


def is_on(alarm: Resource, series: Series) -> bool:
    """Return whether an alarm is on after a series, as CloudWatch evaluates its last periods.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
    """
    asked = alarm.inputs
    breaches = BREACHES[asked["comparisonOperator"]]
    of_missing = {"breaching": True, "notBreaching": False}[asked["treatMissingData"]]
    last = list(series)[-int(asked["evaluationPeriods"]) :]
    found = [of_missing if each is None else breaches(each, asked["threshold"]) for each in last]
    return sum(found) >= asked["datapointsToAlarm"]


@pytest.mark.parametrize(
    ("name", "on", "off"),
    [
        ("unknown-to-tracker", [0, 1], [0, 0]),
        ("unknown-to-tracker", [None, 3], [3, None]),  # over when the next run finds nothing
        ("uploads-unproven", [0, 1], [1, 0]),
        ("sweep-late", [1800, 3600], [1800, 3599]),
        ("sweep-late", [900, None], [None, 900]),  # silence is an alarm
        ("transfers-stalled", [1, 1], [0, 1]),
        ("transfers-stalled", [0, 2, 1], [1, 0]),
        ("events-dead-letters", [0, 1], [1, 0]),
        ("ingest-dead-letters", [None, 2], [None, None]),  # a queue that is not used has no data
        ("replication-dead-letters", [0, 1], [0, None]),
        ("invocations-dead-letters", [1, 0, 1], [0, 0, 1]),  # the next run made that good
        ("invocations-dead-letters", [None, 5, 5], [5, None, None]),
        ("sdk-uploads-undelivered", [0, 1], [1, 0]),
        ("sftp-uploads-undelivered", [None, 1], [1, None]),
        ("sftp-copies-undelivered", [None, 1], [None, None]),
        ("sftp-renames-undelivered", [None, 1], [None, None]),
        ("sweep-undelivered", [1, None, 1], [None, None, 1]),
        ("takeover-undelivered", [1, 1, None], [1, None, None]),
        ("ingest-delayed", [600, 600], [600, 599]),
        ("sweep-errors", [1, 0, 1], [0, 1, 0]),
    ],
)
def test_a_series_sets_its_alarm_off_and_another_does_not(
    graph: Graph, name: str, on: Series, off: Series
) -> None:
    alarm = graph.one(ALARM, f"cell1-monitoring-{name}")
    assert is_on(alarm, on)
    assert not is_on(alarm, off)


def test_the_sweep_reports_within_each_period_of_the_alarm_on_its_silence(graph: Graph) -> None:
    rule = graph.one("aws:cloudwatch/eventRule:EventRule", "cell1-sweep")
    assert rule.inputs["scheduleExpression"] == "rate(15 minutes)"
    assert graph.one(ALARM, "cell1-monitoring-sweep-late").inputs["period"] == 2 * 15 * 60


# --- Dead letters -----------------------------------------------------------------------------------


def test_every_target_states_how_long_it_is_tried_and_has_a_dead_letter_queue(graph: Graph) -> None:
    events = graph.one(SQS, "cell1-events-dead-letters").outputs["arn"]
    invocations = graph.one(SQS, "cell1-invocations-dead-letters").outputs["arn"]
    targets = graph.of(TARGET)
    assert len(targets) == len(graph.of("aws:cloudwatch/eventRule:EventRule"))
    for target in targets:
        retry, is_queue = target.inputs["retryPolicy"], ":sqs:" in target.inputs["arn"]
        assert target.inputs["deadLetterConfig"] == {"arn": events if is_queue else invocations}
        assert 60 <= retry["maximumEventAgeInSeconds"] <= 86400
        assert 0 < retry["maximumRetryAttempts"] <= 185
        if is_queue:
            assert retry == {"maximumEventAgeInSeconds": 86400, "maximumRetryAttempts": 185}


def test_every_asynchronous_invocation_reports_its_failure(graph: Graph) -> None:
    queue = graph.one(SQS, "cell1-invocations-dead-letters").outputs["arn"]
    invoked = {each.inputs["arn"] for each in graph.of(TARGET) if ":lambda:" in each.inputs["arn"]}
    names = {
        each.outputs["name"]
        for each in graph.of("aws:lambda/function:Function")
        if each.outputs["arn"] in invoked
    }
    configs = graph.of("aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig")
    assert {each.inputs["functionName"] for each in configs} == names
    for each in configs:
        assert each.inputs["destinationConfig"] == {"onFailure": {"destination": queue}}
        assert each.inputs["maximumRetryAttempts"] == 0
        assert each.inputs["maximumEventAgeInSeconds"] >= 60


@pytest.mark.parametrize("name", ["events", "invocations"])
def test_a_dead_letter_queue_of_eventbridge_depends_on_no_key_and_lets_only_our_rules_in(
    graph: Graph, name: str
) -> None:
    queue = graph.one(SQS, f"cell1-{name}-dead-letters")
    assert queue.inputs["sqsManagedSseEnabled"] is True
    assert "kmsMasterKeyId" not in queue.inputs
    assert queue.inputs["messageRetentionSeconds"] == 14 * 24 * 3600
    document = json.loads(
        graph.one("aws:sqs/queuePolicy:QueuePolicy", f"cell1-{name}-dead-letters").inputs["policy"]
    )
    ((statement),) = document["Statement"]
    region = graph.of("pulumi:providers:aws")[0].inputs["region"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert (statement["Action"], statement["Resource"]) == (["sqs:SendMessage"], [queue.outputs["arn"]])
    pattern = f"arn:aws-us-gov:events:{region}:123456789012:rule/cell1-*"
    assert statement["Condition"] == {"ArnLike": {"aws:SourceArn": pattern}}
    for rule in graph.of("aws:cloudwatch/eventRule:EventRule"):
        assert rule.outputs["name"].startswith("cell1-"), rule.name


def test_no_event_is_sent_before_the_queues_let_it_in(graph: Graph) -> None:
    allowed = {each.inputs["queueUrl"]: each.urn for each in graph.of("aws:sqs/queuePolicy:QueuePolicy")}
    urls = {each.outputs["arn"]: each.outputs["url"] for each in graph.of(SQS)}
    for target in graph.of(TARGET):
        queues = {target.inputs["deadLetterConfig"]["arn"], target.inputs["arn"]} & urls.keys()
        assert {allowed[urls[each]] for each in queues} <= set(target.depends_on), target.name
    for target in graph.of(TARGET):
        if ":lambda:" in target.inputs["arn"]:
            permission = graph.one("aws:lambda/permission:Permission", target.name)
            assert permission.urn in target.depends_on
