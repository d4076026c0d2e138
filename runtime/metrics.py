"""The metrics that a cell's functions write to their logs, from which CloudWatch extracts them.

No API is called:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format.html. A
metric has the cell's dimensions and no others; a customer is never a dimension. Synthetic transfers are not
counted here, because the canary publishes their results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import assert_never

from aws_lambda_powertools.metrics import MetricUnit, single_metric

from runtime import contract
from runtime.arrival import Arrival, IntakeResult
from runtime.contract import Outcome, Position
from runtime.facts import submitted
from runtime.inbound_sweep import Swept
from runtime.metric_names import (
    METRIC_DELIVERY_SECONDS,
    METRIC_FAILED,
    METRIC_HELD,
    METRIC_HELD_NOW,
    METRIC_NOT_TAKEN_OVER,
    METRIC_OBJECT_GONE,
    METRIC_PEER_OUT,
    METRIC_REJECTED,
    METRIC_REPLICATION_FAILED,
    METRIC_REPLICATION_LATE,
    METRIC_REPLICATION_MISSED,
    METRIC_REPLICATION_UNTRACKED,
    METRIC_RESTARTED,
    METRIC_STALLED,
    METRIC_SWEEP_AGE,
    METRIC_UNKNOWN,
    METRIC_UNPROVEN,
    METRICS,
    unit_of,
)
from runtime.replication import ReplicationEvent
from runtime.restarts import Restarted
from runtime.transfer import Transfer


class Metrics:
    """Counts for one cell; every metric has the cell's `dimensions`."""

    def __init__(
        self, *, dimensions: Mapping[str, str], now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._dimensions, self._now = dict(dimensions), now

    def completed(self, transfer: Transfer, outcome: Outcome) -> None:
        """Count a transfer whose receipt has been sent: its duration, or that it was not delivered.

        An execution that only asked about a held file is not counted: the file was counted when it was held.
        """
        if contract.is_canary(transfer.customer) or transfer.asks:
            return
        match outcome:
            case Outcome.DELIVERED:
                took = self._now() - submitted(transfer.id)
                self._put(METRIC_DELIVERY_SECONDS, took.total_seconds())
            case Outcome.FAILED:
                self._put(METRIC_FAILED)
            case Outcome.HELD:
                self._put(METRIC_HELD)
            case Outcome.DUPLICATE | Outcome.REJECTED:
                return  # a rejection was counted by `taken_in`
            case _:
                assert_never(outcome)

    def taken_in(self, arrived: Arrival, result: IntakeResult) -> None:
        """Count an intake event that was rejected, or that found no object.

        An upload that failed before it left an object is not counted.
        """
        match result:
            case IntakeResult.REJECTED:
                self._put(METRIC_REJECTED)
            case IntakeResult.GONE:
                if arrived.failure is None:
                    self._put(METRIC_OBJECT_GONE)
            case IntakeResult.RECEIVED | IntakeResult.KNOWN | IntakeResult.OURS | IntakeResult.REPLICA:
                return
            case IntakeResult.FOLDER | IntakeResult.TEMPORARY:
                return
            case _:
                assert_never(result)

    def replication(self, event: ReplicationEvent) -> None:
        """Count an object that was not copied to the peer as promised."""
        match event:
            case ReplicationEvent.FAILED:
                self._put(METRIC_REPLICATION_FAILED)
            case ReplicationEvent.MISSED:
                self._put(METRIC_REPLICATION_MISSED)
            case ReplicationEvent.LATE:
                self._put(METRIC_REPLICATION_LATE)
            case ReplicationEvent.UNTRACKED:
                self._put(METRIC_REPLICATION_UNTRACKED)
            case _:
                assert_never(event)

    def held_now(self, files: int) -> None:
        """Publish how many files are held at present."""
        self._put(METRIC_HELD_NOW, files)

    def peer(self, position: Position) -> None:
        """Publish the position of the peer's switch."""
        self._put(METRIC_PEER_OUT, float(position.is_out))

    def not_taken_over(self, count: int) -> None:
        """Count transfers of a lost region that could not be started here."""
        self._put(METRIC_NOT_TAKEN_OVER, count)

    def swept(self, result: Swept) -> None:
        """Publish what a run of the sweep found, and the age of the oldest completed pass."""
        self._put(METRIC_UNKNOWN, len(result.taken))
        self._put(METRIC_UNPROVEN, len(result.doubts))
        self._put(METRIC_SWEEP_AGE, result.age.total_seconds())

    def restarted(self, result: Restarted) -> None:
        """Count the transfers that were restarted, and those that were restarted many times in vain."""
        self._put(METRIC_RESTARTED, len(result.started))
        self._put(METRIC_STALLED, len(result.stalled))

    def _put(self, name: str, value: float = 1) -> None:
        unit, dimensions = MetricUnit(unit_of(name)), self._dimensions
        with single_metric(
            name=name, unit=unit, value=value, namespace=METRICS, default_dimensions=dimensions
        ):
            pass
