"""The canary: synthetic transfers through the whole cell, as a customer would send them.

On each leg (by SFTP to a server, by S3 to a bucket) it sends a small file, waits for the fact that the file
was delivered, and compares the delivered copy with the file. In between, the cell does exactly what it does
for customers.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from ulid import ULID

from runtime import canary_legs
from runtime.canary_legs import Leg
from runtime.canary_upload import NotSentError
from runtime.contract import Kind, canary, file_id
from runtime.delivery.errors import DeliveryError
from runtime.facts import ENDED, Status, status
from runtime.metric_names import (
    METRIC_CANARY,
    METRIC_CANARY_SECONDS,
    METRICS,
    cell_dimensions,
    leg_dimensions,
    unit_of,
)
from runtime.tracker import Tracker

#: Seconds within which the delivery has to be recorded. A customer's small file takes a few.
LIMIT = 120

_LOOK_AGAIN = 1.0
_SIZE = 1024


@dataclass(frozen=True, kw_only=True)
class Flight:
    """One synthetic transfer: its leg, its object's key, its duration in seconds, and the failure, if any."""

    leg: Leg
    key: str
    seconds: float
    failure: str | None = None


class NotDeliveredError(RuntimeError):
    """The synthetic transfer was not delivered, or not intact; the message says how far it got."""


#: Takes the name and the content of a file, and sends it.
Upload = Callable[[str, bytes], None]


class Canary:
    """Sends synthetic transfers as the customer of `cell`, whose `bucket` they also reach, on every leg.

    `uploads` are by leg.
    """

    def __init__(
        self,
        *,
        namespace: str,
        cell: str,
        bucket: str,
        uploads: Mapping[Leg, Upload],
        tracker: Tracker,
        s3: Any,
        metrics: Any,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """`metrics` is a CloudWatch client; `clock` and `wait` count in seconds."""
        self._namespace, self._cell, self._bucket = namespace, cell, bucket
        self._uploads = uploads
        self._tracker, self._s3, self._metrics = tracker, s3, metrics
        self._clock, self._wait = clock, wait

    def fly(self) -> list[Flight]:
        """Send one synthetic transfer on each leg at once; publish and return what became of them.

        Published are the durations and whether the transfers were delivered. If AWS or the endpoint refuses a
        request or does not answer, a transfer counts as not delivered.
        """
        with ThreadPoolExecutor(max_workers=len(self._uploads)) as legs:
            flights = list(legs.map(self._fly, self._uploads))
        self._publish(flights)
        return flights

    def _fly(self, leg: Leg) -> Flight:
        name, began = str(ULID()), self._clock()
        key = f"{canary_legs.inbound(self._cell, leg)}{name}"
        failure = None
        try:
            self._send(leg, name, key, until=began + LIMIT)
        except (NotDeliveredError, NotSentError, DeliveryError, ClientError, BotoCoreError) as error:
            failure = f"{type(error).__name__}: {error}"
        return Flight(leg=leg, key=key, seconds=self._clock() - began, failure=failure)

    def _send(self, leg: Leg, name: str, key: str, *, until: float) -> None:
        content = secrets.token_bytes(_SIZE)
        self._uploads[leg](name, content)
        self._await_delivery(key, until)
        delivered = f"{canary_legs.delivered(leg)}{name}"
        copy = self._s3.get_object(Bucket=self._bucket, Key=delivered)["Body"].read()
        if copy != content:
            raise NotDeliveredError(f"the delivered copy of {key} differs from the file that was sent")

    def _await_delivery(self, key: str, until: float) -> None:
        file = file_id(canary(self._cell), key)
        while True:
            facts = self._tracker.newest(file).facts
            if any(fact.kind is Kind.DELIVERED for fact in facts):
                return
            known = ", ".join(sorted({fact.kind for fact in facts})) or "none"
            if (ended := status(facts)) in ENDED - {Status.DELIVERED}:
                raise NotDeliveredError(f"{key} is {ended}; facts: {known}")
            if self._clock() >= until:
                raise NotDeliveredError(f"{key} was not delivered within {LIMIT} s; facts: {known}")
            self._wait(_LOOK_AGAIN)

    def _publish(self, flights: list[Flight]) -> None:
        """Publish the flights by leg, and the worst of them for the cell, in one request."""
        of_cell = cell_dimensions(self._namespace, self._cell)
        data = list(_data(of_cell, flights))
        for flight in flights:
            data += _data(leg_dimensions(self._namespace, self._cell, flight.leg), [flight])
        self._metrics.put_metric_data(Namespace=METRICS, MetricData=data)


def _data(dimensions: Mapping[str, str], flights: list[Flight]) -> Iterator[dict[str, Any]]:
    """Yield the metrics of the worst of some flights."""
    delivered = 0.0 if any(flight.failure for flight in flights) else 1.0
    slowest = max(flight.seconds for flight in flights)
    named = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    for metric, value in ((METRIC_CANARY, delivered), (METRIC_CANARY_SECONDS, slowest)):
        yield {"MetricName": metric, "Dimensions": named, "Value": value, "Unit": unit_of(metric)}
