"""Alarms that evaluate the metric with their own dimensions, period by period, the last of which ends now.

MiniStack's alarms take every metric of the same name, whatever its dimensions, and all periods as one: one
throttled function would set off the alarms of every function.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation-window.html (sliding)
"""

from __future__ import annotations

import time
from typing import Any

from local.aws.ministack.patching import Module, after, original
from local.thresholds import judged

_CHANGE = "alarms by dimension and period"


@after("services.cloudwatch")
def _alarms(cloudwatch: Module) -> None:
    for name in (
        *("_evaluate_alarm", "_metrics", "_dims_key", "_dims_from_list", "_calc_stats", "_stat_value"),
        *("_record_history", "_dispatch_alarm_actions", "_evaluate_parent_alarms"),
    ):
        original(_CHANGE, cloudwatch, name)

    def evaluate(alarm: dict[str, Any]) -> None:
        if not (alarm.get("Namespace") and alarm.get("MetricName")):
            return
        dimensions = cloudwatch._dims_key(cloudwatch._dims_from_list(alarm.get("Dimensions", [])))
        points = cloudwatch._metrics.get((alarm["Namespace"], alarm["MetricName"], dimensions), [])
        statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic", "Average")
        period, count, now = alarm["Period"], alarm["EvaluationPeriods"], time.time()

        def value(back: int) -> float | None:
            end = now - back * period
            within = [each for each in points if end - period < each["Timestamp"] <= end]
            stats = cloudwatch._calc_stats(within)
            return cloudwatch._stat_value(stats, statistic, within) if stats else None

        is_on = judged(alarm, [value(back) for back in range(count)]) if points else None
        old, new = alarm["StateValue"], "ALARM" if is_on else "OK"
        if is_on is None or old == new:
            return
        reason = f"{statistic} of {alarm['MetricName']}, {alarm['ComparisonOperator']} {alarm['Threshold']}"
        alarm |= {"StateValue": new, "StateReason": reason, "StateUpdatedTimestamp": int(time.time())}
        cloudwatch._record_history(alarm["AlarmName"], old, new, reason)
        cloudwatch._dispatch_alarm_actions(alarm, old, new, reason)
        cloudwatch._evaluate_parent_alarms(alarm)

    cloudwatch._evaluate_alarm = evaluate
