"""The switch that takes a region out of DNS, kept and published in its peer.

Its position is a parameter; a metric says it to Route 53's health checkers, republished every minute. Both
are data planes of the peer region: nothing in the region that goes out, and no Route 53 or IAM call, is on
the path (https://aws.amazon.com/blogs/networking-and-content-delivery/creating-disaster-recovery-mechanisms-using-amazon-route-53/).
"""

from __future__ import annotations

from typing import Any

from runtime.contract import (
    SWITCH_METRIC,
    SWITCH_NAMESPACE,
    Position,
    switch_dimensions,
    switch_parameter,
)


class Switch:
    """The switch of `side`, worked through clients of the peer region."""

    def __init__(self, *, namespace: str, cell: str, side: str, parameters: Any, metrics: Any) -> None:
        self._name = switch_parameter(namespace, cell, side)
        self._dimensions = [
            {"Name": name, "Value": value} for name, value in switch_dimensions(namespace, cell, side).items()
        ]
        self._parameters, self._metrics = parameters, metrics

    def position(self) -> Position:
        """Return where the switch stands; ValueError, naming the parameter, when it holds something else."""
        value = self._parameters.get_parameter(Name=self._name)["Parameter"]["Value"]
        try:
            return Position(value)
        except ValueError as error:
            known = " nor ".join(repr(position.value) for position in Position)
            raise ValueError(f"parameter {self._name} holds {value!r}, neither {known}") from error

    def move(self, position: Position) -> None:
        """Put the switch to a position and publish it at once: one parameter, one datapoint."""
        self._parameters.put_parameter(Name=self._name, Value=position.value, Type="String", Overwrite=True)
        self._say(position)

    def publish(self) -> Position:
        """Publish where the switch stands, and return it."""
        position = self.position()
        self._say(position)
        return position

    def _say(self, position: Position) -> None:
        datum = {
            "MetricName": SWITCH_METRIC,
            "Dimensions": self._dimensions,
            "Value": 1.0 if position is Position.OUT else 0.0,
            "Unit": "None",
        }
        self._metrics.put_metric_data(Namespace=SWITCH_NAMESPACE, MetricData=[datum])
