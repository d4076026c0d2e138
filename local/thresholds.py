"""Which values breach the threshold of a CloudWatch alarm, by the alarm's comparison operator."""

from __future__ import annotations

import operator
from collections.abc import Callable

BREACHES: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
