"""What AWS's own services must have delivered in a region: events, notifications, flow logs, messages.

Where a service lacks a right, it drops what it should deliver, and only a metric or a status says so.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from ops.acceptance.accepted_cell import AcceptedCell
from ops.acceptance.observation import Check, Observations, Patience
from ops.health import cell_metrics
from ops.health.cell_metrics import Series
from ops.health.cell_report import CellReport, read
from runtime.contract import PARTITION

#: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html
_FAILED_INVOCATIONS = "FailedInvocations"
#: https://docs.aws.amazon.com/sns/latest/dg/sns-monitoring-using-cloudwatch.html
_FAILED_NOTIFICATIONS = "NumberOfNotificationsFailed"
#: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_FlowLog.html
_ACTIVE, _FAILED = "ACTIVE", "FAILED"
_PENDING = "PendingConfirmation"


def look(cell: AcceptedCell, observed: Observations, *, since: datetime) -> None:
    """Note what was delivered in a region since this time."""
    checks: tuple[tuple[str, Callable[[AcceptedCell, str, Observations], None]], ...] = (
        ("EventBridge has reached every target", partial(_events, since=since)),
        ("SNS has reached every subscriber", partial(_notifications, since=since)),
        ("somebody is told of alarms, and all subscriptions are confirmed", _subscribers),
        ("no dead letters wait", _dead_letters),
        ("the intake queue feeds its function", _intake),
        ("the VPC's flow log is active", _flow_log),
    )
    for what, check in checks:
        with observed.attempt(Check.EVENTS, cell.region, what):
            check(cell, what, observed)


def _events(cell: AcceptedCell, what: str, observed: Observations, *, since: datetime) -> None:
    events, arns = cell.client("events"), [_queue_arn(cell), *_function_arns(cell)]
    rules = sorted({name for arn in arns for name in _rules(events, arn)})
    if not rules:
        observed.note(Check.EVENTS, cell.region, what, False, "no rule has the cell's queue or functions")
        return
    series = [Series("AWS/Events", _FAILED_INVOCATIONS, {"RuleName": rule}, "Sum") for rule in rules]
    failed = _failed(cell, dict(zip(rules, series, strict=True)), since)
    found = failed or f"{_FAILED_INVOCATIONS} 0 of {len(rules)} rules"
    observed.note(Check.EVENTS, cell.region, what, not failed, found)


def _notifications(cell: AcceptedCell, what: str, observed: Observations, *, since: datetime) -> None:
    topics = [arn.rpartition(":")[2] for arn in (cell.routing.receipts_topic, cell.manifest.alerts)]
    series = {name: Series("AWS/SNS", _FAILED_NOTIFICATIONS, {"TopicName": name}, "Sum") for name in topics}
    failed = _failed(cell, series, since)
    found = failed or f"{_FAILED_NOTIFICATIONS} 0 of {len(topics)} topics"
    observed.note(Check.EVENTS, cell.region, what, not failed, found)


def _failed(cell: AcceptedCell, series: dict[str, Series], since: datetime) -> str:
    """Return, as text, which of these metrics are not 0; AWS publishes none for a quiet minute."""
    values = cell_metrics.ask(cell.client("cloudwatch"), series.values(), since=since)
    sums = {name: sum(value for _, value in its) for name, its in zip(series, values, strict=True)}
    return "; ".join(f"{int(count)} failed: {name}" for name, count in sums.items() if count)


def _subscribers(cell: AcceptedCell, what: str, observed: Observations) -> None:
    sns = cell.client("sns")
    found: dict[str, list[dict[str, Any]]] = {}
    for topic in (cell.manifest.alerts, cell.routing.receipts_topic):
        pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        found[topic] = [each for page in pages for each in page["Subscriptions"]]
    pending = [each for its in found.values() for each in its if each["SubscriptionArn"] == _PENDING]
    alerts = len(found[cell.manifest.alerts])
    text = f"{alerts} subscribed to the alarms" if alerts else "nobody is subscribed to the alarms"
    text += "".join(f"; not confirmed: {each['Protocol']} {each['Endpoint']}" for each in pending)
    observed.note(Check.EVENTS, cell.region, what, bool(alerts) and not pending, text)


def _dead_letters(cell: AcceptedCell, what: str, observed: Observations) -> None:
    queues = read(cell.deployed).dead_letters
    dead = {of: queue.waiting + queue.taken for of, queue in queues.items()}
    found = ", ".join(f"{of}: {count}" for of, count in sorted(dead.items())) or "their queues are not known"
    observed.note(Check.EVENTS, cell.region, what, bool(dead) and not any(dead.values()), found)


def _intake(cell: AcceptedCell, what: str, observed: Observations) -> None:
    asked = {"FunctionName": cell.manifest.functions["ingest"]}
    mappings = cell.client("lambda").list_event_source_mappings(**asked)["EventSourceMappings"]
    states = [
        f"{each['State']}, at most {each.get('ScalingConfig', {}).get('MaximumConcurrency', 'any')} at once"
        for each in mappings
    ]
    seen = any(each["State"] == "Enabled" for each in mappings)
    observed.note(Check.EVENTS, cell.region, what, seen, "; ".join(states) or "nothing feeds it")


def _flow_log(cell: AcceptedCell, what: str, observed: Observations) -> None:
    server = cell.client("transfer").describe_server(ServerId=cell.manifest.server)["Server"]
    vpc = server["EndpointDetails"]["VpcId"]
    asked = [{"Name": "resource-id", "Values": [vpc]}]
    logs = cell.client("ec2").describe_flow_logs(Filters=asked)["FlowLogs"]
    states = [
        f"{each['FlowLogStatus']}, {each.get('DeliverLogsStatus', 'nothing delivered yet')}" for each in logs
    ]
    seen = any(
        (each["FlowLogStatus"], each.get("DeliverLogsStatus")) != (_ACTIVE, _FAILED)
        and each["FlowLogStatus"] == _ACTIVE
        for each in logs
    )
    observed.note(Check.EVENTS, cell.region, what, seen, "; ".join(states) or f"{vpc} has none")


def schedules(cell: AcceptedCell, observed: Observations, patience: Patience) -> None:
    """Note whether the canary's file arrives, and whether the probe reaches every address of the endpoint."""
    report: list[CellReport] = []

    def measured() -> bool:
        report[:] = [read(cell.deployed)]
        found = report[0].measures
        return found is not None and found.canary is not None and found.addresses is not None

    patience.until(measured, within=patience.schedule)
    found, wanted = report[0].measures, len(cell.manifest.addresses)
    canary, answering = (found.canary, found.addresses) if found else (None, None)
    said = {None: "it has sent nothing", True: "delivered", False: "not delivered"}[canary]
    observed.note(Check.SCHEDULES, cell.region, "the canary's last file was delivered", bool(canary), said)
    what = "the probe reaches every address of the endpoint, through NAT"
    count = "it has published nothing" if answering is None else f"{answering} of {wanted}"
    observed.note(Check.SCHEDULES, cell.region, what, answering == wanted, count)


