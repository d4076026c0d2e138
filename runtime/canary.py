"""The canary: a synthetic transfer through the whole cell, as a customer would send it.

It puts a small file into its own bucket, waits for the fact that the file was delivered, and compares the
delivered copy with the file. In between, the cell does exactly what it does for customers.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from ulid import ULID

from runtime.contract import CANARY_DELIVERED, CANARY_INBOUND, Kind, file_id
from runtime.facts import ENDED, Status, status
from runtime.metric_names import METRIC_CANARY, METRIC_CANARY_SECONDS, METRICS
from runtime.tracker import Tracker

#: Seconds within which the delivery has to be recorded. A customer's small file takes a few.
LIMIT = 120

_LOOK_AGAIN = 1.0
_SIZE = 1024


@dataclass(frozen=True, kw_only=True)
class Flight:
    """One synthetic transfer: the key of its object, its duration in seconds, and the failure, if any."""

    key: str
    seconds: float
    failure: str | None = None


class NotDeliveredError(RuntimeError):
    """The synthetic transfer was not delivered, or not intact; the message says how far it got."""


class Canary:
    """Sends synthetic transfers as `customer`, from and to its `bucket`, and publishes their results."""

    def __init__(
        self,
        *,
        customer: str,
        bucket: str,
        dimensions: Mapping[str, str],
        tracker: Tracker,
        s3: Any,
        metrics: Any,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """`metrics` is a CloudWatch client; `clock` and `wait` count in seconds."""
        self._customer, self._bucket = customer, bucket
        self._dimensions = [{"Name": name, "Value": value} for name, value in dimensions.items()]
        self._tracker, self._s3, self._metrics = tracker, s3, metrics
        self._clock, self._wait = clock, wait

    def fly(self) -> Flight:
        """Send one synthetic transfer, publish whether it was delivered and its duration, and return it.

        If AWS refuses a request or does not answer, the transfer counts as not delivered.
        """
        name, began = str(ULID()), self._clock()
        key = f"{CANARY_INBOUND}{name}"
        failure = None
        try:
            self._send(name, key, until=began + LIMIT)
        except (NotDeliveredError, ClientError, BotoCoreError) as error:
            failure = f"{type(error).__name__}: {error}"
        flight = Flight(key=key, seconds=self._clock() - began, failure=failure)
        self._publish(flight)
        return flight

    def _send(self, name: str, key: str, *, until: float) -> None:
        content = secrets.token_bytes(_SIZE)
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=content)
        self._await_delivery(key, until)
        copy = self._s3.get_object(Bucket=self._bucket, Key=f"{CANARY_DELIVERED}{name}")["Body"].read()
        if copy != content:
            raise NotDeliveredError(f"the delivered copy of {key} differs from the file that was sent")

    def _await_delivery(self, key: str, until: float) -> None:
        file = file_id(self._customer, key)
        while True:
            facts = self._tracker.history(file).facts
            if any(fact.kind is Kind.DELIVERED for fact in facts):
                return
            known = ", ".join(sorted({fact.kind for fact in facts})) or "none"
            if (ended := status(facts)) in ENDED - {Status.DELIVERED}:
                raise NotDeliveredError(f"{key} is {ended}; facts: {known}")
            if self._clock() >= until:
                raise NotDeliveredError(f"{key} was not delivered within {LIMIT} s; facts: {known}")
            self._wait(_LOOK_AGAIN)

    def _publish(self, flight: Flight) -> None:
        delivered = 0.0 if flight.failure else 1.0
        data = [(METRIC_CANARY, delivered, "None"), (METRIC_CANARY_SECONDS, flight.seconds, "Seconds")]
        self._metrics.put_metric_data(
            Namespace=METRICS,
            MetricData=[
                {"MetricName": name, "Dimensions": self._dimensions, "Value": value, "Unit": unit}
                for name, value, unit in data
            ],
        )
