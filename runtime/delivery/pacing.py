"""How fast a destination takes an upload, and when that is too slow (docs/adr/0046-slow-partners.md)."""

from __future__ import annotations

import asyncio
import time

from runtime.delivery.answers import ask
from runtime.delivery.errors import TransientDeliveryError
from runtime.delivery.ssh import Patience

#: Seconds within which the largest file has to be taken: three days, the time that files wait for a
#: destination that keeps failing.
LONGEST = 3 * 24 * 3600.0


class Pacing:
    """Waits for the responses to the writes of one upload of `size` bytes, and measures only that waiting.

    `path` and `advice` are those of `answers.ask`.
    """

    def __init__(self, place: str, patience: Patience, size: int, *, path: str, advice: str) -> None:
        self._place, self._patience, self._path, self._advice = place, patience, path, advice
        self._least = max(patience.slowest, size / LONGEST)
        self._waited, self._taken = 0.0, 0

    async def take(self, write: asyncio.Task[int]) -> None:
        """Wait for the response to a write, which returns its bytes.

        Raises TransientDeliveryError if it fails, gets no response within `patience.step`, or is one of
        too few; in the last two cases the file is kept.
        """
        began = time.monotonic()
        self._taken += await ask(
            self._place, "write", write, self._patience.step, path=self._path, advice=self._advice
        )
        self._waited += time.monotonic() - began
        if self._waited < self._patience.pace:
            return
        rate = self._taken / self._waited
        if rate < self._least:
            reason = (
                f"the server takes {rate / 1024:.1f} KiB a second, and a file of this size needs at least"
                f" {self._least / 1024:.1f}; what was sent is kept, and the next attempt continues"
            )
            raise TransientDeliveryError(self._place, "write", reason, keeps=True)
        self._waited, self._taken = 0.0, 0
