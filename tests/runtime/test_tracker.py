"""The tracker in an emulated global table: lasting facts, a lease with one holder, two regions."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from local.aws.emulator import Emulator
from runtime.contract import EAST, REGION_OF, WEST, Kind
from runtime.facts import Fact
from runtime.history import History, Lease
from runtime.tracker import Tracker
from tests.runtime.cells import Cell, eventually

FIRST, SECOND = "20260102T030405Z-0000000000000000000a", "20260103T030405Z-0000000000000000000b"
FAR = 4_000_000_000


def fact(**instead: object) -> Fact:
    usual = {
        "file": "file-1",
        "transfer": FIRST,
        "kind": Kind.RECEIVED,
        "customer": "c7k2m",
        "key": "inbound/sdk/ä b#c.csv",
        "side": WEST,
        "writer": "ingest",
        "at": "2026-01-02T03:04:05.678+00:00",
        "expires": FAR,
        "detail": {"size": 5 * 1024**4, "destinations": ["a", "b"], "sent": True, "deep": {"n": [1, 2]}},
    }
    return Fact(**usual | instead)


def lease(owner: str, until: float, transfer: str = FIRST) -> Lease:
    return Lease(owner=owner, transfer=transfer, until=int(until))


def at(cell: Cell, now: float) -> Tracker:
    """Return the cell's tracker at another time of day."""
    return Tracker(table=cell.table, side=cell.side, client=cell.client("dynamodb"), now=lambda: now)


# --- Facts ---------------------------------------------------------------------------------------


def test_a_fact_comes_back_as_it_was_written(west):
    assert west.tracker.record(fact())
    (found,) = west.tracker.newest("file-1").facts
    assert found == fact()
    assert {type(found.detail["size"]), type(found.detail["deep"]["n"][0]), type(found.expires)} == {int}
    assert found.detail["sent"] is True


def test_a_fact_is_written_once_and_its_first_content_stays(west):
    assert west.tracker.record(fact())
    assert not west.tracker.record(
        fact(at="2026-01-02T09:00:00.000+00:00", detail={"size": 1}, expires=FAR + 1)
    )
    assert west.tracker.newest("file-1").facts == (fact(),)


@pytest.mark.parametrize(
    "other",
    [
        {"transfer": SECOND},
        {"kind": Kind.CONFLICT},
        {"destination": "a"},
        {"side": EAST},
        {"writer": "somebody else"},
    ],
)
def test_facts_with_different_keys_stand_side_by_side(west, other):
    assert west.tracker.record(fact())
    assert west.tracker.record(fact(**other))
    both = sorted((fact(), fact(**other)), key=lambda each: each.sort_key)
    assert list(west.tracker.newest("file-1").facts) == both


def test_history_is_of_one_file_and_oldest_transfer_first(west):
    for each in (fact(transfer=SECOND), fact(), fact(file="file-2")):
        west.tracker.record(each)
    assert [each.transfer for each in west.tracker.newest("file-1").facts] == [FIRST, SECOND]
    assert west.tracker.newest("nothing").facts == ()


def test_a_history_of_more_than_one_page_is_whole(west):
    """DynamoDB answers with a megabyte at most."""
    for number in range(6):
        west.tracker.record(fact(writer=str(number), detail={"reason": "x" * 250_000}))
    assert len(west.tracker.newest("file-1").facts) == 6


def test_expired_facts_are_gone_before_the_table_deletes_them(west):
    west.tracker.record(fact(expires=1000))
    west.tracker.claim("file-1", lease("x", 2000), seen=None, seen_ended=False, expires=1000)
    before, after = at(west, 999), at(west, 1000)
    assert before.newest("file-1") == History(facts=(fact(expires=1000),), lease=lease("x", 2000))
    assert after.newest("file-1") == History(facts=(), lease=None)
    assert list(before.day("c7k2m", "2026-01-02")) == [fact(expires=1000)]
    assert list(after.day("c7k2m", "2026-01-02")) == []


def test_the_index_lists_a_customers_day_by_submission(west):
    today = [fact(), fact(file="file-2", kind=Kind.DELIVERED, destination="a")]
    late = fact(file="file-3", at="2026-01-09T00:00:00.000+00:00")  # written days after it was submitted
    for each in (*today, late, fact(transfer=SECOND), fact(customer="other")):
        west.tracker.record(each)
    west.tracker.claim("file-1", lease("x", FAR), seen=None, seen_ended=False, expires=FAR)
    found = sorted(west.tracker.day("c7k2m", "2026-01-02"), key=lambda each: each.file)
    assert found == [*today, late]
    assert list(west.tracker.day("c7k2m", "2026-01-04")) == []


