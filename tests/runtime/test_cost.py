"""What a delivered file costs: what AWS counts of it, by the requests that arrive there, and docs/cost.md."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local.aws.emulator import Emulator
from runtime.contract import Kind, Outcome
from runtime.decision import Action
from runtime.transfer import Transfer
from tests.runtime.cells import Cell, owner
from tests.runtime.test_definition import carry, machine  # noqa: F401
from tests.runtime.test_handlers import STATES

PAGE = Path(__file__).parents[2] / "docs" / "cost.md"
#: What S3 charges as PUT; the others, but for deletions, are charged as GET.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/aws-usage-report-understand.html
PUTS = {"CopyObject", "PutObject"}

#: What AWS counts of a small file that is delivered to one bucket, in the region where it arrived.
COUNTED = {
    "state transitions": 6,
    "Lambda requests": 5,
    "DynamoDB writes": 8,
    "DynamoDB reads": 8,
    "S3 requests like PUT": 2,
    "S3 requests like GET": 10,
    "SNS messages": 1,
}


class Watched:
    """The requests of a cell's functions, by service and operation, and the units of those to the tracker."""

    def __init__(self) -> None:
        self.requests, self.units = Counter[tuple[str, str]](), Counter[str]()

    def client(self, aws: Emulator, service: str, region: str) -> Any:
        client = aws.new_client(service, region)
        client.meta.events.register(f"provide-client-params.{service}.*", self._note)
        return client

    def _note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        service, operation = model.service_model.service_name, model.name
        self.requests[service, operation] += 1
        if service == "dynamodb":
            is_read = operation in ("Query", "GetItem")
            size = 0 if is_read else len(json.dumps(params.get("Item", params), default=str))
            self.units["reads" if is_read else "writes"] += 1 if is_read else math.ceil(size / 1024)


@pytest.fixture
def watched(aws: Emulator, west: Cell) -> Iterator[tuple[Cell, Watched]]:
    """West with clients of its own, whose requests are noted."""
    watch = Watched()
    clients = {name: watch.client(aws, name, west.region) for name in ("dynamodb", "s3", "sns")}
    yield replace(west, clients={**west.clients, **clients}), watch
    for client in clients.values():
        client.close()


def process(cell: Cell, transfer: Transfer) -> None:
    """Process a transfer to one bucket as the workflow does."""
    assert cell.workflow.claim(transfer, owner=owner(transfer)).action is Action.DELIVER
    assert cell.attempt(transfer) == Kind.DELIVERED
    results = [{"destination": "partner", "outcome": "DELIVERED"}]
    assert cell.workflow.complete(transfer, results, owner=owner(transfer)) is Outcome.DELIVERED
    cell.archive.store(transfer, owner=owner(transfer))


def test_what_aws_counts_of_a_file_is_what_the_page_says(west: Cell, watched: tuple[Cell, Watched]) -> None:
    cell, watch = watched
    event = west.upload(b"abc")
    cell.accept(event)
    process(cell, west.received("inbound/sdk/a.csv"))
    of_s3 = {operation: count for (service, operation), count in watch.requests.items() if service == "s3"}
    puts = sum(count for operation, count in of_s3.items() if operation in PUTS)
    assert {
        "DynamoDB writes": watch.units["writes"],
        "DynamoDB reads": watch.units["reads"],
        "S3 requests like PUT": puts,
        "S3 requests like GET": sum(of_s3.values()) - puts,
        "SNS messages": watch.requests["sns", "Publish"],
    } == {name: COUNTED[name] for name in COUNTED if name not in ("state transitions", "Lambda requests")}, (
        of_s3
    )


def test_a_delivered_file_passes_six_states_and_calls_four_functions(
    aws: Emulator,
    west: Cell,
    machine: str,  # noqa: F811
    carry: Callable[..., list[Any]],  # noqa: F811
) -> None:
    called = carry()
    states = aws.client("stepfunctions", west.region)
    newest = states.list_executions(stateMachineArn=machine, maxResults=1)["executions"][0]["executionArn"]
    pages = states.get_paginator("get_execution_history").paginate(executionArn=newest)
    events = [each for page in pages for each in page["events"]]
    entered = [e["stateEnteredEventDetails"]["name"] for e in events if "stateEnteredEventDetails" in e]
    assert entered == ["Claim", "Decide", "Deliver", "Complete", "Archive"]
    # The emulated history leaves out what is inside a Map. It is one state, at which the branch ends.
    inside = STATES["Deliver"]["ItemProcessor"]
    assert inside["States"][inside["StartAt"]]["End"]
    assert len(entered) + 1 == COUNTED["state transitions"]
    assert len(called) + 1 == COUNTED["Lambda requests"], "the intake is called, too"


def test_no_state_of_the_usual_way_only_prepares_or_ends_another() -> None:
    at, usual = "Claim", []
    while at:
        usual.append(STATES[at]["Type"])
        at = "Deliver" if at == "Decide" else STATES[at].get("Next", "")
    assert usual == ["Task", "Choice", "Map", "Task", "Task"]


def test_the_pages_table_multiplies_right() -> None:
    rows = re.findall(
        r"^\| ([^|]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| [^|]+ \|$", PAGE.read_text("utf-8"), re.M
    )
    counts = {name: float(count) for name, count, _, _ in rows}
    assert {name: counts[name] for name in COUNTED} == COUNTED
    for name, count, price, cost in rows:
        assert float(cost) == pytest.approx(float(count) * float(price) / 1000, abs=0.0001), name
    (total,) = re.findall(
        r"^\| \*\*1,000 files\*\* \| +\| +\| \*\*([\d.]+)\*\*", PAGE.read_text("utf-8"), re.M
    )
    assert float(total) == pytest.approx(sum(float(cost) for *_, cost in rows), abs=0.001)
