"""Customers' clients during a failover: each sends a file now and then, and the results are counted."""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from local.drill.acknowledged_files import SentFile
from local.drill.client_kinds import FAILED, CustomerClient
from local.drill.measures import Timeline
from local.drill.runs import ClientCounts
from runtime.contract import REGION_OF

#: Seconds between two files of one client (each is a whole transfer on a small machine), and before the next
#: try after a failure.
EVERY, AGAIN = 8.0, 1.0

_SIZE = 2000  # bytes


@dataclass
class _Tally:
    asked: int = 0
    failed: int = 0
    by_side: Counter[str] = field(default_factory=Counter)
    reached: float | None = None  # when the survivor first acknowledged a file, since the epoch
    was_failing: bool = False


class Population:
    """Clients that send a file now and then, each in its own thread, from `start` to `stop`.

    They begin in the region of `side`; the survivor is the other one. `note` is called with each acknowledged
    file. While the machine `is_behind` with what was sent, they wait: time is scaled, so transfers would
    otherwise run out of retries.
    """

    def __init__(
        self,
        clients: Sequence[CustomerClient],
        *,
        side: str,
        prefix: str,
        timeline: Timeline,
        note: Callable[[SentFile], None],
        is_behind: Callable[[], bool],
        every: float = EVERY,
        again: float = AGAIN,
    ) -> None:
        self._clients, self._side, self._prefix = clients, side, prefix
        self._timeline, self._note, self._is_behind = timeline, note, is_behind
        self._every, self._again = every, again
        self._tallies = {client.kind: _Tally() for client in clients}
        self._stopped, self._may_send = threading.Event(), threading.Event()
        self._sending = {client.kind: threading.Lock() for client in clients}
        self._threads = [
            threading.Thread(target=self._live, args=(number,), name=client.kind, daemon=True)
            for number, client in enumerate(clients)
        ]

    def start(self) -> None:
        """Start the clients, one after the other within one pause."""
        self._may_send.set()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop the clients, each after the file that it is sending."""
        self._stopped.set()
        self._may_send.set()
        for thread in self._threads:
            thread.join()
        for client in self._clients:
            client.close()

    def pause(self) -> None:
        """Wait until no client is sending; none sends again until `resume`."""
        self._may_send.clear()
        for lock in self._sending.values():
            with lock:
                pass

    def resume(self) -> None:
        """Let the clients send again."""
        self._may_send.set()

    def read_notice(self, notice: dict[str, Any]) -> None:
        """Have the clients of a notice's customer read it."""
        for client in self._clients:
            if client.sender.customer.id == notice["customer"]:
                with self._sending[client.kind]:
                    client.read_notice(notice)

    def reached(self, kinds: Iterable[str] | None = None) -> bool:
        """Return whether the survivor has acknowledged a file of each of these kinds, or of every kind."""
        return all(self._tallies[kind].reached for kind in kinds or self._tallies)

    def cannot_send(self, kinds: Iterable[str]) -> bool:
        """Return whether the last upload of each of these kinds of clients failed."""
        return all(self._tallies[kind].was_failing for kind in kinds)

    def counts(self, decided: float | None) -> list[ClientCounts]:
        """Return the counts of each kind.

        `decided` is when the operator decided, in seconds since the epoch.
        """
        return [
            ClientCounts(
                kind=kind,
                asked=tally.asked,
                failed=tally.failed,
                acknowledged=tally.by_side.total(),
                by_side=dict(sorted(tally.by_side.items())),
                reached_survivor_after=round(max(0.0, tally.reached - decided), 2)
                if tally.reached and decided
                else None,
            )
            for kind, tally in self._tallies.items()
        ]

    def _live(self, number: int) -> None:
        client, pause = self._clients[number], self._every * number / len(self._clients)
        files = 0
        while not self._stopped.wait(pause):
            self._may_send.wait()
            while self._is_behind() and not self._stopped.wait(self._again):
                pass
            if self._stopped.is_set():
                return
            files += 1
            with self._sending[client.kind]:
                done = self._send(client, f"{self._prefix}-client{number + 1}-{files:02}.csv")
            pause = self._every if done else self._again

    def _send(self, client: CustomerClient, name: str) -> bool:
        tally = self._tallies[client.kind]
        tally.asked += 1
        try:
            side = client.send(name, secrets.token_bytes(_SIZE))
        except FAILED as error:
            tally.failed += 1
            if not tally.was_failing:
                self._timeline.note("client", f"{client.kind}: cannot send: {_short(error)}")
            tally.was_failing = True
            return False
        at = time.time()
        self._note(SentFile(sender=client.sender, name=name, side=side, at=at))
        tally.by_side[side] += 1
        tally.was_failing = False
        if side != self._side and tally.reached is None:
            tally.reached = at
            self._timeline.note("client", f"{client.kind}: {name} is acknowledged in {REGION_OF[side]}")
        return True


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:120] if str(error) else type(error).__name__
