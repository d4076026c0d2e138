"""What the tests of a cell's own monitoring share: its metrics, in CloudWatch and in the logs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.aws.emulator import Emulator
from runtime.metric_names import METRICS


def published(aws: Emulator, region: str, wanted: Mapping[str, str]) -> dict[str, list[float]]:
    """Return the values, by metric, that CloudWatch holds under exactly the wanted dimensions."""
    cloudwatch = aws.client("cloudwatch", region)
    now = datetime.now(UTC)
    dimensions = [{"Name": name, "Value": value} for name, value in wanted.items()]
    listed = cloudwatch.list_metrics(Namespace=METRICS)["Metrics"]
    found: dict[str, list[float]] = {}
    for name in sorted({each["MetricName"] for each in listed}):
        answer = cloudwatch.get_metric_statistics(
            Namespace=METRICS,
            MetricName=name,
            Dimensions=dimensions,
            StartTime=now - timedelta(minutes=10),
            EndTime=now + timedelta(minutes=1),
            Period=60,
            Statistics=["Sum", "SampleCount"],
        )
        points = answer["Datapoints"]
        assert all(point["SampleCount"] == 1 for point in points), name
        if points:
            found[name] = [point["Sum"] for point in points]
    return found


def embedded(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, float, str, dict[str, str]]]:
    """Return name, value, unit and dimensions of the metrics that were logged since the last call.

    As CloudWatch reads them:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    found = []
    for line in capsys.readouterr().out.splitlines():
        document: dict[str, Any] = json.loads(line)
        for directive in document.get("_aws", {}).get("CloudWatchMetrics", ()):
            assert directive["Namespace"] == METRICS
            (names,) = directive["Dimensions"]
            dimensions = {name: document[name] for name in names}
            for metric in directive["Metrics"]:
                for value in document[metric["Name"]]:
                    found.append((metric["Name"], value, metric["Unit"], dimensions))
    return found
