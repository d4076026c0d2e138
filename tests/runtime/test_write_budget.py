"""What a transfer costs: requests that write to the tracker. A global table charges each of them twice."""

from __future__ import annotations

import pytest

from local.emulator import Emulator
from runtime.contract import Kind
from runtime.receipts import Outcome
from runtime.verdict import Action
from tests.runtime.cells import Cell, owner


@pytest.fixture
def counted(aws: Emulator, west: Cell):
    """West with a table client of its own, and the names of the requests that leave it."""
    client, sent = aws.new_client("dynamodb", west.region), []
    client.meta.events.register("before-send.dynamodb.*", lambda request, **_: sent.append(request))
    yield west.with_client("dynamodb", client), sent
    client.close()


def test_a_transfer_to_one_destination_writes_five_times(counted):
    cell, sent = counted
    transfer = cell.receive(b"abc")
    assert cell.workflow.claim(transfer, owner=owner(transfer)).action is Action.DELIVER
    assert cell.attempt(transfer) == Kind.DELIVERED
    cell.archive.store(transfer, owner=owner(transfer))
    results = [{"destination": "partner", "outcome": "DELIVERED"}]
    assert cell.workflow.complete(transfer, results, owner=owner(transfer)) is Outcome.DELIVERED
    cell.receipts_published(1)
    operations = [request.headers["X-Amz-Target"].decode().rpartition(".")[2] for request in sent]
    writes = [name for name in operations if name not in ("Query", "GetItem")]
    assert sorted(writes) == ["PutItem"] * 4 + ["UpdateItem"]
    assert cell.kinds(transfer) == [Kind.ARCHIVED, Kind.DELIVERED, Kind.RECEIPT, Kind.RECEIVED]
