"""The rates at which Step Functions takes requests, and a pace that stays below them.

Step Functions throttles by token buckets, for each action, account and region:
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html. Both GovCloud regions are among
"all other regions" of that page, whose buckets are smaller than those of the three largest.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """A token bucket: `at_once` requests when it is full, and `a_second` more in each second."""

    at_once: int
    a_second: int

    def part(self, share: float) -> Rate:
        """Return a part of this rate, rounded down to whole requests."""
        return Rate(int(self.at_once * share), int(self.a_second * share))

    def seconds(self, requests: int) -> float:
        """Return the seconds that a number of requests takes, beginning with a full bucket."""
        return max(0.0, (requests - self.at_once) / self.a_second)


#: Standard workflows, in a region that is not one of AWS's three largest.
START_EXECUTION = Rate(800, 150)
DESCRIBE_EXECUTION = Rate(250, 10)

#: The part of the rates that a takeover uses. The rest is left to the intake of new files and to operators.
TAKEOVER_SHARE = 2 / 3


class Pace:
    """Lets requests through at a rate, from any number of threads."""

    def __init__(
        self,
        rate: Rate,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate, self._clock, self._sleep = rate, clock, sleep
        self._lock = threading.Lock()
        self._tokens, self._at = float(rate.at_once), clock()

    def wait(self) -> None:
        """Return when the next request may be made."""
        with self._lock:
            now = self._clock()
            gained = (now - self._at) * self._rate.a_second
            self._tokens, self._at = min(self._rate.at_once, self._tokens + gained) - 1, now
            due = -self._tokens / self._rate.a_second
        if due > 0:
            self._sleep(due)
