"""The report of one region about its cell: concurrent requests, of which some may go unanswered.

There are a few requests, whatever the number of customers, all to that region's own services.
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
    """An alarm in state ALARM: its name, since when, and the description that is mailed with it."""

    name: str
    since: str
    description: str

    @property
    def section(self) -> str:
        """The section of the runbook that the description names; `""` if it names none."""
        return self.description.rpartition("#")[2] if "#" in self.description else ""


@dataclass(frozen=True, kw_only=True)
class Queue:
    """The messages of a queue: those that wait, and those that are being processed."""

    waiting: int
    taken: int


@dataclass(kw_only=True)
class CellReport:
    """A region's answers. Each one that is missing is None, and `unknowns` has a sentence about it.

    `functions` is the state of each handler's function, `Active` if well. `server` and `table` are as AWS
    describes them.
    """

    region: str
    answers: bool
    manifest: CellManifest | None = None
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
    """Return the reports of all cells, asked concurrently."""
    for cell in cells:
        _clients(cell)
    with ThreadPoolExecutor(len(cells)) as pool:
        return list(pool.map(read, cells))


def read(cell: DeployedCell) -> CellReport:
    """Return the report of a cell's region; each request that fails becomes a sentence of `unknowns`."""
    clients = _clients(cell)
    where = cell.environment
    try:
        manifest = CellManifest.read(
            namespace=where.namespace, cell=where.cell, side=cell.side, parameters=clients["ssm"]
        )
    except ManifestError as error:
        return CellReport(region=cell.region, answers=True, unknowns=[str(error)])
    except (NoConnectionError, HTTPClientError) as error:
        return CellReport(region=cell.region, answers=False, unknowns=[f"does not answer: {error}"])
    except (ClientError, BotoCoreError) as error:
        unknown = f"what its cell consists of is not known: {error}"
        return CellReport(region=cell.region, answers=True, unknowns=[unknown])
    report = CellReport(region=cell.region, answers=True, manifest=manifest)
    questions = _questions(_Requests(cell, manifest, clients), report)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        asked = [(what, take, pool.submit(ask)) for what, ask, take in questions]
    for what, take, coming in asked:
        try:
            take(coming.result())
        except (ClientError, BotoCoreError) as error:
            report.unknowns.append(f"{what} is not known: {error}")
    return report


def _clients(cell: DeployedCell) -> dict[str, Any]:
    """Return the clients of a region, made here because threads may share them but not make them."""
    return {service: cell.client(service) for service in _SERVICES}


_Question = tuple[str, Callable[[], Any], Callable[[Any], None]]


def _questions(requests: _Requests, report: CellReport) -> list[_Question]:
    """Return the subject of each question, the request, and what stores the answer in the report."""

    def into(name: str) -> Callable[[Any], None]:
        return lambda answer: setattr(report, name, answer)

    def under(found: dict[str, Any], key: str) -> Callable[[Any], None]:
        return lambda answer: found.__setitem__(key, answer)

    manifest = requests.manifest
    return [
        ("the state of the SFTP server", requests.server, into("server")),
        ("the depth of the intake queue", lambda: requests.queue(manifest.queue), into("queue")),
        *(
            (
                f"the depth of {of}'s dead letters",
                lambda url=url: requests.queue(url),
                under(report.dead_letters, of),
            )
            for of, url in manifest.dead_letters.items()
        ),
        ("the state of the workflow", requests.state_machine, into("state_machine")),
        *(
            (
                f"the state of the function {handler}",
                lambda name=name: requests.function(name),
                under(report.functions, handler),
            )
            for handler, name in manifest.functions.items()
        ),
        ("the state of the tracker", requests.table, into("table")),
        ("which alarms are on", requests.alarms, into("alarms")),
        ("what was measured", requests.measures, into("measures")),
    ]


class _Requests:
    """The requests to one region, each a single call or a few pages."""

    def __init__(self, cell: DeployedCell, manifest: CellManifest, clients: Mapping[str, Any]) -> None:
        self.cell, self.manifest, self._clients = cell, manifest, clients

    def server(self) -> Mapping[str, Any]:
        answer = self._clients["transfer"].describe_server(ServerId=self.manifest.server)
        server: Mapping[str, Any] = answer["Server"]
        return server

    def queue(self, url: str) -> Queue:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self._clients["sqs"].get_queue_attributes(QueueUrl=url, AttributeNames=names)
        waiting, taken = (int(answer["Attributes"][name]) for name in names)
        return Queue(waiting=waiting, taken=taken)

    def state_machine(self) -> str:
        arn = self.manifest.state_machine
        return str(self._clients["stepfunctions"].describe_state_machine(stateMachineArn=arn)["status"])

    def function(self, name: str) -> str:
        """Return `Active`, or the state it is in instead: https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html."""
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
        table: Mapping[str, Any] = self._clients["dynamodb"].describe_table(TableName=self.cell.table)[
            "Table"
        ]
        return table

    def alarms(self) -> list[ActiveAlarm]:
        pages = self._clients["cloudwatch"].get_paginator("describe_alarms")
        pages = pages.paginate(
            ActionPrefix=self.manifest.alerts, StateValue="ALARM", AlarmTypes=["MetricAlarm"]
        )
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
