"""The rates at which Step Functions starts executions and answers questions about them, for each region.

https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html. Starts go by what the account's
quotas allow, which tests set.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from customers.service_quotas import START_RATE, STARTS
from local.aws.ministack.patching import Module, after, original
from local.aws.ministack.service_quotas import ACCOUNT_QUOTAS
from runtime.pace import DESCRIBE_EXECUTION, Rate

_CHANGE = "throttles"


class TokenBuckets:
    """A token bucket for each region, full at first."""

    def __init__(self, rate: Callable[[str], Rate], clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock, self._lock = rate, clock, threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, region: str) -> bool:
        """Take a token of a region; return False if there is none."""
        rate, now = self._rate(region), self._clock()
        with self._lock:
            tokens, since = self._buckets.get(region, (float(rate.at_once), now))
            tokens = min(rate.at_once, tokens + (now - since) * rate.a_second)
            is_allowed = tokens >= 1
            self._buckets[region] = tokens - is_allowed, now
        return is_allowed


def _start_rate(region: str) -> Rate:
    return Rate(*(int(ACCOUNT_QUOTAS.value(region, quota)) for quota in (STARTS, START_RATE)))


@after("services.stepfunctions")
def _throttled(states: Module) -> None:
    from ministack.core.responses import get_region

    refuse = original(_CHANGE, states, "error_response_json")

    def limited(action: str, buckets: TokenBuckets) -> None:
        real = original(_CHANGE, states, action)

        def ask(request: Mapping[str, Any]) -> Any:
            if not buckets.take(get_region()):
                return refuse("ThrottlingException", "Rate exceeded", 400)
            return real(request)

        setattr(states, action, ask)

    limited("_start_execution", TokenBuckets(_start_rate))
    limited("_describe_execution", TokenBuckets(lambda region: DESCRIBE_EXECUTION))
