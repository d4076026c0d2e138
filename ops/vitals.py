"""What one region says of its cell: asked at once, told as far as it is known.

A few requests, whatever the number of customers, all to that region's own services.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError

from ops.cell import Cell
from ops.parts import Parts, PartsError
from runtime import contract

#: How far back synthetic transfers are looked for: three of them are due. That none reports is an alarm's.
CANARY_WINDOW = timedelta(minutes=15)
_AT_ONCE = 32
_SERVICES = ("ssm", "transfer", "sqs", "cloudwatch", "lambda", "stepfunctions", "dynamodb")


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """An alarm that is on: its name, since when, what is mailed with it."""

    name: str
    since: str
    description: str

    @property
    def section(self) -> str:
        """The runbook's section about it, `""` when it names none."""
        return self.description.rpartition("#")[2] if "#" in self.description else ""


@dataclass(frozen=True, kw_only=True)
class Queue:
    """Messages of a queue: those that wait, and those that somebody is working on."""

    waiting: int
    taken: int


@dataclass(kw_only=True)
class Vitals:
    """What a region says; None is what it does not, and `unknowns` has a sentence on each of these.

    `functions` says of each handler how its function is, `Active` if well; `canary` holds the results of the
    synthetic transfers of the last 15 minutes, oldest first, 1 for each that was delivered.
    """

    region: str
    answers: bool
    parts: Parts | None = None
    server: Mapping[str, Any] | None = None
    queue: Queue | None = None
    dead_letters: dict[str, Queue] = field(default_factory=dict)
    state_machine: str | None = None
    functions: dict[str, str] = field(default_factory=dict)
    table: str | None = None
    alarms: list[Alarm] | None = None
    canary: list[float] | None = None
    unknowns: list[str] = field(default_factory=list)


def read(cell: Cell) -> Vitals:
    """Ask a cell's region. What AWS does not answer, or refuses, is a sentence of `unknowns`."""
    clients = {service: cell.client(service) for service in _SERVICES}  # threads may not make them
    where = cell.environment
    try:
        parts = Parts.read(
            namespace=where.namespace, cell=where.cell, side=cell.side, parameters=clients["ssm"]
        )
    except PartsError as error:
        return Vitals(region=cell.region, answers=True, unknowns=[str(error)])
    except (NoConnectionError, HTTPClientError) as error:
        return Vitals(region=cell.region, answers=False, unknowns=[f"{cell.region} does not answer: {error}"])
    except (ClientError, BotoCoreError) as error:
        unknown = f"{cell.region} does not say what its cell is made of: {error}"
        return Vitals(region=cell.region, answers=True, unknowns=[unknown])
    vitals = Vitals(region=cell.region, answers=True, parts=parts)
    questions = _questions(_Asked(cell, parts, clients), vitals)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        asked = [(what, take, pool.submit(ask)) for what, ask, take in questions]
    for what, take, coming in asked:
        try:
            take(coming.result())
        except (ClientError, BotoCoreError) as error:
            vitals.unknowns.append(f"{cell.region}: {what} is not known: {error}")
    return vitals


_Question = tuple[str, Callable[[], Any], Callable[[Any], None]]


def _questions(asked: _Asked, vitals: Vitals) -> list[_Question]:
    """Return what is asked, how, and where the answer goes."""

    def into(name: str) -> Callable[[Any], None]:
        return lambda answer: setattr(vitals, name, answer)

    def under(found: dict[str, Any], key: str) -> Callable[[Any], None]:
        return lambda answer: found.__setitem__(key, answer)

    parts = asked.parts
    return [
        ("the state of the SFTP server", asked.server, into("server")),
        ("the depth of the intake queue", lambda: asked.queue(parts.queue), into("queue")),
        *(
            (
                f"the depth of {of}'s dead letters",
                lambda url=url: asked.queue(url),
                under(vitals.dead_letters, of),
            )
            for of, url in parts.dead_letters.items()
        ),
        ("the state of the workflow", asked.state_machine, into("state_machine")),
        *(
            (
                f"the state of the function {handler}",
                lambda name=name: asked.function(name),
                under(vitals.functions, handler),
            )
            for handler, name in parts.functions.items()
        ),
        ("the state of the tracker", asked.table, into("table")),
        ("which alarms are on", asked.alarms, into("alarms")),
        ("how synthetic transfers fare", asked.canary, into("canary")),
    ]


class _Asked:
    """The questions, each one request or a few pages."""

    def __init__(self, cell: Cell, parts: Parts, clients: Mapping[str, Any]) -> None:
        self.cell, self.parts, self._clients = cell, parts, clients

    def server(self) -> Mapping[str, Any]:
        return self._clients["transfer"].describe_server(ServerId=self.parts.server)["Server"]

    def queue(self, url: str) -> Queue:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self._clients["sqs"].get_queue_attributes(QueueUrl=url, AttributeNames=names)
        waiting, taken = (int(answer["Attributes"][name]) for name in names)
        return Queue(waiting=waiting, taken=taken)

    def state_machine(self) -> str:
        arn = self.parts.state_machine
        return str(self._clients["stepfunctions"].describe_state_machine(stateMachineArn=arn)["status"])

    def function(self, name: str) -> str:
        """Return `Active`, or what it is instead: https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html."""
        found = self._clients["lambda"].get_function_configuration(FunctionName=name)
        if found.get("LastUpdateStatus") == "Failed":
            return (
                f"as it was before a failed update ({found.get('LastUpdateStatusReason', 'no reason given')})"
            )
        reason = found.get("StateReason")
        return (
            f"{found['State']} ({reason})" if reason and found["State"] != "Active" else str(found["State"])
        )

    def table(self) -> str:
        return str(
            self._clients["dynamodb"].describe_table(TableName=self.cell.table)["Table"]["TableStatus"]
        )

    def alarms(self) -> list[Alarm]:
        pages = self._clients["cloudwatch"].get_paginator("describe_alarms")
        pages = pages.paginate(ActionPrefix=self.parts.alerts, StateValue="ALARM", AlarmTypes=["MetricAlarm"])
        return [
            Alarm(
                name=each["AlarmName"],
                since=f"{each['StateUpdatedTimestamp'].astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
                description=each.get("AlarmDescription", ""),
            )
            for page in pages
            for each in page["MetricAlarms"]
        ]

    def canary(self) -> list[float]:
        now, where = datetime.now(UTC), self.cell.environment
        dimensions = contract.cell_dimensions(where.namespace, where.cell)
        metric = {
            "Namespace": contract.METRICS,
            "MetricName": contract.METRIC_CANARY,
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
        }
        answer = self._clients["cloudwatch"].get_metric_data(
            MetricDataQueries=[
                {"Id": "canary", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Minimum"}}
            ],
            StartTime=now - CANARY_WINDOW,
            EndTime=now + timedelta(minutes=1),
            ScanBy="TimestampAscending",
        )
        return list(answer["MetricDataResults"][0]["Values"])
