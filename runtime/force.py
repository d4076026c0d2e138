"""A region's own word that it is in DNS: the lever that is left while the keeper of its switch is silent.

The word is a parameter and a metric in the region itself: data planes, and no Route 53 or IAM call. To
Route 53 it outweighs a keeper that it does not hear, and not one that says `out`
(docs/adr/0034-force-in.md). Between the two regions the later word counts: a keeper that returns leaves an
older `out` unsaid, and the word is withdrawn as soon as the keeper has spoken after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from runtime.contract import FORCED, UNFORCED, force_parameter
from runtime.metric_names import FORCE_METRIC, SWITCH_NAMESPACE, switch_dimensions, unit_of
from runtime.switch import Standing, Switch


@dataclass(frozen=True, kw_only=True)
class ForceStanding:
    """Whether a region is forced in, the version of its parameter, and the time of that write.

    The version is 0, and there is no time, where the parameter has never been written.
    """

    is_on: bool
    version: int
    since: datetime | None


class Force:
    """The word of `side`, given through clients of its own region."""

    def __init__(self, *, namespace: str, cell: str, side: str, parameters: Any, metrics: Any = None) -> None:
        """Without `metrics` it can only be read."""
        self._name = force_parameter(namespace, cell)
        self._dimensions = [
            {"Name": name, "Value": value} for name, value in switch_dimensions(namespace, cell, side).items()
        ]
        self._parameters, self._metrics = parameters, metrics

    def standing(self) -> ForceStanding:
        """Return where the word stands; ValueError, which names the parameter, if it holds anything else."""
        try:
            found = self._parameters.get_parameter(Name=self._name)["Parameter"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "ParameterNotFound":
                raise
            return ForceStanding(is_on=False, version=0, since=None)
        if found["Value"] not in (UNFORCED, FORCED):
            raise ValueError(
                f"parameter {self._name} holds {found['Value']!r}, none of {UNFORCED!r}, {FORCED!r}"
            )
        return ForceStanding(
            is_on=found["Value"] == FORCED, version=found["Version"], since=found["LastModifiedDate"]
        )

    def overrules(self, kept: Standing) -> bool:
        """Return whether the region has been forced in since its keeper said this. A dead region has not."""
        try:
            return outdates(self.standing(), kept)
        except (BotoCoreError, ClientError):
            return False

    def move(self, *, is_on: bool, kept: Callable[[], None] = lambda: None) -> None:
        """Give the word, or take it back; `kept` is called when the parameter is written, before the metric.

        From then on the region publishes it within a minute. What is taken back is no longer published, and
        Route 53 does without it three periods later.
        """
        value = FORCED if is_on else UNFORCED
        self._parameters.put_parameter(Name=self._name, Value=value, Type="String", Overwrite=True)
        kept()
        if is_on:
            self.publish()

    def publish(self) -> None:
        """Publish the word, to the health checkers and to an alarm."""
        datum = {
            "MetricName": FORCE_METRIC,
            "Dimensions": self._dimensions,
            "Value": 1.0,
            "Unit": unit_of(FORCE_METRIC),
        }
        self._metrics.put_metric_data(Namespace=SWITCH_NAMESPACE, MetricData=[datum])

    def repeat(self, keeper: Switch) -> bool:
        """Publish the word if it was given, or withdraw it if `keeper`, this side's switch, has spoken since.

        Returns whether the region is forced in.
        """
        word = self.standing()
        if not word.is_on:
            return False
        try:
            is_over = not outdates(word, keeper.standing())
        except (BotoCoreError, ClientError):
            is_over = False
        if is_over:
            self.move(is_on=False)
        else:
            self.publish()
        return not is_over


def outdates(word: ForceStanding, kept: Standing) -> bool:
    """Return whether a region's word was given after its switch was last moved."""
    return word.is_on and word.since is not None and word.since > kept.since
