"""How much the files of one customer delay another's, when the second sends in the middle of a burst.

All times are virtual, so neither the machine nor its load makes a difference.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from statistics import mean
from typing import Any

import pytest

from components.statemachine import WAIT_FOR_ROOM
from customers.concurrency import DELIVERIES, INGEST_BATCHES
from local.aws.emulator import Emulator
from local.aws.ministack.states import retry_delay
from runtime.deliverer import Deliverer
from runtime.shares import OF_CUSTOMER, OF_DESTINATION, ShareInUseError, Shares
from tests.runtime.cells import NAMESPACE, Cell, owner, sides_of_a_customer
from tests.simulation.clock import Clock

#: Seconds for which an event occupies the intake, a file that looks for a slot the function, and a delivery
#: both.
EVENT, LOOK, DELIVERY = 0.15, 0.1, 30.0


def seconds_until_through(
    customer: str,
    files: dict[str, int],
    *,
    cap: int,
    work: Callable[[str, int, Clock], None],
    seed: int = 1,
) -> float:
    """Begin all files at once and return when the last one of a customer has ended.

    Of the files, `cap` run at a time; the others are throttled and wait as the state machine does. So does a
    file whose `work`, which gets its customer and number, raises ShareInUseError.
    """
    clock, running, ended = Clock(seed, 0.0), 0, Counter[str]()
    random.seed(seed)

    def carry(name: str, number: int) -> None:
        nonlocal running
        for count in itertools.count():
            if running < cap:
                running += 1
                try:
                    clock.sleep(LOOK)
                    work(name, number, clock)
                    ended[name] += 1
                    return
                except ShareInUseError:
                    pass
                finally:
                    running -= 1
            clock.sleep(retry_delay(WAIT_FOR_ROOM, min(count, 40)))

    def failed(name: str, error: BaseException) -> None:
        raise AssertionError(name) from error

    clock.uncaught = failed
    for name in files:
        for number in range(files[name]):
            clock.spawn(f"{name}-{number}", partial(carry, name, number))
    while ended[customer] < files[customer]:
        assert clock.next is not None
        clock.run(clock.next)
    through = clock.now
    clock.end()
    return through


def test_a_burst_does_not_delay_another_customers_files(west: Cell) -> None:
    """Each has slots of its own, so the second takes as long as alone, but for the luck of its waits."""
    shares = Shares(tracker=west.tracker, of_customer=3, of_destination=3)

    def work(customer: str, number: int, clock: Clock) -> None:
        attempt = f"{customer}-{number}"
        slot = shares.take(customer, "partner", attempt)
        try:
            clock.sleep(DELIVERY)
        finally:
            shares.leave(customer, slot, attempt)

    alone = seconds_until_through("little", {"little": 6}, cap=24, work=work)
    beside = seconds_until_through("little", {"much": 30, "little": 6}, cap=24, work=work)
    assert beside < 1.25 * alone


class SlowS3:
    """A client of S3 whose copies, which are the deliveries to a bucket, take DELIVERY seconds."""

    def __init__(self, client: Any, clock: Clock) -> None:
        self._client, self._clock = client, clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def copy_object(self, **request: Any) -> Any:
        self._clock.sleep(DELIVERY)
        return self._client.copy_object(**request)


def seconds_of_real_deliveries(aws: Emulator, files: dict[str, int]) -> float:
    """Return when the last file of `little` is delivered; everything but the time is real."""
    cells = {name: sides_of_a_customer(aws)[0].make() for name in files}
    transfers = {}
    for name, cell in cells.items():
        for number in range(files[name]):
            key = f"inbound/sdk/{number}.csv"
            assert cell.accept(cell.upload(b"abc", key)) == "received"
            transfer = cell.received(key)  # executions are not asked for: there are too many for the rate
            cell.workflow.claim(transfer, owner=owner(transfer))
            transfers[name, number] = transfer

    def work(name: str, number: int, clock: Clock) -> None:
        cell, transfer = cells[name], transfers[name, number]
        deliverer = Deliverer(
            namespace=NAMESPACE,
            side=cell.side,
            tracker=cell.tracker,
            directory=cell.directory,
            s3=lambda region: cell.client("s3"),
            s3_once=lambda region: SlowS3(cell.client("s3"), clock),
            secrets=cell.client("secretsmanager"),
        )
        became = deliverer.attempt(
            transfer, "partner", owner=owner(transfer), attempt=f"{name}-{number}", after_unknown=False
        )
        assert became == "DELIVERED"

    return seconds_until_through("little", files, cap=DELIVERIES, work=work)


@pytest.mark.exhaustive
def test_twenty_files_beside_three_hundred_of_another_customer_take_as_long_as_alone(aws: Emulator) -> None:
    alone = seconds_of_real_deliveries(aws, {"little": 20})
    beside = seconds_of_real_deliveries(aws, {"much": 300, "little": 20})
    assert beside < 1.1 * alone


@pytest.mark.exhaustive
def test_twenty_files_that_wait_for_three_slots_of_their_own_take_as_long_as_alone() -> None:
    """On average over the luck of the waits."""

    def taken(files: dict[str, int], seed: int) -> float:
        used: Counter[str] = Counter()

        def work(customer: str, number: int, clock: Clock) -> None:
            if used[customer] == 3:
                raise ShareInUseError
            used[customer] += 1
            clock.sleep(DELIVERY)
            used[customer] -= 1

        return seconds_until_through("little", files, cap=24, work=work, seed=seed)

    alone = mean(taken({"little": 20}, seed) for seed in range(10))
    beside = mean(taken({"much": 300, "little": 20}, seed) for seed in range(10))
    assert beside < 1.1 * alone
    assert alone < 1.4 * math.ceil(20 / 3) * DELIVERY


# --- At full size, by the caps ------------------------------------------------------------------------


def seconds_until_served(bursts: int, *, files: int = 10_000, own: int = 1, each: float = DELIVERY) -> float:
    """Return when the last of `own` files is delivered whose events come after so many customers' bursts.

    A delivery takes `each` seconds. All events come at once, and the queue keeps their order.
    """
    customers = [number % bursts for number in range(bursts * files)] + [bursts] * own
    left = own
    soon = [(EVENT * (1 + place // INGEST_BATCHES), place, 0) for place in range(len(customers))]
    heapq.heapify(soon)
    running: list[tuple[float, int]] = []  # the ends of runs of the function, and whose slot they give back
    slots: Counter[int] = Counter()
    while soon:
        now, place, waited = heapq.heappop(soon)
        while running and running[0][0] <= now:
            slots[heapq.heappop(running)[1]] -= 1
        customer = customers[place]
        if len(running) < DELIVERIES:
            has_slot = slots[customer] < OF_DESTINATION
            left -= has_slot and customer == bursts
            if not left:
                return now + each
            slots[customer if has_slot else -1] += 1
            heapq.heappush(running, (now + (each if has_slot else LOOK), customer if has_slot else -1))
            if has_slot:
                continue
        delay = retry_delay(WAIT_FOR_ROOM, min(waited, 40))
        heapq.heappush(soon, (now + delay, place, waited + 1))
    raise AssertionError("the file was never served")


def test_ten_thousand_files_of_one_customer_delay_another_by_less_than_two_minutes() -> None:
    alone = seconds_until_served(1, files=0)
    assert seconds_until_served(1) - alone < 120


@pytest.mark.parametrize(("each", "factor"), [(30.0, 1.1), (10.0, 1.3), (2.0, 2.1)])
def test_twenty_files_beside_three_hundred_of_another_customer_wait_for_the_intake_only(
    each: float, factor: float
) -> None:
    alone = seconds_until_served(1, files=0, own=20, each=each)
    beside = seconds_until_served(1, files=300, own=20, each=each)
    assert beside - alone < 3
    assert beside < factor * alone


@pytest.mark.parametrize("own", [60, 300])
def test_files_that_wait_for_their_customers_own_slots_leave_them_empty_for_little_of_the_time(
    own: int,
) -> None:
    """They take at most 1.4 times as long as they would if each slot were taken at once, on average."""
    at_least = math.ceil(own / OF_DESTINATION) * DELIVERY
    took = []
    for seed in range(20):
        random.seed(seed)
        took.append(seconds_until_served(0, own=own))
    assert mean(took) < 1.4 * at_least


def test_a_cell_has_room_for_the_shares_of_five_customers() -> None:
    assert OF_CUSTOMER * 5 <= DELIVERIES
