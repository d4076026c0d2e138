"""Fair shares: who may deliver, who waits, and what becomes of the slot of an attempt that died."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from runtime.breaker import FAILURES, Breaker
from runtime.contract import EAST, TRACKER_PK, Kind
from runtime.delivery import PermanentDeliveryError, PlatformUnavailableError, TransientDeliveryError
from runtime.shares import OF_CUSTOMER, OF_DESTINATION, ShareInUseError, Shares
from runtime.timing import ATTEMPT_SECONDS
from runtime.tracker import Tracker
from runtime.transfer import Transfer
from tests.runtime.cells import Cell, owner


def shares(cell: Cell, seconds: float = 0, *, of_customer: int = 3, of_destination: int = 2) -> Shares:
    """Return the cell's shares, small ones, as they are seen after a number of seconds."""
    client = cell.client("dynamodb")
    tracker = Tracker(table=cell.table, side=cell.side, client=client, now=lambda: time.time() + seconds)
    return Shares(tracker=tracker, of_customer=of_customer, of_destination=of_destination)


def test_a_destination_has_a_part_of_its_customers_share(west):
    mine = west.customer
    slots = [shares(west).take(mine, "partner", each) for each in ("one", "two")]
    with pytest.raises(ShareInUseError, match="partner"):
        shares(west).take(mine, "partner", "three")
    slots.append(shares(west).take(mine, "other", "four"))
    assert sorted(slots) == [0, 1, 2]
    with pytest.raises(ShareInUseError):
        shares(west).take(mine, "third", "five")


def test_another_customer_and_the_other_region_have_shares_of_their_own(west, east):
    for attempt in ("one", "two"):
        shares(west).take(west.customer, "partner", attempt)
    shares(west).take(f"{west.customer}-other", "partner", "three")
    assert east.side == EAST
    shares(east).take(east.customer, "partner", "four")


def test_a_slot_that_is_given_back_is_free(west):
    slot = shares(west).take(west.customer, "partner", "one")
    shares(west).take(west.customer, "partner", "two")
    shares(west).leave(west.customer, slot, "one")
    assert shares(west).take(west.customer, "partner", "three") == slot
    shares(west).leave(west.customer, slot, "one")  # it comes late, and the slot is another's
    with pytest.raises(ShareInUseError):
        shares(west).take(west.customer, "partner", "four")


def test_the_slot_of_an_attempt_that_died_is_free_when_its_function_has_ended(west):
    for attempt in ("one", "two"):
        shares(west).take(west.customer, "partner", attempt)
    with pytest.raises(ShareInUseError):
        shares(west, ATTEMPT_SECONDS - 5).take(west.customer, "partner", "three")
    shares(west, ATTEMPT_SECONDS + 5).take(west.customer, "partner", "three")


def test_of_two_that_want_the_last_slot_one_gets_it(west):
    """The other has read that the slot is free, and finds it taken."""
    late = shares(west, of_customer=1)
    seen = late._used(west.customer)
    shares(west, of_customer=1).take(west.customer, "partner", "one")
    late._used = lambda customer: seen  # type: ignore[method-assign]
    with pytest.raises(ShareInUseError):
        late.take(west.customer, "partner", "two")


class Unheard:
    """DynamoDB for an attempt that does not hear the answer to the first write of a slot.

    The SDK repeats the write, as it does by itself, or gives up.
    """

    def __init__(self, cell: Cell, *, repeats: bool) -> None:
        self._real, self._repeats, self._is_first = cell.client("dynamodb"), repeats, True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def update_item(self, **request: Any) -> Any:
        answer = self._real.update_item(**request)
        if not (self._is_first and request["Key"][TRACKER_PK]["S"].startswith("share#")):
            return answer
        self._is_first = False
        if not self._repeats:
            raise ReadTimeoutError(endpoint_url="dynamodb")
        return self._real.update_item(**request)


def test_an_attempt_whose_write_the_sdk_repeats_has_one_slot(west):
    one = Tracker(table=west.table, side=west.side, client=Unheard(west, repeats=True))
    slot = Shares(tracker=one, of_customer=3, of_destination=3).take(west.customer, "partner", "one")
    assert list(shares(west)._used(west.customer)) == [slot]


def test_an_attempt_that_gets_no_answer_gives_back_what_it_may_have_taken(west):
    transfer = claimed(west)
    with pytest.raises(PlatformUnavailableError):
        west.with_client("dynamodb", Unheard(west, repeats=False)).attempt(transfer)
    assert shares(west)._used(west.customer) == {}
    assert west.at_partner() is None
    assert west.attempt(transfer, "2") == Kind.DELIVERED


def claimed(cell: Cell) -> Transfer:
    transfer = cell.receive(b"abc")
    cell.workflow.claim(transfer, owner=owner(transfer))
    return transfer


def fill(cell: Cell, destination: str = "partner") -> Shares:
    """Let attempts of other files have the whole share of a destination."""
    usual = shares(cell, of_customer=OF_CUSTOMER, of_destination=OF_DESTINATION)
    for number in range(OF_DESTINATION):
        usual.take(cell.customer, destination, f"other-{number}")
    return usual


def test_a_file_without_a_slot_sends_nothing_and_is_delivered_when_there_is_one(west):
    usual = fill(west)
    transfer = claimed(west)
    with pytest.raises(ShareInUseError):
        west.attempt(transfer)
    assert west.at_partner() is None
    for slot in range(OF_CUSTOMER):
        usual.leave(west.customer, slot, "other-7")
    assert west.attempt(transfer) == Kind.DELIVERED


@pytest.mark.parametrize("error", [TransientDeliveryError, PermanentDeliveryError])
def test_an_attempt_that_fails_gives_its_slot_back(west, error, monkeypatch):
    transfer = claimed(west)

    def fail(*given, **how):
        raise error("partner", "write", "no")

    monkeypatch.setattr("runtime.destinations.s3.deliver", fail)
    with pytest.raises(error):
        west.attempt(transfer)
    assert shares(west)._used(west.customer) == {}


def test_a_file_without_a_slot_leaves_a_failing_destination_to_another_file(west):
    fill(west)
    transfer = claimed(west)
    tracker = Tracker(table=west.table, side=west.side, client=west.client("dynamodb"))
    breaker = Breaker(tracker=tracker)
    for _ in range(FAILURES):
        breaker.failed(west.customer, "partner", owner(transfer))
    with pytest.raises(ShareInUseError):
        west.attempt(transfer)
    assert breaker.enter(west.customer, "partner", "another") is True


def test_a_slot_that_cannot_be_given_back_does_not_undo_a_delivery(west):
    """It is free again when its time is over."""
    transfer = claimed(west)

    class NoWay:
        def __getattr__(self, name):
            return getattr(west.client("dynamodb"), name)

        def update_item(self, **request):
            if "#until = :none" in request["UpdateExpression"]:
                raise ClientError({"Error": {"Code": "InternalServerError"}}, "UpdateItem")
            return west.client("dynamodb").update_item(**request)

    assert west.with_client("dynamodb", NoWay()).attempt(transfer) == Kind.DELIVERED
    assert list(shares(west)._used(west.customer).values()) == ["partner"]
