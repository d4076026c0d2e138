"""What one region says of its cell: asked at once, told as far as it is known.

A few requests, whatever the number of customers, all to that region's own services.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError

from ops.cell import DeployedCell
from ops.cell_manifest import CellManifest, ManifestError
from ops.health import cell_metrics
from ops.health.cell_metrics import CellMetrics

_AT_ONCE = 32
_SERVICES = ("ssm", "transfer", "sqs", "cloudwatch", "lambda", "stepfunctions", "dynamodb")


@dataclass(frozen=True, kw_only=True)
class ActiveAlarm:
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
class CellReport:
    """What a region says; None is what it does not, and `unknowns` has a sentence on each of these.

    `functions` says of each handler how its function is, `Active` if well. `server` and `table` are as AWS
    describes them.
    """

    region: str
    answers: bool
    parts: CellManifest | None = None
    server: Mapping[str, Any] | None = None
    queue: Queue | None = None
    dead_letters: dict[str, Queue] = field(default_factory=dict)
    state_machine: str | None = None
    functions: dict[str, str] = field(default_factory=dict)
    table: Mapping[str, Any] | None = None
    alarms: list[ActiveAlarm] | None = None
    measures: CellMetrics | None = None
    unknowns: list[str] = field(default_factory=list)


def of_cells(cells: Sequence[DeployedCell]) -> list[CellReport]:
    """Ask all regions at once."""
    for cell in cells:
        _clients(cell)
    with ThreadPoolExecutor(len(cells)) as pool:
        return list(pool.map(read, cells))


def read(cell: DeployedCell) -> CellReport:
    """Ask a cell's region. What AWS does not answer, or refuses, is a sentence of `unknowns`."""
    clients = _clients(cell)
    where = cell.environment
    try:
        parts = CellManifest.read(
            namespace=where.namespace, cell=where.cell, side=cell.side, parameters=clients["ssm"]
        )
    except ManifestError as error:
        return CellReport(region=cell.region, answers=True, unknowns=[str(error)])
    except (NoConnectionError, HTTPClientError) as error:
        return CellReport(region=cell.region, answers=False, unknowns=[f"does not answer: {error}"])
    except (ClientError, BotoCoreError) as error:
        unknown = f"does not say what its cell is made of: {error}"
        return CellReport(region=cell.region, answers=True, unknowns=[unknown])
    report = CellReport(region=cell.region, answers=True, parts=parts)
    questions = _questions(_Asked(cell, parts, clients), report)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        asked = [(what, take, pool.submit(ask)) for what, ask, take in questions]
    for what, take, coming in asked:
        try:
            take(coming.result())
        except (ClientError, BotoCoreError) as error:
            report.unknowns.append(f"{what} is not known: {error}")
    return report


def _clients(cell: DeployedCell) -> dict[str, Any]:
    """Return the clients of a region; threads share them, and may not make them."""
    return {service: cell.client(service) for service in _SERVICES}


_Question = tuple[str, Callable[[], Any], Callable[[Any], None]]


def _questions(asked: _Asked, report: CellReport) -> list[_Question]:
    """Return what is asked, how, and where the answer goes."""

    def into(name: str) -> Callable[[Any], None]:
        return lambda answer: setattr(report, name, answer)

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
                under(report.dead_letters, of),
            )
            for of, url in parts.dead_letters.items()
        ),
        ("the state of the workflow", asked.state_machine, into("state_machine")),
        *(
            (
                f"the state of the function {handler}",
                lambda name=name: asked.function(name),
                under(report.functions, handler),
            )
            for handler, name in parts.functions.items()
        ),
        ("the state of the tracker", asked.table, into("table")),
        ("which alarms are on", asked.alarms, into("alarms")),
        ("what was measured of it", asked.measures, into("measures")),
    ]


class _Asked:
    """The questions, each one request or a few pages."""

    def __init__(self, cell: DeployedCell, parts: CellManifest, clients: Mapping[str, Any]) -> None:
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

    def table(self) -> Mapping[str, Any]:
        return self._clients["dynamodb"].describe_table(TableName=self.cell.table)["Table"]

    def alarms(self) -> list[ActiveAlarm]:
        pages = self._clients["cloudwatch"].get_paginator("describe_alarms")
        pages = pages.paginate(ActionPrefix=self.parts.alerts, StateValue="ALARM", AlarmTypes=["MetricAlarm"])
        return [
            ActiveAlarm(
                name=each["AlarmName"],
                since=f"{each['StateUpdatedTimestamp'].astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
                description=each.get("AlarmDescription", ""),
            )
            for page in pages
            for each in page["MetricAlarms"]
        ]

    def measures(self) -> CellMetrics:
        return cell_metrics.of_cell(self.cell, self._clients["cloudwatch"])
