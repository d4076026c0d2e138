"""All fields of an alarm, in both protocols that AWS's SDK for Go speaks with CloudWatch.

Up to v1.52 its client speaks the Query protocol, and from v1.53.0 on RPC v2 CBOR
(https://github.com/aws/aws-sdk-go-v2/blob/main/service/cloudwatch/CHANGELOG.md). MiniStack loses some fields
of what it is given, and describes an alarm in the Query protocol with ten of them.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricAlarm.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from local.aws.ministack.patching import Module, after, original

_CHANGE = "fields of alarms"
_LOW_SAMPLES = "EvaluateLowSampleCountPercentile"

#: What DescribeAlarms can be asked for.
_TEXTS = ("AlarmNamePrefix", "ActionPrefix", "StateValue", "NextToken", "MaxRecords")
_LISTS = ("AlarmNames", "AlarmTypes")


def xml(name: str, value: Any) -> str:
    """Return a member of an answer in the form of the Query protocol; nothing for None."""
    match value:
        case None:
            return ""
        case Mapping():
            text = "".join(xml(key, each) for key, each in value.items())
        case list():
            text = "".join(xml("member", each) for each in value)
        case bool():
            text = str(value).lower()
        case int() | float() if name.endswith("Timestamp"):
            text = datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        case _:
            text = escape(str(value))
    return f"<{name}>{text}</{name}>"


@after("services.cloudwatch")
def _alarms(cloudwatch: Module) -> None:
    put, describe = (
        original(_CHANGE, cloudwatch, "_put_metric_alarm"),
        original(_CHANGE, cloudwatch, "_describe_alarms"),
    )
    alarms, value = original(_CHANGE, cloudwatch, "_alarms"), original(_CHANGE, cloudwatch, "_p")
    answer = original(_CHANGE, cloudwatch, "_xml")

    def members(params: Mapping[str, Any], name: str) -> list[str]:
        numbered = (f"{name}.member.{number}" for number in range(1, 101))
        return [value(params, each) for each in numbered if value(params, each)]

    def kept(params: Mapping[str, Any], data: Mapping[str, Any], *how: bool) -> Any:
        made = put(params, data, *how)
        alarm = alarms.get(data.get("AlarmName") or value(params, "AlarmName"))
        if made[0] != 200 or alarm is None:
            return made
        if not data:
            alarm["InsufficientDataActions"] = members(params, "InsufficientDataActions")
        if alarm.get("ExtendedStatistic"):
            alarm.pop("Statistic", None)
        if low_samples := data.get(_LOW_SAMPLES) or value(params, _LOW_SAMPLES):
            alarm[_LOW_SAMPLES] = low_samples
        return made

    def described(
        params: Mapping[str, Any], data: Mapping[str, Any], is_cbor: bool, is_json: bool = False
    ) -> Any:
        if is_cbor or is_json:
            return describe(params, data, is_cbor, is_json)
        asked: dict[str, Any] = {name: value(params, name) for name in _TEXTS if value(params, name)}
        asked |= {name: members(params, name) for name in _LISTS if members(params, name)}
        found = describe({}, asked, False, True)
        if found[0] != 200:
            return describe(params, data, is_cbor, is_json)
        return answer(200, "DescribeAlarmsResponse", xml("DescribeAlarmsResult", json.loads(found[2])))

    cloudwatch._put_metric_alarm, cloudwatch._describe_alarms = kept, described
