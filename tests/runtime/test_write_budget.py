"""What a transfer costs: its requests to the tracker. A global table charges each write twice."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from local.aws.emulator import Emulator
from local.sftp.partners import Partner
from runtime import workflow
from runtime.contract import Kind, Outcome
from runtime.decision import Action
from runtime.transfer import Transfer
from tests.bench import bench_requests
from tests.runtime.cells import Cell, owner


@pytest.fixture
def counted(aws: Emulator, west: Cell):
    """West with a table client of its own, and the names of the requests that leave it."""
    client, sent = aws.new_client("dynamodb", west.region), []
    client.meta.events.register("before-send.dynamodb.*", lambda request, **_: sent.append(request))
    yield west.with_client("dynamodb", client), sent
    client.close()


def carry(cell: Cell) -> Transfer:
    """Receive a file, deliver it to one destination, send the receipt, and archive it."""
    transfer = cell.receive(b"abc")
    assert cell.workflow.claim(transfer, owner=owner(transfer)).action is Action.DELIVER
    assert cell.attempt(transfer) == Kind.DELIVERED
    results = [{"destination": "partner", "outcome": "DELIVERED"}]
    assert cell.workflow.complete(transfer, results, owner=owner(transfer)) is Outcome.DELIVERED
    cell.archive.store(transfer, owner=owner(transfer))
    cell.receipts_published(1)
    return transfer


def operations(sent: list[Any]) -> Counter[str]:
    """Return how often each operation was requested."""
    return Counter(request.headers["X-Amz-Target"].decode().rpartition(".")[2] for request in sent)


def test_a_transfer_to_one_destination_writes_and_reads_eight_times(counted):
    """Two writes and one read are for its slot in the customer's share, and one write is for its intent."""
    cell, sent = counted
    transfer = carry(cell)
    assert operations(sent) == {"PutItem": 4, "UpdateItem": 1 + 2 + 1, "Query": 6 + 1, "GetItem": 1}
    assert cell.kinds(transfer) == [Kind.ARCHIVED, Kind.DELIVERED, Kind.RECEIPT, Kind.RECEIVED]


def test_a_renewal_of_the_lease_is_one_more_write(counted, monkeypatch):
    """A lease that is older than a minute is renewed when the attempt first checks it."""
    cell, sent = counted
    monkeypatch.setattr(workflow, "LEASE", workflow.LEASE - workflow.RENEW_AFTER - 5)
    transfer = cell.receive(b"abc")
    cell.workflow.claim(transfer, owner=owner(transfer))
    monkeypatch.undo()
    assert cell.attempt(transfer) == Kind.DELIVERED
    writes = operations(sent)
    assert (writes["PutItem"], writes["UpdateItem"]) == (2, 1 + 1 + 2 + 1)


def test_a_file_is_seven_requests_of_sftp_and_twenty_eight_of_aws(west: Cell, partner: Partner) -> None:
    """On warm functions, all steps together. A larger file only adds writes, sent side by side."""
    bench_requests.route_to(west, partner)
    bench_requests.carry(west, b"abc", "inbound/sdk/warm.csv")
    requests = bench_requests.carry(west, b"abc" * 700_000, "inbound/sdk/a.csv")
    assert requests.sftp.pop("write") == 9
    once = ("limits@openssh.com", "open", "fsync@openssh.com", "close", "stat", "posix-rename@openssh.com")
    assert requests.sftp == dict.fromkeys(once, 1)
    assert requests.aws.total() == 28
