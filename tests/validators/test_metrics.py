"""Alarms and dashboards that watch what nobody publishes are found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from local.program import Graph
from tests.validators.metrics import complaints
from tests.validators.planting import planted, planted_document

ALARM, DASHBOARD = "aws:cloudwatch/metricAlarm:MetricAlarm", "aws:cloudwatch/dashboard:Dashboard"


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"metricName": "ExecutionsFail"}, "has no ExecutionsFail with dimensions"),
        ({"namespace": "AWS/Lambdas"}, "AWS/Lambdas has no"),
        ({"dimensions": {"Function": "ingest"}}, "with dimensions ['Function']"),
    ],
)
def test_an_alarm_on_a_metric_that_does_not_exist_is_found(
    sample: Graph, inputs: dict[str, Any], said: str
) -> None:
    alarm = planted(sample.resources, ALARM, **inputs)
    (found,) = complaints(replace(sample, resources=(alarm,)))
    assert said in found


def test_a_line_on_a_metric_that_does_not_exist_is_found(sample: Graph) -> None:
    def change(body: dict[str, Any]) -> None:
        next(each for each in body["widgets"] if each["type"] == "metric")["properties"]["metrics"][0][1] = (
            "X"
        )

    dashboard = planted_document(sample.resources, DASHBOARD, "dashboardBody", change)
    (found,) = complaints(replace(sample, resources=(dashboard,)))
    assert "mft/cell has no X with dimensions ['Cell', 'Leg', 'Namespace']" in found
