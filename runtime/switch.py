"""The switch that takes a region out of DNS, kept and published in its peer.

Its position is a parameter. A metric publishes it to Route 53's health checkers every minute; where alarms
cannot feed health checks, an object does. All of these are data planes of the peer region: the path needs
nothing in the region that goes out, and no Route 53 or IAM call
(https://aws.amazon.com/blogs/networking-and-content-delivery/creating-disaster-recovery-mechanisms-using-amazon-route-53/).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from runtime import objects
from runtime.contract import Position, switch_object, switch_parameter
from runtime.metric_names import SWITCH_METRIC, SWITCH_NAMESPACE, switch_dimensions, unit_of


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The position of a switch, the version of its parameter (counted from 1), and the time of that write."""

    position: Position
    version: int
    since: datetime


class LaterWord(Protocol):
    """What a side says of itself."""

    def overrules(self, kept: Standing) -> bool:
        """Return whether it was said after its switch was last moved."""


class Switch:
    """The switch of `side`, operated through clients of the peer region."""

    def __init__(
        self,
        *,
        namespace: str,
        cell: str,
        side: str,
        parameters: Any,
        metrics: Any,
        force: LaterWord | None = None,
    ) -> None:
        """`force` is the side's own word, which counts if it was given later."""
        self._name = switch_parameter(namespace, cell, side)
        self._dimensions = [
            {"Name": name, "Value": value} for name, value in switch_dimensions(namespace, cell, side).items()
        ]
        self._parameters, self._metrics, self._force = parameters, metrics, force

    def position(self) -> Position:
        """Return the position: `in` if the side has been forced in since the switch was moved.

        Only while the switch is out is the side asked. Raises ValueError as `standing` does.
        """
        kept = self.standing()
        return Position.IN if self._is_overruled(kept) else kept.position

    def _is_overruled(self, kept: Standing) -> bool:
        return kept.position.is_out and self._force is not None and self._force.overrules(kept)

    def standing(self) -> Standing:
        """Return where the parameter stands; ValueError, which names it, if it holds anything else."""
        found = self._parameters.get_parameter(Name=self._name)["Parameter"]
        position = self._position(found)
        return Standing(position=position, version=found["Version"], since=found["LastModifiedDate"])

    def out_since(self) -> datetime | None:
        """Return the time at which the switch last left `in`, or None while it is `in`.

        A later move from `out` to `lost` does not change it.
        """
        pages = self._parameters.get_paginator("get_parameter_history").paginate(Name=self._name)
        since = None
        for each in sorted((each for page in pages for each in page["Parameters"]), key=_version):
            since = (since or each["LastModifiedDate"]) if each["Value"] != Position.IN else None
        return since

    def _position(self, parameter: dict[str, Any]) -> Position:
        value = parameter["Value"]
        try:
            return Position(value)
        except ValueError as error:
            known = ", ".join(repr(position.value) for position in Position)
            raise ValueError(f"parameter {self._name} holds {value!r}, none of {known}") from error

    def move(self, position: Position, *, kept: Callable[[], None] = lambda: None) -> None:
        """Set the position and publish it at once: one parameter and one data point.

        `kept` is called in between, when the parameter is written. From then on the position is published
        within a minute, even if this call fails.
        """
        self._parameters.put_parameter(Name=self._name, Value=position.value, Type="String", Overwrite=True)
        kept()
        self._publish(position)

    def publish(self) -> Position:
        """Publish where the parameter stands, unless that is overruled; return the position."""
        kept = self.standing()
        if self._is_overruled(kept):
            self._leave_unsaid()
            return Position.IN
        self._publish(kept.position)
        return kept.position

    def _leave_unsaid(self) -> None:
        """Publish nothing: to Route 53, this region is silent about the side."""

    def _publish(self, position: Position) -> None:
        """Publish a position to the health checkers."""
        datum = {
            "MetricName": SWITCH_METRIC,
            "Dimensions": self._dimensions,
            "Value": float(position.is_out),
            "Unit": unit_of(SWITCH_METRIC),
        }
        self._metrics.put_metric_data(Namespace=SWITCH_NAMESPACE, MetricData=[datum])


class ObjectSwitch(Switch):
    """A switch published by an object in a bucket of the peer region, which exists while `side` is out."""

    def __init__(
        self,
        *,
        namespace: str,
        cell: str,
        side: str,
        parameters: Any,
        objects: Any,
        bucket: str,
        force: LaterWord | None = None,
    ) -> None:
        """`objects` is the S3 client of the peer region."""
        super().__init__(
            namespace=namespace, cell=cell, side=side, parameters=parameters, metrics=None, force=force
        )
        self._objects, self._place = objects, {"Bucket": bucket, "Key": switch_object(side)}

    def _publish(self, position: Position) -> None:
        """Put or delete the object, but only on a change: otherwise every minute would add a version."""
        there = objects.head(self._objects, self._place["Bucket"], self._place["Key"]) is not None
        if position.is_out and not there:
            self._objects.put_object(**self._place, Body=b"out\n")
        if there and not position.is_out:
            self._objects.delete_object(**self._place)

    def _leave_unsaid(self) -> None:
        """Remove the object: where nothing is found, the side counts as in."""
        self._publish(Position.IN)


def _version(written: dict[str, Any]) -> int:
    return int(written["Version"])
