"""What one file costs in requests: `python -m tests.bench.bench_requests`.

A file of 10 KB and one of 50 MB are received by S3, delivered to a partner's SFTP server by functions that
are warm, and archived. Printed are the requests of SFTP, how often the delivery waits for responses with
nothing else under way, and the calls of AWS by all steps together. The connection itself is not counted.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from asyncssh import constants
from asyncssh.sftp import SFTPClientHandler
from botocore.client import BaseClient

from local.aws.emulator import Emulator
from local.sftp.partners import Partner, partner
from tests.runtime.cells import Cell, owner, sides_of_a_customer

SIZES = {"10 KB": 10_000, "50 MB": 50_000_000}

#: The names of SFTP's requests, by their numbers.
_NAMES = {
    value: name.removeprefix("FXP_").lower()
    for name, value in vars(constants).items()
    if name.startswith("FXP_") and isinstance(value, int)
}


class Requests:
    """The requests of deliveries: of SFTP, of AWS, and the waits for SFTP's."""

    def __init__(self) -> None:
        self.sftp: Counter[str] = Counter()
        self.aws: Counter[str] = Counter()
        self.waits = 0
        self._under_way = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        asks, calls = SFTPClientHandler._make_request, BaseClient._make_api_call

        async def ask(handler: Any, kind: int | bytes, *arguments: Any) -> Any:
            self.sftp[kind.decode() if isinstance(kind, bytes) else _NAMES[kind]] += 1
            self.waits += self._under_way == 0
            self._under_way += 1
            try:
                return await asks(handler, kind, *arguments)
            finally:
                self._under_way -= 1

        def call(client: Any, operation: str, arguments: Any) -> Any:
            self.aws[operation] += 1
            return calls(client, operation, arguments)

        with (
            patch.object(SFTPClientHandler, "_make_request", ask),
            patch.object(BaseClient, "_make_api_call", call),
        ):
            yield


def carry(cell: Cell, content: bytes, key: str) -> Requests:
    """Carry one file through all steps, and return their requests."""
    uploaded, requests = cell.upload(content, key), Requests()
    with requests.counted():
        assert cell.accept(uploaded) == "received"
    transfer = cell.received(key)
    with requests.counted():
        cell.workflow.claim(transfer, owner=owner(transfer))
        assert cell.attempt(transfer) == "DELIVERED"
        results = [{"destination": "partner", "outcome": "DELIVERED"}]
        cell.workflow.complete(transfer, results, owner=owner(transfer))
        cell.archive.store(transfer, owner=owner(transfer))
    return requests


def route_to(cell: Cell, server: Partner) -> None:
    cell.register(
        destinations={"partner": cell.to_server(server)},
        routes=[{"match": "sdk/**", "to": ["partner"], "on_unknown": "deliver"}],
    )


def show(what: str, counted: Counter[str]) -> None:
    words = ", ".join(f"{count} {name}" for name, count in sorted(counted.items()))
    print(f"    {what}: {counted.total()} ({words})")


def main() -> None:
    with Emulator(wait_scale=0.01, lambdas=1) as aws, partner("asyncssh") as server:
        cell = sides_of_a_customer(aws)[0].make()
        route_to(cell, server)
        carry(cell, b"warm", "inbound/sdk/warm.csv")
        for name, size in SIZES.items():
            requests = carry(cell, os.urandom(size), f"inbound/sdk/{size}.bin")
            assert len(server.files()[f"{size}.bin"]) == size
            print(f"  {name}")
            show("SFTP", requests.sftp)
            print(f"    waits for SFTP: {requests.waits}")
            show("AWS", requests.aws)


if __name__ == "__main__":
    main()
