"""A customer's quota of files in an hour: the others are rejected with a receipt, and not half done."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from runtime.contract import Kind
from tests.runtime.cells import Cell, CrashError, Dying


@pytest.fixture
def limited(west: Cell) -> Cell:
    """A cell whose customer may send two files in an hour."""
    west.register(limits={"files_per_hour": 2})
    return west


def upload(cell: Cell, name: str) -> dict[str, Any]:
    return cell.upload(name.encode(), f"inbound/sdk/{name}.csv")


def kinds(cell: Cell, name: str) -> list[Kind]:
    return sorted(fact.kind for fact in cell.facts(f"inbound/sdk/{name}.csv"))


def test_a_file_above_the_quota_is_rejected_with_the_reason(limited: Cell) -> None:
    events = [upload(limited, name) for name in ("a", "b", "c")]
    assert [limited.accept(each) for each in events] == ["received", "received", "rejected"]
    (receipt,) = limited.receipts_published(1)
    assert (receipt["outcome"], receipt["key"]) == ("rejected", "inbound/sdk/c.csv")
    assert receipt["reason"].startswith("2 files have been taken in here that were sent in the hour from ")
    assert receipt["reason"].endswith(":00 UTC, and that is this customer's quota; send it again later")
    assert kinds(limited, "c") == [Kind.RECEIPT, Kind.REJECTED]
    assert len(limited.executions()) == 2


def test_repeated_events_count_once_and_change_nothing_when_the_quota_is_used_up(limited: Cell) -> None:
    events = [upload(limited, name) for name in ("a", "b", "c")]
    for _ in range(3):
        assert [limited.accept(each) for each in events] == ["received", "received", "rejected"]
    limited.receipts_published(1)
    assert len(limited.executions()) == 2
    assert kinds(limited, "c") == [Kind.RECEIPT, Kind.REJECTED]


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_the_transaction_takes_one_ticket_at_most(limited: Cell, after: bool) -> None:
    event = upload(limited, "a")
    dying = Dying(limited.client("dynamodb"), "transact_write_items", after=after)
    with pytest.raises(CrashError):
        limited.with_client("dynamodb", dying).accept(event)
    assert limited.accept(event) == "received"
    assert limited.accept(upload(limited, "b")) == "received"
    assert limited.accept(upload(limited, "c")) == "rejected"


def test_files_that_arrive_at_the_same_moment_share_the_quota(west: Cell) -> None:
    west.register(limits={"files_per_hour": 3})
    events = [upload(west, f"{number}") for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(west.accept, events))
    assert sorted(results) == ["received"] * 3 + ["rejected"] * 3


def test_each_region_has_the_quota_for_itself_and_facts_replicate(
    sides: tuple[Cell, Cell],
) -> None:
    west, east = (each.make() for each in sides)
    for cell in (west, east):
        cell.register(limits={"files_per_hour": 1})
    assert west.accept(upload(west, "a")) == "received"
    assert east.accept(upload(east, "b")) == "received"
    assert west.accept(upload(west, "c")) == "rejected"
    assert kinds(east, "a") == [Kind.RECEIVED], "a fact of a transaction replicates like any other"


def test_without_a_quota_nothing_is_counted(west: Cell) -> None:
    dynamodb = west.client("dynamodb")
    assert west.accept(upload(west, "a")) == "received"
    found = dynamodb.scan(TableName=west.table)["Items"]
    assert "quota#" not in json.dumps(found)