def audit(cell: AcceptedCell, folder: str, observed: Observations) -> None:
    """Note whether Object Lock keeps the record of this acceptance, whose `folder` is an S3 URL."""
    what = "nobody can remove what is recorded of this acceptance"
    with observed.attempt(Check.AUDIT, cell.region, what):
        bucket, _, prefix = folder.removeprefix("s3://").partition("/")
        head = cell.client("s3").head_object(Bucket=bucket, Key=f"{prefix}intent.json")
        mode, until = head.get("ObjectLockMode"), head.get("ObjectLockRetainUntilDate")
        days = (until - head["LastModified"]).days if until else 0
        found = f"{mode} for {days} days" if until else "it has no retention"
        observed.note(Check.AUDIT, cell.region, what, mode == "COMPLIANCE" and days >= 1, found)


def _rules(events: Any, arn: str) -> list[str]:
    pages = events.get_paginator("list_rule_names_by_target").paginate(TargetArn=arn)
    return [name for page in pages for name in page["RuleNames"]]


def _queue_arn(cell: AcceptedCell) -> str:
    asked = {"QueueUrl": cell.manifest.queue, "AttributeNames": ["QueueArn"]}
    return str(cell.client("sqs").get_queue_attributes(**asked)["Attributes"]["QueueArn"])


def _function_arns(cell: AcceptedCell) -> list[str]:
    place = f"arn:{PARTITION}:lambda:{cell.region}:{cell.environment.account}:function"
    return [f"{place}:{name}" for name in cell.manifest.functions.values()]
