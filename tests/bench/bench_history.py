"""What one transfer of a busy name asks of the tracker: `python -m tests.bench.bench_history`.

The name was used once a minute, 10, 10,000 and 500,000 times before, and every submission was delivered. Its
facts are made up as they are read (`tests.bench.long_feed`); what is measured is what is asked of DynamoDB
and our own work. Objects and receipts are stubs: each step of the workflow reads and writes the tracker as it
does in AWS.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from runtime import contract
from runtime.contract import Kind
from runtime.decision import Action
from runtime.receipts import Receipts
from runtime.routing import RoutingDocument
from runtime.tracker import Tracker
from runtime.transfer import Transfer
from runtime.workflow import Leases, Workflow
from tests.bench.long_feed import LongFeed, Submissions

BEFORE = (10, 10_000, 500_000)
_CUSTOMER, _KEY = "c7k2m", "inbound/sdk/feed.csv"
_TIMES = 20


class _Directory:
    """One customer with the usual window."""

    def customer(self, name: str) -> RoutingDocument:
        return RoutingDocument(
            id=name,
            routes=(),
            destinations={},
            temporary_names=(),
            policy="content",
            window=timedelta(days=7),
            inbound_days=30,
            archive_days=365,
            tracker_days=400,
            receipts_topic="",
        )


class _Topics:
    def publish(self, **message: Any) -> None:
        return None


@dataclass
class Cost:
    """Requests, read units and seconds of processor time of one transfer, the least of several."""

    requests: int
    units: float
    seconds: float


def carry(feed: LongFeed, number: int) -> None:
    """Take one file in, claim it, deliver it, complete it and archive it, as far as the tracker is asked."""
    tracker = Tracker(table="t", side=contract.WEST, client=feed)
    receipts = Receipts(tracker=tracker, topics=_Topics(), side=contract.WEST)
    workflow = Workflow(side=contract.WEST, tracker=tracker, directory=_Directory(), receipts=receipts)  # type: ignore[arg-type]
    file = feed.before.file
    at = datetime.now(UTC) + timedelta(minutes=number)
    transfer = Transfer(
        id=contract.transfer_id(file, f"new{number}", at),
        file=file,
        customer=_CUSTOMER,
        bucket=f"mft-{_CUSTOMER}-west",
        key=_KEY,
        version_id=f"new{number}",
        size=3,
        etag="0" * 32,
        destinations=("partner",),
        expires=int(time.time()) + 400 * 86400,
    )
    owner = f"{transfer.id}-g1"

    def record(kind: Kind, **detail: Any) -> None:
        assert tracker.record(transfer.fact(kind, side=contract.WEST, writer=owner, **detail))

    record(Kind.RECEIVED, version_id=transfer.version_id, size=transfer.size, destinations=["partner"])
    assert workflow.claim(transfer, owner=owner).action is Action.DELIVER
    about = {"destinations": ("partner",), "window": timedelta(days=7)}
    Leases(tracker=tracker).keep(transfer, owner, tracker.history(file, transfer.id, **about))
    Leases(tracker=tracker).may_send(transfer, owner, "partner", window=timedelta(days=7))
    record(Kind.DELIVERED, destination="partner", sha256="0" * 64, size=number + 10, path="p", sent=True)
    workflow.complete(transfer, [{"destination": "partner", "outcome": "DELIVERED"}], owner=owner)
    record(Kind.ARCHIVED, bucket="archive", archive_key=f"{transfer.id}/sdk/feed.csv")


def measure(count: int) -> Cost:
    """Return what one transfer costs after so many."""
    before = Submissions(_CUSTOMER, _KEY, count, expires=int(time.time()) + 400 * 86400)
    costs = []
    for number in range(_TIMES):
        feed = LongFeed(before)
        with _collector_off():
            began = time.process_time()
            carry(feed, number)
            seconds = time.process_time() - began - feed.seconds
        costs.append(Cost(feed.requests.total(), feed.units / 2, seconds))
    return min(costs, key=lambda cost: cost.seconds)


@contextmanager
def _collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def main() -> None:
    print("one transfer of a name that was used every minute, and what it asks of the tracker")
    print("submissions before   requests   read units   our own work")
    for count in BEFORE:
        cost = measure(count)
        print(f"{count:18,}   {cost.requests:8}   {cost.units:10.1f}   {cost.seconds * 1000:8.1f} ms")


if __name__ == "__main__":
    main()
