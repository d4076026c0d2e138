"""How much the files of one customer delay another's, when the second sends in the middle of a burst."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from components.statemachine import WAIT_FOR_ROOM
from customers.concurrency import DELIVERIES, INGEST_BATCHES
from local.aws.emulator import Emulator
from local.aws.ministack.states import retry_delay
from runtime.deliverer import Deliverer
from runtime.shares import OF_CUSTOMER, OF_DESTINATION, ShareInUseError, Shares
from tests.runtime.cells import NAMESPACE, Cell, owner, sides_of_a_customer

#: Real waits, this much shorter.
SCALE = 1 / 400


def race(files: dict[str, int], *, cap: int, work: Callable[[str, int], None]) -> list[str]:
    """Begin all files at once and return the customers of those that ended, in order.

    Of the files, `cap` run at a time; the others are throttled and wait as the state machine does. So does a
    file whose `work`, which gets its customer and number, raises ShareInUseError.
    """
    room, ended, begun = threading.Semaphore(cap), [], threading.Event()

    def carry(customer: str, number: int) -> None:
        begun.wait()
        for count in itertools.count():
            if room.acquire(blocking=False):
                try:
                    work(customer, number)
                    ended.append(customer)
                    return
                except ShareInUseError:
                    pass
                finally:
                    room.release()
            time.sleep(retry_delay(WAIT_FOR_ROOM, min(count, 20)) * SCALE)

    with ThreadPoolExecutor(sum(files.values())) as pool:
        waiting = [pool.submit(carry, customer, n) for customer in files for n in range(files[customer])]
        begun.set()
        for each in waiting:
            each.result()
    return ended


def others_before_the_last(ended: list[str], customer: str) -> int:
    """Return how many files of others had ended when the customer's last one did."""
    last = len(ended) - ended[::-1].index(customer)
    return last - Counter(ended)[customer]


def test_a_burst_leaves_room_for_another_customers_files(west: Cell) -> None:
    """Both have half of the room, so the second is through when the first has sent about as many."""
    shares = Shares(tracker=west.tracker, of_customer=3, of_destination=3)

    def work(customer: str, number: int) -> None:
        attempt = f"{customer}-{number}"
        slot = shares.take(customer, "partner", attempt)
        time.sleep(0.02)
        shares.leave(customer, slot, attempt)

    ended = race({"much": 60, "little": 6}, cap=8, work=work)
    assert Counter(ended) == {"much": 60, "little": 6}
    assert others_before_the_last(ended, "little") <= 40


@pytest.mark.exhaustive
def test_twenty_files_are_through_long_before_three_hundred_of_another_customer(aws: Emulator) -> None:
    cells = {name: sides_of_a_customer(aws)[0].make() for name in ("much", "little")}
    files = {"much": 300, "little": 20}
    transfers = {}
    for name, cell in cells.items():
        for number in range(files[name]):
            transfer = cell.receive(b"abc", f"inbound/sdk/{number}.csv")
            cell.workflow.claim(transfer, owner=owner(transfer))
            transfers[name, number] = transfer
    deliverers = {
        name: Deliverer(
            namespace=NAMESPACE,
            side=cell.side,
            tracker=cell.tracker,
            directory=cell.directory,
            s3=lambda region, cell=cell: cell.client("s3"),
            s3_once=lambda region, cell=cell: cell.client("s3"),
            secrets=cell.client("secretsmanager"),
            shares=Shares(tracker=cell.tracker, of_customer=3, of_destination=3),
        )
        for name, cell in cells.items()
    }

    def work(name: str, number: int) -> None:
        transfer = transfers[name, number]
        how = {"owner": owner(transfer), "attempt": f"{name}-{number}", "after_unknown": False}
        assert deliverers[name].attempt(transfer, "partner", **how) == "DELIVERED"

    ended = race(files, cap=8, work=work)
    assert Counter(ended) == files
    assert others_before_the_last(ended, "little") <= 100


# --- At full size, by the caps ------------------------------------------------------------------------

#: Seconds for which an event occupies the intake, and a file that looks for a slot the function.
EVENT, LOOK = 0.15, 0.1


def seconds_until_served(bursts: int, *, files: int = 10_000, own: int = 1, each: float = 30.0) -> float:
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
        delay = retry_delay(WAIT_FOR_ROOM, min(waited, 20))
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


def test_a_cell_has_room_for_the_shares_of_five_customers() -> None:
    assert OF_CUSTOMER * 5 <= DELIVERIES
