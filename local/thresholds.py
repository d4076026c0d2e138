"""Which values breach the threshold of a CloudWatch alarm, and which series of them set it off."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

BREACHES: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


def judged(alarm: Mapping[str, Any], values: Sequence[float | None]) -> bool | None:
    """Return whether an alarm, as the API describes it, is on, or None if it stays as it is.

    `values` are those of the periods that the alarm evaluates, None for a period without data.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
    """
    breaches = BREACHES.get(alarm["ComparisonOperator"])
    missing = {"breaching": True, "notBreaching": False}.get(alarm["TreatMissingData"])
    if breaches is None:
        return None
    found = [missing if value is None else breaches(value, alarm["Threshold"]) for value in values]
    known = [each for each in found if each is not None]
    wanted = alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"]
    return sum(known) >= wanted if known else None
