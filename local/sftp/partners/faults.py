"""Faults of a partner's server, and of the network in front of it, on demand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Cut:
    """The cut of a connection `after` this many bytes from the client, by a stall or by a reset.

    `connections` is how many connections it still applies to, None for all.
    """

    after: int
    connections: int | None
    stall: bool


class Faults:
    """The active faults. `drop`, `stall` and `disk_full` affect connections that are opened afterwards."""

    def __init__(self, refuse: Callable[[bool], None]) -> None:
        self._refuse = refuse
        self._reset()

    def _reset(self) -> None:
        self._cut: Cut | None = None
        self.delay = 0.0
        self.rate: float | None = None
        self.answer_lost: Callable[[], bool] | None = None
        self.full_after: int | None = None
        self.frozen = False
        self.other_host_key = False

    def clear(self) -> None:
        """Remove all faults, and accept connections again."""
        self._reset()
        self._refuse(False)

    def refuse(self) -> None:
        """Refuse new connections; open ones stay."""
        self._refuse(True)

    def drop(self, *, after: int, connections: int | None = 1) -> None:
        """Reset the next connections (None: all) once the client has sent `after` bytes."""
        self._cut = Cut(after, connections, stall=False)

    def stall(self, *, after: int, connections: int | None = 1) -> None:
        """Stall the next connections (None: all): pass nothing on once the client has sent `after` bytes."""
        self._cut = Cut(after, connections, stall=True)

    def lose_answer(self, when: Callable[[], bool]) -> None:
        """Cut the connection instead of passing on an answer while `when()` is true.

        With a condition on the server's files, the lost answer is that to the request that changed them.
        """
        self.answer_lost = when

    def delays(self, seconds: float) -> None:
        """Delay everything by `seconds`, in each direction."""
        self.delay = seconds

    def trickles(self, rate: float) -> None:
        """Let the server get only this many bytes a second from each client, in connections open or new."""
        self.rate = rate

    def disk_full(self, *, after: int) -> None:
        """Let no file grow beyond `after` bytes."""
        self.full_after = after

    def freeze(self) -> None:
        """Keep the connection alive but answer no write. Only servers in this process support this."""
        self.frozen = True

    def wrong_host_key(self) -> None:
        """Present a different host key from the published one."""
        self.other_host_key = True

    def take(self) -> Cut | None:
        """Return the cut that applies to a new connection, None if there is none."""
        cut = self._cut
        if cut and cut.connections is not None:
            cut.connections -= 1
            if cut.connections == 0:
                self._cut = None
        return cut
