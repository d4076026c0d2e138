"""Alarms about intake: whether uploads are taken in, by their events or by the sweep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pulumi

from components.alarm import MINUTE, Alarm, Metric, Watched
from runtime.contract import EVENTS, INVOCATIONS
from runtime.metric_names import (
    METRIC_STALLED,
    METRIC_SWEEP_AGE,
    METRIC_UNKNOWN,
    METRIC_UNPROVEN,
    METRICS,
)


def intake_alarms(own: Mapping[str, str], watched: Watched) -> Iterator[Alarm]:
    """Yield these alarms; `own` are the dimensions of the cell's own metrics."""
    yield Alarm(
        name="ingest-delayed",
        section="ingest-delayed",
        means="An upload has waited more than 10 minutes to be taken in.",
        first="see whether the ingest function fails or is throttled.",
        metric=Metric("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": watched.ingest_queue}),
        statistic="Maximum",
        at_least=10 * MINUTE,
        breaching=2,
        of=2,
    )
    yield from _dead_letters(watched.dead_letters)
    for rule, name in watched.rules.items():
        yield _undelivered(rule, name, is_schedule=rule in watched.functions)
    yield from _sweep(own)


def _dead_letters(queues: Mapping[str, pulumi.Input[str]]) -> Iterator[Alarm]:
    means = {
        "ingest": "Uploads could not be taken in after all tries. The sweep takes them in if it can.",
        "replication": "Replication events could not be read, and wait for a person.",
        EVENTS: "Events of uploads did not reach the ingest queue. The sweep takes the uploads in, but late.",
    }
    first = {
        "ingest": "read one message, and the ingest function's log about it.",
        "replication": "read one message, and the replication function's log about it.",
        EVENTS: "read ERROR_CODE and ERROR_MESSAGE of one message.",
    }
    # A queue that was not used for six hours has no data.
    for what, text in means.items():
        yield Alarm(
            name=f"{what}-dead-letters",
            section=f"{what}-dead-letters",
            means=text,
            first=first[what],
            metric=Metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": queues[what]}),
            statistic="Maximum",
            at_least=1,
        )
    # The next run does the work of one that failed, so what counts is that it goes on.
    yield Alarm(
        name="invocations-dead-letters",
        section="invocations-dead-letters",
        means="Runs of a scheduled function keep failing, or are not started.",
        first="read `requestContext.functionArn` of the newest message, and that function's log.",
        metric=Metric("AWS/SQS", "NumberOfMessagesSent", {"QueueName": queues[INVOCATIONS]}),
        at_least=1,
        breaching=2,
        of=3,
    )


def _undelivered(rule: str, name: pulumi.Input[str], *, is_schedule: bool) -> Alarm:
    """Return the alarm on a rule whose target EventBridge could not reach.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html
    """
    return Alarm(
        name=f"{rule}-undelivered",
        section="events-undelivered",
        means=f"EventBridge cannot start the function {rule} on its schedule."
        if is_schedule
        else f"EventBridge cannot put events ({rule}) on the ingest queue: uploads wait for the sweep.",
        first=f"read ERROR_CODE of a dead letter ({INVOCATIONS if is_schedule else EVENTS}).",
        metric=Metric("AWS/Events", "FailedInvocations", {"RuleName": name}),
        at_least=1,
        breaching=2 if is_schedule else 1,
        of=3 if is_schedule else 1,
    )


def _sweep(own: Mapping[str, str]) -> Iterator[Alarm]:
    yield Alarm(
        name="unknown-to-tracker",
        section="unknown-to-tracker",
        means="No event had brought some uploads within 15 minutes; the sweep has taken them in.",
        first="see whether the ingest queue is behind, or whether EventBridge loses events.",
        metric=Metric(METRICS, METRIC_UNKNOWN, own),
        at_least=1,
    )
    yield Alarm(
        name="uploads-unproven",
        section="uploads-unproven",
        means="An upload is unknown to the tracker, and the sweep could not take it in.",
        first="find transfer and reason in the sweep function's log (`left`).",
        metric=Metric(METRICS, METRIC_UNPROVEN, own),
        at_least=1,
    )
    yield Alarm(
        name="sweep-late",
        section="sweep-late",
        means="No complete pass of the sweep for an hour: uploads whose events were lost are not taken in.",
        first="read the newest errors in the sweep function's log, and `left`.",
        metric=Metric(METRICS, METRIC_SWEEP_AGE, own),
        statistic="Maximum",
        at_least=60 * MINUTE,
        period=30 * MINUTE,
        missing="alarm",
    )
    yield Alarm(
        name="transfers-stalled",
        section="transfers-stalled",
        means="A transfer has been restarted five times, and is not finished.",
        first="find it in the sweep function's log (`stalled`), and open its last execution.",
        metric=Metric(METRICS, METRIC_STALLED, own),
        at_least=1,
        period=15 * MINUTE,
        breaching=2,
        of=2,
    )
