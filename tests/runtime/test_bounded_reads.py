"""What a transfer of a busy name reads: it does not depend on how many submissions there were before.

The tables are in memory (tests/bench/long_feed.py); buckets, receipts and executions are those of the
emulated AWS. The bench measures the same at 500,000 submissions (tests/bench/bench_history.py).
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from runtime import contract
from runtime.contract import Kind, Outcome
from runtime.decision import Action
from runtime.history import History
from runtime.tracker import Tracker
from runtime.transfer import Transfer
from runtime.workflow import Leases
from tests.bench.long_feed import LongFeed, Submissions
from tests.runtime.cells import Cell, owner

KEY = "inbound/sdk/feed.csv"
DAY = timedelta(days=1)
FAR = int(time.time()) + 86400


def tracker_of(feed: LongFeed) -> Tracker:
    return Tracker(table="t", side=contract.WEST, client=feed)


def busy(cell: Cell, count: int) -> tuple[Cell, LongFeed]:
    """Return a cell whose tracker has so many earlier submissions of KEY, one a minute, and its table."""
    feed = LongFeed(Submissions(cell.customer, KEY, count, expires=FAR))
    return cell.with_client("dynamodb", feed), feed


def carry(cell: Cell) -> None:
    """Take a file in, deliver it, send the receipt and archive it."""
    transfer = cell.receive(b"abc", KEY)
    assert cell.workflow.claim(transfer, owner=owner(transfer)).action is Action.DELIVER
    assert cell.attempt(transfer) == Kind.DELIVERED
    outcome = cell.workflow.complete(transfer, [{"destination": "partner"}], owner=owner(transfer))
    assert outcome is Outcome.DELIVERED
    cell.archive.store(transfer, owner=owner(transfer))
    cell.receipts_published(1)


@pytest.mark.parametrize("policy", ["content", "version"])
def test_a_transfer_reads_as_much_after_2000_submissions_as_after_10(west, policy):
    west.register(duplicates={"policy": policy, "window_seconds": 7 * 86400})
    read = []
    for count in (10, 2000):
        cell, feed = busy(west, count)
        carry(cell)
        read.append((feed.requests, feed.units))
    few, many = read
    assert few[0] == many[0]
    assert few[1] == pytest.approx(many[1], abs=2), "a page boundary may fall elsewhere"
    assert many[0]["Query"] <= 10


@pytest.mark.parametrize("age", [0, 1, 300, 1000])
def test_the_decision_about_an_old_submission_reads_a_stretch_around_it(west, age):
    """And it sees what matters: what the destination had received before, and that it has a newer one."""
    _, feed = busy(west, 2000)
    before = feed.before
    transfer = before.transfer(1999 - age)
    history = tracker_of(feed).history(before.file, transfer, destinations=("partner",), window=7 * DAY)
    seen = sorted({fact.transfer for fact in history.facts})
    assert transfer in seen
    assert (seen[-1] > transfer) is (age > 0)
    assert before.transfer(1999 - age - 1) in seen
    assert len(seen) < 30
    assert feed.requests["Query"] <= 4


def test_what_was_delivered_out_of_order_is_seen_until_something_is_delivered_after_it(west):
    """An operator has replayed an old file: the destination holds it, far from the newest submissions."""
    _, feed = busy(west, 500)
    tracker, leases, file = tracker_of(feed), Leases(tracker=tracker_of(feed)), feed.before.file
    old, minute = feed.before.transfer(20), timedelta(minutes=1)

    def submission(number: int) -> Transfer:
        name = contract.transfer_id(file, f"new{number}", datetime.now(UTC) + number * minute)
        about = {"bucket": "b", "version_id": "v", "size": 3, "etag": "e", "destinations": ("partner",)}
        return Transfer(id=name, file=file, customer="c1", key=KEY, expires=FAR, **about)

    def seen(transfer: Transfer) -> History:
        return tracker.history(file, transfer.id, destinations=("partner",), window=7 * DAY)

    def take(transfer: Transfer) -> History:
        assert leases.take(transfer, transfer.id, seen(transfer))
        return seen(transfer)

    def settle(transfer: Transfer, kind: Kind) -> None:
        received = {"size": 3, "destinations": ["partner"], "version_id": "v"}
        tracker.record(transfer.fact(Kind.RECEIVED, side=contract.WEST, writer="ingest", **received))
        about = {"sha256": "1", "size": 3, "path": "p", "reason": "refused"}
        tracker.record(transfer.fact(kind, side=contract.WEST, writer="x", destination="partner", **about))

    replayed = replace(submission(0), id=old)
    take(replayed)
    again = replayed.fact(Kind.DELIVERED, side=contract.WEST, writer="replay", destination="partner")
    tracker.record(replace(again, detail={"sha256": "0", "size": 3, "path": "p"}))
    first, second, third, fourth = (submission(number) for number in range(1, 5))
    assert old in {fact.transfer for fact in seen(first).facts}
    assert take(first).lease.late == (old,)
    settle(first, Kind.FAILED)
    assert take(second).lease.late == (old,)
    assert old in {fact.transfer for fact in seen(second).facts}
    settle(second, Kind.DELIVERED)
    assert take(third).lease.late == ()
    settle(third, Kind.DELIVERED)
    assert old not in {fact.transfer for fact in take(fourth).facts}


def test_a_duplicate_shows_what_it_was_a_duplicate_of(west):
    """The same file is sent every minute: what was delivered long ago is what each is compared with."""
    _, feed = busy(west, 40)
    tracker, file = tracker_of(feed), feed.before.file
    now = datetime.now(UTC)
    for number in range(60):
        name = contract.transfer_id(file, f"new{number}", now + timedelta(minutes=number))
        about = {"bucket": "b", "version_id": "v", "size": 3, "etag": "e", "destinations": ("partner",)}
        transfer = Transfer(id=name, file=file, customer="c1", key=KEY, expires=FAR, **about)
        spared = {"destination": "partner", "of": feed.before.transfer(39)}
        tracker.record(transfer.fact(Kind.DUPLICATE, side=contract.WEST, writer="x", **spared))
    history = tracker.history(file, name, destinations=("partner",), window=7 * DAY)
    assert feed.before.transfer(39) in {fact.transfer for fact in history.facts}
    assert len({fact.transfer for fact in history.facts}) < 20


def test_the_facts_of_all_transfers_in_a_history_are_whole(west):
    _, feed = busy(west, 300)
    tracker = tracker_of(feed)
    for number in (299, 298, 200, 3, 0):
        history = tracker.history(
            feed.before.file, feed.before.transfer(number), destinations=("partner",), window=7 * DAY
        )
        for transfer in {fact.transfer for fact in history.facts}:
            assert [fact.kind for fact in history.of(transfer)] == list(Submissions.KINDS)
