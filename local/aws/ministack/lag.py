"""Replication between the regions: delayed, held while a region is down, and delivered afterwards."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from local.aws.ministack.regions import REGIONS

S3 = "s3"
DYNAMODB = "dynamodb"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ReplicatedWrite:
    """A write of an object version or an item that is on its way from one region to another."""

    kind: str  # S3 or DYNAMODB
    source: str | None
    target: str | None
    name: str  # of the bucket or table at the source
    key: str | dict[str, Any]
    version: str | None  # of the object
    arrive: Callable[[], None] = field(repr=False)

    def described(self) -> dict[str, Any]:
        """Return the write as `replication_pending` describes it."""
        names = ("kind", "source", "target", "name", "key", "version")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, eq=False)
class _Sent:
    write: ReplicatedWrite
    due: float
    at: float  # seconds since the epoch
    scope: contextvars.Context  # the account and region of the writer

    def deliverable(self, now: float, back: str | None = None) -> bool:
        ends = {self.write.source, self.write.target}
        return (self.due <= now or back in ends) and REGIONS.down.isdisjoint(ends)


class ReplicationQueue:
    """The writes that have not arrived in the other region.

    Without lag and with both regions up, a write arrives before its request is answered. Otherwise it waits
    here, and `run` delivers it in order of due times on the event loop: between two requests, never during
    one.
    """

    def __init__(self) -> None:
        self.lag = {S3: 0.0, DYNAMODB: 0.0}
        self._sent: list[_Sent] = []
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()

    def send(self, write: ReplicatedWrite) -> None:
        """Deliver a write: now, after the lag, or when both regions are up again."""
        lag = self.lag[write.kind]
        sent = _Sent(write, time.monotonic() + lag, time.time(), contextvars.copy_context())
        if lag == 0 and sent.deliverable(sent.due):
            write.arrive()
            return
        with self._lock:
            self._sent.append(sent)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake.set)

    def pending(self) -> list[dict[str, Any]]:
        """Return the writes that have not arrived, in the order in which they were made."""
        with self._lock:
            return [one.write.described() | {"sent": one.at} for one in self._sent]

    def deliver(self, back: str | None = None) -> None:
        """Deliver every write that is due and whose regions are up; for the region `back`, all are due."""
        now = time.monotonic()
        with self._lock:
            arriving = [one for one in self._sent if one.deliverable(now, back)]
            self._sent = [one for one in self._sent if one not in arriving]
        for one in sorted(arriving, key=lambda one: one.due):
            try:
                one.scope.run(one.write.arrive)
            except Exception:
                _log.exception("replication of %s failed", one.write)

    def _next(self) -> float | None:
        """Return the seconds until the next write is due, or None if none can become due."""
        now = time.monotonic()
        with self._lock:
            due = [one.due for one in self._sent if one.deliverable(one.due)]
        return max(0.0, min(due) - now) if due else None

    async def run(self) -> None:
        """Deliver for ever."""
        self._loop = asyncio.get_running_loop()
        while True:
            self.deliver()
            try:
                async with asyncio.timeout(self._next()):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()


QUEUE = ReplicationQueue()
