"""The metrics that alarms and dashboards watch, against those that AWS documents and those of the cell."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from local.program import Graph
from runtime import metric_names
from runtime.canary_legs import Leg

#: By namespace: metrics, each with the sets of dimensions that it comes with, and the page that says so.
_DOCUMENTED = Path(__file__).with_name("metrics.json")


@dataclass(frozen=True)
class Watched:
    """A metric that something watches; `by` is an alarm or a dashboard, `dimensions` are sorted names."""

    by: str
    namespace: str
    metric: str
    dimensions: tuple[str, ...]


def complaints(graph: Graph) -> list[str]:
    """Return every watched metric that nobody publishes."""
    return [
        f"{each.by}: {each.namespace} has no {each.metric} with dimensions {list(each.dimensions)}"
        for each in watched(graph)
        if each.dimensions not in published().get((each.namespace, each.metric), ())
    ]


def watched(graph: Graph) -> Iterator[Watched]:
    """Yield the metric of every alarm and of every line of every dashboard."""
    for alarm in graph.of("aws:cloudwatch/metricAlarm:MetricAlarm"):
        of = tuple(sorted(alarm.inputs["dimensions"]))
        yield Watched(alarm.name, alarm.inputs["namespace"], alarm.inputs["metricName"], of)
    for dashboard in graph.of("aws:cloudwatch/dashboard:Dashboard"):
        for widget in json.loads(dashboard.inputs["dashboardBody"])["widgets"]:
            for namespace, metric, *rest in widget["properties"].get("metrics", ()):
                names = [each for each in rest if isinstance(each, str)][::2]
                yield Watched(f"{dashboard.name} dashboard", namespace, metric, tuple(sorted(names)))


@cache
def published() -> dict[tuple[str, str], set[tuple[str, ...]]]:
    found = {
        (entry["namespace"], metric): {tuple(sorted(each)) for each in dimensions}
        for entry in json.loads(_DOCUMENTED.read_text())
        for metric, dimensions in entry["metrics"].items()
    }
    of_cell = tuple(sorted(metric_names.cell_dimensions("", "")))
    for name, metric in vars(metric_names).items():
        if name.startswith("METRIC_"):
            found[metric_names.METRICS, metric] = {of_cell}
    for metric in (metric_names.METRIC_CANARY, metric_names.METRIC_CANARY_SECONDS):
        found[metric_names.METRICS, metric].add(tuple(sorted(metric_names.leg_dimensions("", "", Leg.S3))))
    of_zone = tuple(sorted(metric_names.zone_dimensions("", "", "a")))
    found[metric_names.METRICS, metric_names.METRIC_ADDRESSES].add(of_zone)
    of_switch = tuple(sorted(metric_names.switch_dimensions("", "", "west")))
    of_region = (metric_names.SWITCH_METRIC, metric_names.FORCE_METRIC)
    return found | {(metric_names.SWITCH_NAMESPACE, metric): {of_switch} for metric in of_region}
