"""The gap report at a million files: seconds, memory, requests. `python -m tests.bench.bench_gaps [FILES]`.

The clients are simulated: they answer with pages as S3 and DynamoDB do, made up as they are asked for, so
that nothing is kept, and what is measured is our own work and theirs. The network's time comes on top:
requests are counted.
"""

from __future__ import annotations

import hashlib
import resource
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from ops.recovery.inventory import Inventory, Store
from ops.recovery.reconcile import gaps
from runtime import contract
from runtime.contract import EAST, SIDES, WEST
from runtime.routing import RoutingDocument
from runtime.tracker import Tracker

DAYS = 3
#: One file in this many is not in East's archive, and the report has to find it.
ONE_GAP_IN = 10_000
_S3_PAGE, _DYNAMODB_PAGE = 1000, 1500  # a page of DynamoDB is 1 MB, a fact about 650 bytes
_STEP = 514_229  # a prime: walks through all files in another order than that of time
_CUSTOMER = "c7k2m"
_START = datetime(2026, 1, 1, tzinfo=UTC)


class Files:
    """A number of files of one customer, submitted evenly over three days and delivered."""

    def __init__(self, count: int) -> None:
        self.count, self.requests = count, Counter[str]()
        self._pause = timedelta(days=DAYS) / count

    def key(self, number: int) -> str:
        return f"inbound/sdk/{number * _STEP % self.count:09}.csv"

    def version(self, number: int) -> str:
        return hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()

    def submitted(self, number: int) -> datetime:
        return (_START + self._pause * number).replace(microsecond=0)

    def transfer(self, number: int) -> str:
        file = contract.file_id(_CUSTOMER, self.key(number))
        return contract.transfer_id(file, self.version(number), self.submitted(number))

    def first_of(self, day: str) -> int:
        """Return the number of the first file of a day (`YYYY-MM-DD`) or a later one."""
        wanted = datetime.fromisoformat(day).replace(tzinfo=UTC)
        return bisect_left(range(self.count), wanted, key=self.submitted)

    def in_order(self, first: int = 0) -> Iterator[tuple[str, int]]:
        """Yield transfers and their numbers in the order of transfer ids."""
        number = first
        while number < self.count:
            second, same = self.submitted(number), []
            while number < self.count and self.submitted(number) == second:
                same.append((self.transfer(number), number))
                number += 1
            yield from sorted(same)

    def by_key(self) -> Iterator[int]:
        """Yield numbers in the order of keys."""
        back = pow(_STEP, -1, self.count)
        for place in range(self.count):
            yield place * back % self.count


class Client:
    """What S3 and DynamoDB of one region answer."""

    def __init__(self, files: Files, side: str) -> None:
        self._files, self._side = files, side

    def get_paginator(self, operation: str) -> Client:
        self._operation = operation
        return Client._Pages(self, operation)  # type: ignore[return-value]

    class _Pages:
        def __init__(self, client: Client, operation: str) -> None:
            self._client, self._operation = client, operation

        def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
            entries, name, size = getattr(self._client, self._operation)(request)
            requests = self._client._files.requests
            while page := list(islice(entries, size)):
                requests[self._operation] += 1
                yield {name: page}

    def list_object_versions(self, request: dict[str, Any]) -> tuple[Iterator[Any], str, int]:
        files = self._files
        entries = (
            {
                "Key": files.key(number),
                "VersionId": files.version(number),
                "LastModified": files.submitted(number),
                "IsLatest": True,
                "Size": 1000,
            }
            for number in files.by_key()
        )
        return entries, "Versions", _S3_PAGE

    def list_objects_v2(self, request: dict[str, Any]) -> tuple[Iterator[Any], str, int]:
        files = self._files
        entries = (
            {"Key": contract.archive_key(_CUSTOMER, transfer, files.key(number)), "Size": 1000}
            for transfer, number in files.in_order()
            if self._side == WEST or number % ONE_GAP_IN
        )
        return entries, "Contents", _S3_PAGE

    def query(self, request: dict[str, Any]) -> tuple[Iterator[Any], str, int]:
        day = request["ExpressionAttributeValues"][":day"]["S"].rpartition("#")[2]
        return self._facts(day), "Items", _DYNAMODB_PAGE

    def _facts(self, day: str) -> Iterator[dict[str, Any]]:
        for transfer, number in self._files.in_order(self._files.first_of(day)):
            at = self._files.submitted(number).isoformat()
            if not at.startswith(day):
                return
            file = contract.file_id(_CUSTOMER, self._files.key(number))
            for kind, destination, detail in _FACTS:
                yield {
                    contract.TRACKER_PK: {"S": file},
                    contract.TRACKER_SK: {"S": f"{transfer}#{kind}#{destination}#west#{transfer}-g1"},
                    contract.TRACKER_TTL: {"N": "9999999999"},
                    "key": {"S": self._files.key(number)},
                    "at": {"S": at},
                    **({"detail": {"M": detail}} if detail else {}),
                }