def test_each_region_sees_what_the_other_wrote(west, east):
    assert west.tracker.record(fact())
    assert east.tracker.record(fact(side=EAST))
    for tracker in (west.tracker, east.tracker):
        eventually(lambda tracker=tracker: len(tracker.newest("file-1").facts) == 2)
        eventually(lambda tracker=tracker: len(list(tracker.day("c7k2m", "2026-01-02"))) == 2)


# --- The lease -----------------------------------------------------------------------------------


def claim(tracker: Tracker, owner: str, *, until: float = 2000, ended: bool = False, **how: object) -> bool:
    """Take the lease as the workflow does: read it, then claim it."""
    seen = tracker.newest("file-1").lease
    return tracker.claim("file-1", lease(owner, until, **how), seen=seen, seen_ended=ended, expires=FAR)


def test_the_first_taker_has_the_lease_and_the_second_has_not(west):
    tracker = at(west, 1000)
    assert claim(tracker, "one")
    assert not claim(tracker, "two")
    assert tracker.newest("file-1").lease == lease("one", 2000)


def test_the_owner_renews_a_lease_even_when_it_has_run_out(west):
    assert claim(at(west, 1000), "one", until=2000)
    assert claim(at(west, 1500), "one", until=2500)
    assert claim(at(west, 9000), "one", until=9900)
    assert at(west, 9000).newest("file-1").lease == lease("one", 9900)


@pytest.mark.parametrize(("now", "is_taken"), [(1999, False), (2000, False), (2001, True)])
def test_another_owner_takes_over_a_lease_that_has_run_out(west, now, is_taken):
    claim(at(west, 1000), "one", until=2000)
    assert claim(at(west, now), "two", until=3000, transfer=SECOND) is is_taken
    held = at(west, now).newest("file-1").lease
    assert held == (lease("two", 3000, SECOND) if is_taken else lease("one", 2000))


def test_another_owner_takes_over_a_lease_whose_transfer_has_ended(west):
    tracker = at(west, 1000)
    claim(tracker, "one")
    assert claim(tracker, "two", ended=True, transfer=SECOND)
    assert tracker.newest("file-1").lease == lease("two", 2000, SECOND)


def test_a_lease_that_changed_hands_since_it_was_seen_is_not_taken(west):
    tracker = at(west, 1000)
    claim(tracker, "one")
    seen = tracker.newest("file-1").lease
    assert claim(tracker, "two", ended=True)
    wanted = lease("three", 2000)
    assert not tracker.claim("file-1", wanted, seen=seen, seen_ended=True, expires=FAR)
    assert tracker.newest("file-1").lease == lease("two", 2000)


def test_nobody_takes_a_lease_that_appeared_since_none_was_seen(west):
    tracker = at(west, 1000)
    claim(tracker, "one")
    assert not tracker.claim("file-1", lease("two", 2000), seen=None, seen_ended=False, expires=FAR)


def test_the_lease_of_a_region_binds_that_region(west, east):
    assert claim(at(west, 1000), "one")
    eventually(lambda: "CLAIM#west" in keys(east))
    assert east.tracker.newest("file-1").lease is None
    assert claim(at(east, 1000), "two")
    assert at(west, 1000).newest("file-1").lease == lease("one", 2000)


def keys(cell: Cell) -> set[str]:
    """Return all sort keys in the region's replica."""
    items = cell.client("dynamodb").scan(TableName=cell.table)["Items"]
    return {item["fact"]["S"] for item in items}


def test_a_lease_is_no_fact(west, east):
    claim(at(west, 1000), "one")
    claim(at(east, 1000), "two")
    for cell in (west, east):
        eventually(lambda cell=cell: keys(cell) == {"CLAIM#west", "CLAIM#east"})
        assert cell.tracker.newest("file-1").facts == ()


@pytest.mark.parametrize("state", ["free", "run out", "ended"])
def test_of_two_that_race_for_a_lease_one_wins(aws: Emulator, west, state):
    """Both have seen the same lease, or none; their requests are sent at once, over separate connections."""
    rounds, files = 12, [f"file-{number}" for number in range(12)]
    if state != "free":
        for file in files:
            until = time.time() + (-5 if state == "run out" else 1000)
            west.tracker.claim(file, lease("before", until), seen=None, seen_ended=False, expires=FAR)
    barrier = Barrier(2)

    def race(owner: str) -> list[bool]:
        client = aws.new_client("dynamodb", REGION_OF[WEST])
        tracker, won = Tracker(table=west.table, side=WEST, client=client), []
        for file in files:
            seen = tracker.newest(file).lease
            barrier.wait(10)
            wanted = lease(owner, time.time() + 1000)
            won.append(tracker.claim(file, wanted, seen=seen, seen_ended=state == "ended", expires=FAR))
            barrier.wait(10)
        client.close()
        return won

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(race, ("one", "two"))
    assert [sum(pair) for pair in zip(one, two, strict=True)] == [1] * rounds
    holders = [west.tracker.newest(file).lease.owner for file in files]
    assert holders == ["one" if first else "two" for first in one]
