"""What a cell's functions count on their way, written to their logs, where CloudWatch takes it from.

No API is called: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format.html.
A metric has the cell's dimensions and no others; a customer is never one. Synthetic transfers count nowhere
here: the canary publishes what became of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from aws_lambda_powertools.metrics import MetricUnit, single_metric

from runtime import contract
from runtime.arrival import Arrival
from runtime.contract import Outcome, Position
from runtime.facts import submitted
from runtime.metric_names import (
    METRIC_DELIVERY_SECONDS,
    METRIC_FAILED,
    METRIC_HELD,
    METRIC_OBJECT_GONE,
    METRIC_PEER_OUT,
    METRIC_REJECTED,
    METRIC_REPLICATION_FAILED,
    METRIC_REPLICATION_LATE,
    METRIC_REPLICATION_MISSED,
    METRIC_REPLICATION_UNTRACKED,
    METRICS,
)
from runtime.replication import ReplicationEvent
from runtime.transfer import Transfer

_ENDS = {Outcome.FAILED: METRIC_FAILED, Outcome.HELD: METRIC_HELD}
_REPLICATION = {
    ReplicationEvent.FAILED: METRIC_REPLICATION_FAILED,
    ReplicationEvent.MISSED: METRIC_REPLICATION_MISSED,
    ReplicationEvent.LATE: METRIC_REPLICATION_LATE,
    ReplicationEvent.UNTRACKED: METRIC_REPLICATION_UNTRACKED,
}


class Metrics:
    """Counts for one cell, whose `dimensions` every metric has."""

    def __init__(
        self, *, dimensions: Mapping[str, str], now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._dimensions, self._now = dict(dimensions), now

    def completed(self, transfer: Transfer, outcome: Outcome) -> None:
        """Count a transfer whose receipt has been sent: how long it took, or that it was not delivered.

        One that only asked its destination about a file was counted when it was held.
        """
        if contract.is_canary(transfer.customer) or transfer.asks:
            return
        if outcome is Outcome.DELIVERED:
            took = self._now() - submitted(transfer.id)
            self._put(METRIC_DELIVERY_SECONDS, took.total_seconds(), MetricUnit.Seconds)
        elif outcome in _ENDS:
            self._put(_ENDS[outcome])

    def taken_in(self, arrived: Arrival, became: str) -> None:
        """Count an intake event that was answered with a refusal, or that found no object.

        An upload that failed before it left an object is neither.
        """
        if became == "rejected":
            self._put(METRIC_REJECTED)
        elif became == "gone" and arrived.failure is None:
            self._put(METRIC_OBJECT_GONE)

    def replication(self, event: ReplicationEvent) -> None:
        """Count an object that was not copied as promised."""
        self._put(_REPLICATION[event])

    def peer(self, position: Position) -> None:
        """Say where the peer's switch stands."""
        self._put(METRIC_PEER_OUT, float(position.is_out))

    def _put(self, name: str, value: float = 1, unit: MetricUnit = MetricUnit.Count) -> None:
        with single_metric(
            name=name, unit=unit, value=value, namespace=METRICS, default_dimensions=self._dimensions
        ):
            pass
