"""The breaker: which execution tries a failing destination, which ones wait, and what it writes."""

from __future__ import annotations

import time

import pytest
from botocore.exceptions import ClientError

from local.sftp.partners import Partner
from runtime.breaker import FAILURES, TURN, Breaker, BreakerOpenError
from runtime.contract import EAST, Kind
from runtime.delivery import PermanentDeliveryError, PlatformUnavailableError, TransientDeliveryError
from runtime.tracker import Tracker
from tests.runtime.cells import Cell, owner

ANOTHER = "inbound/sdk/b.csv"


def breaker(cell: Cell, seconds: float = 0) -> Breaker:
    """Return the cell's breakers as they are seen after a number of seconds."""
    client = cell.client("dynamodb")
    tracker = Tracker(table=cell.table, side=cell.side, client=client, now=lambda: time.time() + seconds)
    return Breaker(tracker=tracker)


def keep_failing(cell: Cell, who: str = "one") -> None:
    for _ in range(FAILURES):
        breaker(cell).failed("c", "partner", who)


def test_a_destination_without_failures_is_open_to_all(west):
    assert [breaker(west).enter("c", "partner", each) for each in ("one", "two")] == [False, False]


def test_too_few_failures_stop_nobody(west):
    for _ in range(FAILURES - 1):
        breaker(west).failed("c", "partner", "one")
    assert breaker(west).enter("c", "partner", "two") is True


def test_a_destination_that_keeps_failing_is_tried_by_one_execution_and_the_others_wait(west):
    keep_failing(west)
    assert breaker(west).enter("c", "partner", "one") is True
    with pytest.raises(BreakerOpenError, match="partner keeps failing"):
        breaker(west).enter("c", "partner", "two")
    assert breaker(west).enter("c", "other", "two") is False
    assert breaker(west).enter("d", "partner", "two") is False


def test_another_execution_tries_when_the_first_has_given_up(west):
    keep_failing(west)
    with pytest.raises(BreakerOpenError):
        breaker(west, TURN - 5).enter("c", "partner", "two")
    assert breaker(west, TURN + 5).enter("c", "partner", "two") is True
    with pytest.raises(BreakerOpenError):
        breaker(west, TURN + 6).enter("c", "partner", "three")
    with pytest.raises(BreakerOpenError):
        breaker(west, TURN + 6).enter("c", "partner", "one")


def test_a_successful_delivery_opens_the_destination_to_all(west):
    keep_failing(west)
    breaker(west).worked("c", "partner")
    assert breaker(west).enter("c", "partner", "two") is False


def test_failures_of_a_day_ago_are_forgotten(west):
    keep_failing(west)
    assert breaker(west, 24 * 3600 + 5).enter("c", "partner", "two") is False


def test_each_region_has_a_breaker_of_its_own(sides):
    west, east = (cell.make() for cell in sides)
    keep_failing(west)
    assert breaker(east).enter("c", "partner", "two") is False
    assert east.side == EAST


def test_only_the_execution_whose_turn_it_is_may_pass_it_on(west):
    keep_failing(west)
    breaker(west).leave("c", "partner", "two")
    with pytest.raises(BreakerOpenError):
        breaker(west).enter("c", "partner", "two")
    breaker(west).leave("c", "partner", "one")
    assert breaker(west).enter("c", "partner", "two") is True
    with pytest.raises(BreakerOpenError):
        breaker(west).enter("c", "partner", "one")


def test_leaving_a_destination_without_failures_writes_nothing(west):
    breaker(west).leave("c", "partner", "one")
    assert west.client("dynamodb").scan(TableName=west.table)["Items"] == []


# --- In attempts -------------------------------------------------------------------------------------


@pytest.fixture
def down(west: Cell, partner: Partner) -> Partner:
    """A partner's server that refuses connections; one file has tried it."""
    west.register(destinations={"partner": west.to_server(partner)})
    partner.faults.refuse()
    transfer = claimed(west)
    for number in range(FAILURES):
        with pytest.raises(TransientDeliveryError):
            west.attempt(transfer, str(number))
    return partner


def claimed(cell: Cell, key: str = "inbound/sdk/a.csv"):
    transfer = cell.receive(b"abc", key)
    cell.workflow.claim(transfer, owner=owner(transfer))
    return transfer


def test_while_one_file_tries_the_others_wait_and_then_all_are_delivered(west, down):
    other = claimed(west, ANOTHER)
    with pytest.raises(BreakerOpenError):
        west.attempt(other)
    first = west.received("inbound/sdk/a.csv")
    with pytest.raises(TransientDeliveryError):
        west.attempt(first, "again")  # it goes on trying
    down.faults.clear()
    with pytest.raises(BreakerOpenError):
        west.attempt(other)
    assert west.attempt(first, "last") == Kind.DELIVERED
    assert west.attempt(other) == Kind.DELIVERED
    assert set(down.files()) == {"a.csv", "b.csv"}


def given_up(cell: Cell, first, down: Partner) -> None:
    cause = {"Error": "TransientDeliveryError", "Cause": "refused"}
    results = [{"destination": "partner", "failure": cause}]
    assert cell.workflow.complete(first, results, owner=owner(first)) == "failed"


def settled_by_the_peer(cell: Cell, first, down: Partner) -> None:
    fact = first.fact(Kind.DELIVERED, side="east", writer="x", destination="partner", sha256="", size=3)
    cell.tracker.record(fact)
    assert cell.attempt(first, "again") == Kind.DELIVERED


def refused_for_good(cell: Cell, first, down: Partner) -> None:
    down.faults.clear()
    down.faults.wrong_host_key()
    with pytest.raises(PermanentDeliveryError):
        cell.attempt(first, "again")


@pytest.mark.parametrize("ends", [given_up, settled_by_the_peer, refused_for_good])
def test_the_next_file_tries_at_once_when_the_first_tries_no_more(west, down, ends):
    first, other = west.received("inbound/sdk/a.csv"), claimed(west, ANOTHER)
    ends(west, first, down)
    down.faults.clear()
    assert west.attempt(other) == Kind.DELIVERED


def test_failures_of_the_source_are_not_the_destinations(west, partner):
    west.register(destinations={"partner": west.to_server(partner)})
    transfer = claimed(west)

    class Slow:
        """S3, which gives no object."""

        def __getattr__(self, name):
            return self.refuse if name == "get_object" else getattr(west.client("s3"), name)

        def refuse(self, **request):
            if request["Bucket"] != west.bucket:
                return west.client("s3").get_object(**request)
            raise ClientError({"Error": {"Code": "SlowDown", "Message": "x"}}, "GetObject")

    for number in range(FAILURES):
        with pytest.raises(PlatformUnavailableError, match="SlowDown"):
            west.with_client("s3", Slow()).attempt(transfer, str(number))
    assert west.attempt(claimed(west, ANOTHER)) == Kind.DELIVERED


def test_a_successful_delivery_writes_nothing_about_the_breaker(west):
    transfer = claimed(west)
    assert west.attempt(transfer) == Kind.DELIVERED
    items = west.client("dynamodb").scan(TableName=west.table)["Items"]
    assert not [item for item in items if item["file"]["S"].startswith("breaker")]