_TEXT = {"S": "x" * 40}
_SIZE = {"N": "1000"}
#: Kind, destination and the details that are asked for.
_FACTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("ARCHIVED", "", {"bucket": _TEXT}),
    ("DELIVERED", "partner", {"size": _SIZE}),
    ("RECEIPT", "", {}),
    (
        "RECEIVED",
        "",
        {
            "bucket": _TEXT,
            "version_id": _TEXT,
            "size": _SIZE,
            "etag": _TEXT,
            "destinations": {"L": [{"S": "partner"}]},
        },
    ),
)


def customer() -> RoutingDocument:
    return RoutingDocument(
        id=_CUSTOMER,
        routes=(),
        destinations={},
        temporary_names=("*.filepart", "*.tmp", "*.part"),
        policy="content",
        window=timedelta(hours=1),
        inbound_days=14,
        archive_days=365,
        tracker_days=90,
        receipts_topic="",
    )


def store(files: Files, side: str) -> Store:
    client = Client(files, side)
    tracker = Tracker(table="t", side=side, client=client)
    return Store(side=side, inbound=f"in-{side}", archive=f"archive-{side}", tracker=tracker, s3=client)


def measure(count: int) -> str:
    """Report on a number of files; return a line with the resources it took."""
    files = Files(count)
    inventory = Inventory(
        customer=customer(), now=datetime.now(UTC), stores=[store(files, side) for side in (WEST, EAST)]
    )
    began, worked, found, transfers = time.perf_counter(), time.process_time(), 0, 0
    now = _START + timedelta(days=DAYS + 1)
    for seen in inventory.transfers(_START, now):
        transfers += 1
        found += len(gaps(seen, customer=customer(), sides=SIDES, now=now))
    seconds, work = time.perf_counter() - began, time.process_time() - worked
    assert transfers == count, transfers
    assert found == -(-count // ONE_GAP_IN), found
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    asked = ", ".join(f"{number} {name}" for name, number in sorted(files.requests.items()))
    return (
        f"{count:>9,} files: {seconds:7.1f} s, of these {work:7.1f} s of work, {count / work:8,.0f} files/s, "
        f"{memory:6.1f} MB at most, {found} gaps; {asked}"
    )


def main() -> None:
    """Measure each size in a process of its own, so that its memory is its own."""
    if sys.argv[1:2] == ["--one"]:
        print(measure(int(sys.argv[2])))
        return
    largest = int(sys.argv[1]) if sys.argv[1:] else 1_000_000
    for count in (largest // 100, largest // 10, largest):
        with tempfile.TemporaryDirectory() as folder:
            print(one(count, folder), flush=True)


def one(count: int, folder: str) -> str:
    command = [sys.executable, "-m", "tests.bench.bench_gaps", "--one", str(count)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={"SQLITE_TMPDIR": folder})
    return done.stdout.strip()


if __name__ == "__main__":
    main()
