"""What the alarms of intake rest on: the rhythm of the sweep, and dead letters behind events."""

from __future__ import annotations

import json

import pytest

from local.program import Graph
from tests.program.conftest import STACKS

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
TARGET = "aws:cloudwatch/eventTarget:EventTarget"
SQS = "aws:sqs/queue:Queue"


@pytest.fixture(params=STACKS)
def graph(request: pytest.FixtureRequest, graphs: dict[str, Graph]) -> Graph:
    return graphs[request.param]


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
