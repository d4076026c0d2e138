"""Alarms about transfers: whether files are processed and delivered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pulumi

from components.alarm import MINUTE, Alarm, Metric, Watched
from runtime.canary_legs import Leg
from runtime.metric_names import (
    METRIC_ADDRESSES,
    METRIC_CANARY,
    METRIC_DELIVERY_SECONDS,
    METRIC_FAILED,
    METRIC_HELD_NOW,
    METRIC_OBJECT_GONE,
    METRICS,
)


def transfer_alarms(own: Mapping[str, str], watched: Watched) -> Iterator[Alarm]:
    """Yield these alarms; `own` are the dimensions of the cell's own metrics."""
    yield from _canary(own)
    yield from _endpoint(own, watched)
    yield from _files(own)
    yield from _workflow({"StateMachineArn": watched.state_machine_arn})


def _canary(own: Mapping[str, str]) -> Iterator[Alarm]:
    for leg, way in ((Leg.SFTP, "by SFTP to a server"), (Leg.S3, "by S3 to a bucket")):
        yield Alarm(
            name=f"canary-{leg}-failing",
            section="canary-failing",
            means=f"Two synthetic transfers in a row, {way}, were not delivered: customers' files may not be"
            " either.",
            first="read `failure` in the canary function's log.",
            metric=Metric(METRICS, METRIC_CANARY, {**own, "Leg": leg.value}),
            statistic="Maximum",
            below=1,
            breaching=2,
            of=2,
            missing="unknown",
        )
    yield Alarm(
        name="canary-silent",
        section="canary-silent",
        means="No synthetic transfer has reported for 15 minutes: nobody knows whether the cell delivers.",
        first="see whether the canary function runs.",
        metric=Metric(METRICS, METRIC_CANARY, own),
        statistic="SampleCount",
        below=1,
        period=15 * MINUTE,
        missing="alarm",
    )


def _endpoint(own: Mapping[str, str], watched: Watched) -> Iterator[Alarm]:
    yield Alarm(
        name="endpoint-silent",
        section="endpoint-silent",
        means="No address of the SFTP endpoint answers, or nobody looks: customers cannot log in here.",
        first="try the addresses from outside; if they are dead, evacuate this region.",
        metric=Metric(METRICS, METRIC_ADDRESSES, own),
        statistic="Maximum",
        below=1,
        period=MINUTE,
        breaching=3,
        of=3,
        missing="alarm",
    )
    yield Alarm(
        name="endpoint-zone-lost",
        section="endpoint-zone-lost",
        means=f"Fewer than {watched.addresses} addresses of the endpoint answer: probably a zone is lost.",
        first="see which; clients try the others, so there is time.",
        metric=Metric(METRICS, METRIC_ADDRESSES, own),
        statistic="Maximum",
        below=watched.addresses,
        period=MINUTE,
        breaching=5,
        of=5,
        missing="unknown",
    )
    for zone in watched.nat_gateways:
        yield Alarm(
            name=f"zone-{zone}-silent",
            section="zone-silent",
            means=f"From zone {zone} no address of the SFTP endpoint answers, or nobody looks from there: "
            "the zone, or its way out, is probably lost.",
            first="see whether the other zones' probes answer; while they do, customers are served.",
            metric=Metric(METRICS, METRIC_ADDRESSES, {**own, "Zone": zone}),
            statistic="Maximum",
            below=1,
            period=MINUTE,
            breaching=5,
            of=5,
            missing="alarm",
        )


def _files(own: Mapping[str, str]) -> Iterator[Alarm]:
    yield Alarm(
        name="files-failed",
        section="files-failed",
        means="A file was given up after all attempts. Its customer was told so.",
        first="find the destination and the reason in the tracker's FAILED facts.",
        metric=Metric(METRICS, METRIC_FAILED, own),
        at_least=1,
        period=24 * 60 * MINUTE,  # so that it is still on when the operators of the next shift look
    )
    yield Alarm(
        name="files-held",
        section="files-held",
        means="Files are held: nobody can tell whether their partners have them, and a person has to decide.",
        first="ask the partner whether the file is there.",
        metric=Metric(METRICS, METRIC_HELD_NOW, own),
        statistic="Maximum",
        at_least=1,
        period=30 * MINUTE,  # it is counted every quarter of an hour, and stays on until nothing is held
        missing="unknown",
    )
    yield Alarm(
        name="object-gone",
        section="object-gone",
        means="An upload was reported whose object is not in its bucket: a file may be lost.",
        first="find bucket and key in the ingest function's log (`became: gone`).",
        metric=Metric(METRICS, METRIC_OBJECT_GONE, own),
        at_least=1,
    )
    # In a quiet hour nothing is delivered, and only the canary shows whether the cell works.
    yield Alarm(
        name="deliveries-slow",
        section="deliveries-slow",
        means="Half of all files take more than 15 minutes from their submission to their receipt.",
        first="see on the dashboard whether they wait in the queue, in the workflow, or at partners.",
        metric=Metric(METRICS, METRIC_DELIVERY_SECONDS, own),
        statistic="p50",
        at_least=15 * MINUTE,
        period=15 * MINUTE,
        breaching=2,
        of=2,
    )


def _workflow(machine: Mapping[str, pulumi.Input[str]]) -> Iterator[Alarm]:
    for ending, metric_name in (("failed", "ExecutionsFailed"), ("timed-out", "ExecutionsTimedOut")):
        yield Alarm(
            name=f"executions-{ending}",
            section="executions-failed",
            means=f"A transfer's execution {ending.replace('-', ' ')}: its file is not delivered, not "
            "archived, or not accounted for.",
            first="open the execution and read the state that ended it.",
            metric=Metric("AWS/States", metric_name, machine),
            at_least=1,
        )
    yield Alarm(
        name="executions-throttled",
        section="executions-throttled",
        means="Step Functions holds transfers back, because there are more than the account's quota.",
        first="wait if it is a burst; ask for a higher quota if it lasts.",
        metric=Metric("AWS/States", "ExecutionThrottled", machine),
        at_least=1,
        breaching=3,
        of=3,
    )
