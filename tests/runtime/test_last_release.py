"""The last release and this one read each other's documents.

`last_release.json` was recorded by running revision 3332f13: one file through ingest, claim, delivery,
archive, receipt and audit, with the events of each step as its state machine makes them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mft_client.submissions import Submissions
from runtime import chain
from runtime.arrival import arrival
from runtime.contract import TRACKER_PK, Kind, Outcome
from runtime.decision import Action, Decision
from runtime.facts import Status, status
from runtime.routing import RoutingDocument, compares
from runtime.tracker import Tracker
from runtime.transfer import Transfer
from tests.runtime.cells import Cell, owner
from tests.runtime.test_audit_export import audit_of, bucket_of, make_bucket
from tests.runtime.test_handlers import ATTEMPTS, STATES, functions

__all__ = ["functions"]  # a fixture

LAST = json.loads((Path(__file__).parent / "last_release.json").read_text())


def before_it_expires(cell: Cell) -> Tracker:
    """Return the cell's tracker at a time at which the recorded facts have not expired."""
    now = datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp
    return Tracker(table=cell.table, side=cell.side, client=cell.client("dynamodb"), now=now)


@pytest.fixture
def recorded(sides: tuple[Cell, Cell]) -> Cell:
    """West, whose tracker has the items that the last release wrote."""
    west = sides[0].make()
    for item in LAST["items"]:
        west.client("dynamodb").put_item(TableName=west.table, Item=item)
    west.tracker = before_it_expires(west)
    return west


# --- What the last release wrote -----------------------------------------------------------------


def test_the_facts_and_the_lease_of_the_last_release_are_read(recorded):
    history = recorded.tracker.newest(LAST["input"]["file"])
    assert {fact.kind for fact in history.facts} == {
        Kind.RECEIVED,
        Kind.DELIVERED,
        Kind.ARCHIVED,
        Kind.RECEIPT,
    }
    assert status(history.facts) is Status.DELIVERED
    assert (history.lease.owner, history.lease.transfer) == (LAST["execution"], LAST["input"]["id"])
    assert not any(fact.extra for fact in history.facts)
    day = list(recorded.tracker.day("c001", "2026-11-30"))
    assert sorted(day, key=repr) == sorted(history.facts, key=repr)


def test_an_execution_of_the_last_release_is_claimed_by_todays_code(recorded):
    transfer = Transfer.parse(LAST["input"])
    assert transfer.document() == LAST["input"]
    mine = replace(transfer, customer=recorded.customer)
    assert recorded.workflow.claim(mine, owner=LAST["execution"]) == Decision(action=Action.DONE, thawed=True)


def test_the_link_the_routing_document_the_event_and_the_receipt_are_read():
    link = chain.whole(LAST["link"].encode())
    assert link.render().decode() == LAST["link"]
    assert {fact["kind"] for fact in link.facts} == {"RECEIVED", "DELIVERED", "ARCHIVED", "RECEIPT"}
    customer = RoutingDocument.parse(LAST["routing"])
    route = customer.route("inbound/sdk/a.csv")
    assert (compares(customer.policy), route.to, route.holds) == (True, ("partner",), False)
    arrived = arrival(LAST["event"])
    assert (arrived.key, arrived.version_id) == (LAST["input"]["key"], LAST["input"]["version_id"])
    client = Submissions("c001")
    client.receive(LAST["receipt"], datetime.now(UTC))
    assert client.outcome(LAST["input"]["version_id"]) == Outcome.DELIVERED


def test_the_events_of_the_last_releases_executions_are_taken_by_todays_handlers(west, functions):
    about = west.receive(b"abc")
    answers = {}
    for each in LAST["events"]:
        event = {**each["event"], "execution": owner(about), "transfer": about.document()}
        if each["step"] != "compare":  # there is nothing to compare with
            answers[each["step"]] = functions.call(each["step"], event)
    assert answers["claim"]["destinations"] == ["partner"]
    assert answers["deliver"] == {"destination": "partner", "outcome": "DELIVERED"}
    assert answers["complete"] == {"outcome": "delivered"}


# --- What the last release reads -----------------------------------------------------------------


def form(value: Any) -> Any:
    """Return the fields of a document with the types of their values."""
    if isinstance(value, dict):
        return {name: form(inner) for name, inner in value.items()}
    return type(value).__name__


def lacking(written: Any, wanted: Any, at: str = "") -> list[str]:
    """Return the fields of the last release that today's document lacks or has of another type."""
    if isinstance(wanted, dict) and isinstance(written, dict):
        names = [(name, f"{at}.{name}") for name in wanted]
        missing = [path for name, path in names if name not in written]
        return missing + [
            each
            for name, path in names
            if name in written
            for each in lacking(written[name], wanted[name], path)
        ]
    return [] if form(written) == form(wanted) else [at]


def test_the_last_release_can_read_what_todays_code_writes(west):
    make_bucket(west)
    about = west.receive(b"abc")
    answer = json.loads(json.dumps(asdict(west.workflow.claim(about, owner=owner(about)))))
    west.attempt(about)
    west.workflow.complete(about, [], owner=owner(about))
    west.archive.store(about, owner=owner(about))
    assert lacking(answer, LAST["claim"]) == []
    (document,) = west.executions().values()
    assert form(document) == form(LAST["input"])  # its parser takes no other fields
    (receipt,) = west.receipts_published(1)
    assert lacking(receipt, LAST["receipt"]) == []

    def by_kind(items: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        # Its history of a file reads no slot of a share and no intent, which have keys of their own.
        kept = [item for item in items if not item[TRACKER_PK]["S"].startswith(("share#", "intent#"))]
        return {item["kind"]["S"] if "kind" in item else "CLAIM": item for item in kept}

    items = by_kind(west.client("dynamodb").scan(TableName=west.table)["Items"])
    for kind, item in by_kind(LAST["items"]).items():
        assert lacking(items[kind], item) == [], kind
    assert set(items) <= set(LAST["kinds"])

    audit_of(west, datetime.now(UTC)).run()
    s3 = west.client("s3")
    text = s3.get_object(Bucket=bucket_of(west), Key=chain.key(west.customer, 1))["Body"].read().decode()
    for mine, theirs in zip(text.splitlines(), LAST["link"].splitlines(), strict=True):
        assert set(json.loads(mine)) == set(json.loads(theirs))  # its reader takes no other fields


def test_the_last_release_knows_every_kind_and_outcome_that_todays_code_writes():
    assert set(Kind) <= set(LAST["kinds"])
    assert set(Outcome) <= set(LAST["outcomes"])


def test_todays_executions_give_the_last_releases_functions_every_field():
    events: dict[str, set[str]] = {}
    for each in LAST["events"]:
        events.setdefault(each["step"], set()).update(each["event"])
    for state in (*STATES.values(), *ATTEMPTS.values()):
        if state["Type"] == "Task":
            parameters = state["Parameters"]
            given = {name.removesuffix(".$") for name in parameters["Payload"]}
            assert given >= events[parameters["FunctionName"]]
