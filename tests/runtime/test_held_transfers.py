"""Held transfers: which ones are asked about, how often, and what an answer records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.sftp.partners import Partner
from runtime.contract import Kind, Outcome
from runtime.decision import Action
from runtime.executions import Executions
from runtime.facts import Status
from runtime.held_transfers import PAUSE, Asked, HeldTransfers
from runtime.release import ReleaseDecision
from runtime.transfer import Transfer
from tests.runtime.cells import CONTENT, Cell, eventually, owner
from tests.runtime.test_intake import replicate
from tests.runtime.test_takeover import declare, switch_of, today

HOLD = [{"match": "sdk/**", "to": ["partner"], "on_unknown": "hold"}]


@pytest.fixture
def east(west: Cell, sides: tuple[Cell, Cell]) -> Cell:
    east = sides[1].make()
    replicate(west, east)
    declare(west, "in")
    declare(east, "in")
    return east


@pytest.fixture
def server(west: Cell, east: Cell, partner: Partner) -> Partner:
    for cell in (west, east):
        cell.register(destinations={"partner": cell.to_server(partner)}, routes=HOLD)
    return partner


def held_transfers(cell: Cell, peer: Cell, minutes: float = 0, **instead: Any) -> HeldTransfers:
    """Return the held transfers as a newly started function sees them, some minutes from now."""
    when = datetime.now(UTC) + timedelta(minutes=minutes)
    usual = {
        "side": cell.side,
        "switch": switch_of(peer),
        "scan": cell.scan(Status.HELD),
        "executions": Executions(
            state_machine=cell.state_machine, workflow=cell.client("stepfunctions"), now=lambda: when
        ),
    }
    return HeldTransfers(**usual | instead)


def ask(cell: Cell, transfer: Transfer, number: int = 1) -> Outcome:
    """Ask about a transfer, as an execution does."""
    name = f"{transfer.id}-ask-{number}"
    given = Transfer.parse(cell.executions()[name])
    verdict = cell.workflow.claim(given, owner=name)
    assert (verdict.action, verdict.destinations) == (Action.DELIVER, ("partner",))
    cell.attempt(given, f"ask-{number}", owner=name, after_unknown=True, first=True)
    return cell.workflow.complete(given, [], owner=name)


def test_a_destination_that_has_the_file_after_all_ends_the_hold(west, east, held, server):
    assert held_transfers(west, east).run(today()) == Asked(asked=(held.id,), held=1)
    (server.inbox / "a.csv").write_bytes(CONTENT)
    assert ask(west, held) is Outcome.DELIVERED
    detail = west.fact(Kind.DELIVERED, held).detail
    assert (detail["sent"], west.status(held)) == (False, Status.DELIVERED)
    assert west.receipts_published(1)[0]["outcome"] == "delivered"
    assert held_transfers(west, east, minutes=60).run(today()) == Asked(held=0)


def test_asking_sends_nothing_and_leaves_nothing_whatever_the_route_says_now(west, east, held, server):
    destinations = west.directory.customer(west.customer).destinations
    west.register(destinations=destinations, routes=[HOLD[0] | {"on_unknown": "deliver"}])
    before = west.kinds(held)
    held_transfers(west, east).run(today())
    assert ask(west, held) is Outcome.HELD
    assert server.files() == {}
    assert west.kinds(held) == before


def test_a_destination_that_cannot_be_asked_stays_held(west, east, held, server):
    held_transfers(west, east).run(today())
    name = f"{held.id}-ask-1"
    given = Transfer.parse(west.executions()[name])
    west.workflow.claim(given, owner=name)
    refused = [{"destination": "partner", "failure": {"Error": "PermanentDeliveryError", "Cause": "no"}}]
    assert west.workflow.complete(given, refused, owner=name) is Outcome.HELD
    assert Kind.FAILED not in west.kinds(held)


def test_the_pause_between_two_questions_doubles(west, east, held):
    assert held_transfers(west, east).run(today()).asked == (held.id,)
    for number, minutes in enumerate([2, 4, 8], start=2):
        last = f"{held.id}-ask-{number - 1}"
        eventually(lambda last=last: west.its_executions.find(last).ended)
        assert held_transfers(west, east, minutes=minutes - 0.1).run(today()) == Asked(held=1)
        assert held_transfers(west, east, minutes=minutes + 0.1).run(today()).asked == (held.id,)
        assert f"{held.id}-ask-{number}" in west.executions()


def test_looks_are_minutes_apart(west, east, held):
    clock = [0.0]
    looking = held_transfers(west, east, clock=lambda: clock[0])
    looking.run(today())
    other = west.receive(b"xyz", "inbound/sdk/b.csv")
    west.workflow.claim(other, owner=owner(other))
    assert west.attempt(other, after_unknown=True) == Kind.HELD
    clock[0] = PAUSE - 1
    assert looking.run(today()) == Asked()
    clock[0] = PAUSE + 1
    assert other.id in looking.run(today()).asked


def test_the_region_that_holds_asks_and_its_peer_only_when_it_is_lost(west, east, held):
    assert held_transfers(east, west).run(today()) == Asked(held=0)
    declare(west, "lost")
    assert held_transfers(east, west).run(today()).asked == (held.id,)
    (given,) = east.executions().values()
    assert (given["bucket"], given["asks"]) == (east.bucket, True)


def test_a_newer_version_in_the_files_place_is_no_question(west, east, held):
    newer = west.receive(b"xyz", "inbound/sdk/b.csv")
    fact = newer.fact(
        Kind.HELD,
        side=west.side,
        writer="w",
        destination="partner",
        reason="newer",
        newer="20260101T000000Z-0",
    )
    west.tracker.record(fact)
    assert west.status(newer) is Status.HELD
    assert held_transfers(west, east).run(today()).asked == (held.id,)


def test_every_held_file_of_the_region_is_counted_and_only_a_whole_scan_counts(west, east, held):
    newer = west.receive(b"xyz", "inbound/sdk/b.csv")
    about = {"destination": "partner", "reason": "x", "newer": "20260101T000000Z-0"}
    west.tracker.record(newer.fact(Kind.HELD, side=west.side, writer="w", **about))
    assert held_transfers(west, east).run(today()).held == 2
    assert held_transfers(east, west).run(today()).held == 0
    assert held_transfers(west, east).run(today(), lambda: 0.0).held is None


def test_a_released_transfer_is_not_asked_about(west, east, held):
    west.release.release(held, "partner", ReleaseDecision.RESEND, who="ops", why="x")
    assert held_transfers(west, east).run(today()) == Asked(held=0)


def test_the_peers_fact_ends_the_hold(west, east, held):
    fact = held.fact(Kind.DELIVERED, side="east", writer="x", destination="partner", sha256="0", size=8)
    east.tracker.record(fact)
    eventually(lambda: west.status(held) is Status.DELIVERED)
    assert held_transfers(west, east).run(today()) == Asked(held=0)
