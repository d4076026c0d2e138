"""What can go wrong with a partner's server and on the way to it, on demand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Cut:
    """The end of a connection: after so many bytes of the client's, in silence or by a reset."""

    after: int
    connections: int | None
    stall: bool


class Faults:
    """What goes wrong. Set while a connection is open, `drop`, `stall` and `disk_full` meet the next one."""

    def __init__(self, refuse: Callable[[bool], None]) -> None:
        self._refuse = refuse
        self._reset()

    def _reset(self) -> None:
        self._cut: Cut | None = None
        self.delay = 0.0
        self.answer_lost: Callable[[], bool] | None = None
        self.full_after: int | None = None
        self.frozen = False
        self.other_host_key = False

    def clear(self) -> None:
        """Nothing goes wrong from here on, and the port answers again."""
        self._reset()
        self._refuse(False)

    def refuse(self) -> None:
        """Connections are refused; those that are open stay."""
        self._refuse(True)

    def drop(self, *, after: int, connections: int | None = 1) -> None:
        """The next connections, or all for None, are reset once the client has sent `after` bytes."""
        self._cut = Cut(after, connections, stall=False)

    def stall(self, *, after: int, connections: int | None = 1) -> None:
        """The next connections, or all for None, pass nothing on once the client has sent `after` bytes."""
        self._cut = Cut(after, connections, stall=True)

    def lose_answer(self, when: Callable[[], bool]) -> None:
        """A connection is cut instead of passing on an answer while `when()` is true.

        With a condition on the server's files, it is the answer to the request that changed them.
        """
        self.answer_lost = when

    def delays(self, seconds: float) -> None:
        """Everything is on its way for `seconds`, in each direction."""
        self.delay = seconds

    def disk_full(self, *, after: int) -> None:
        """No file can grow beyond `after` bytes."""
        self.full_after = after

    def freeze(self) -> None:
        """The server shows signs of life and answers no write. Only servers in this process can."""
        self.frozen = True

    def wrong_host_key(self) -> None:
        """The server presents another host key than the published one."""
        self.other_host_key = True

    def take(self) -> Cut | None:
        """Return what is to become of a new connection."""
        cut = self._cut
        if cut and cut.connections is not None:
            cut.connections -= 1
            if cut.connections == 0:
                self._cut = None
        return cut
