"""The page about metrics and alarms: what is published, in which unit, and what reads it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from runtime import metric_names
from tests.pages.approved import Approved, of
from tests.pages.markdown import WRITTEN, code, listed, table
from tests.validators.metrics import published

_HEAD = f"""{WRITTEN}
# Metrics and alarms

What a cell publishes, what it reads of AWS's own metrics, and which alarm or health check looks at it. A
customer is never a dimension. The names of alarms are those of the first cell, without the prefix
`cell1-`; what to do when one goes off is in the [runbook](runbook.md).

## Metrics of a cell

Functions write most of these to their logs in CloudWatch's embedded metric format; canary, probe and
switch publish theirs with PutMetricData. `Namespace`, `Cell`, `Region`, `Leg` and `Zone` are the
dimensions: the environment, the cell's number, the region that a switch is about, the way through the
cell, and the availability zone.
"""

_OF_AWS = """
## Metrics of AWS that are read

The dimensions are as AWS documents them; `tests/validators/metrics.json` names the page for each.
"""

_ALARMS = """
## Alarms

An alarm without a link to the runbook is read by a health check only. `n of m` means that the value has
to be so in n of the last m periods. What a period without data means is in the last column.
"""

_SILENCE = {
    "notBreaching": "all is well",
    "breaching": "the alarm goes off",
    "missing": "nothing",
    None: "nothing",
}
_SIGNS = {"LessThanThreshold": "below", "GreaterThanOrEqualToThreshold": "at least"}


def metrics_page() -> str:
    """Return the page as Markdown."""
    alarms = of("aws:cloudwatch/metricAlarm")
    ours = {metric_names.METRICS, metric_names.SWITCH_NAMESPACE}
    of_aws = sorted({_watched(each) for each in alarms if each.inputs["namespace"] not in ours})
    return "".join(
        (
            _HEAD,
            "\n",
            table(("metric", "namespace", "meaning", "unit", "dimensions", "read by"), _own(alarms)),
            _OF_AWS,
            "\n",
            table(
                ("metric", "namespace", "dimensions", "read by"),
                (
                    (code(name), code(namespace), listed(dimensions), _readers(alarms, namespace, name))
                    for namespace, name, dimensions in of_aws
                ),
            ),
            _ALARMS,
            "\n",
            table(("alarm", "metric", "goes off when", "runbook", "no data means"), map(_alarm, alarms)),
        )
    )


def _own(alarms: list[Approved]) -> Iterator[tuple[str, ...]]:
    for metric, meaning in sorted(meanings().items()):
        namespaces = [namespace for namespace, name in published() if name == metric]
        for namespace in namespaces:
            sets = sorted(published()[namespace, metric], key=len)
            yield (
                code(metric),
                code(namespace),
                meaning,
                metric_names.unit_of(metric),
                "; ".join(map(listed, sets)),
                _readers(alarms, namespace, metric) or "the dashboard and `mft-ops`",
            )


@cache
def meanings() -> dict[str, str]:
    """Return what each metric of a cell means, as the comment above its name says."""
    text = Path(metric_names.__file__).read_text()
    lines, found = text.splitlines(), {}
    comment = ""
    for node in ast.parse(text).body:
        if not isinstance(node, ast.Assign):
            continue
        above = node.lineno - 2
        words: list[str] = []
        while lines[above].startswith("#:"):
            words.insert(0, lines[above][2:].strip())
            above -= 1
        comment = " ".join(words) or comment
        names = [each.id for each in ast.walk(node.targets[0]) if isinstance(each, ast.Name)]
        for name in names:
            if re.fullmatch(r"METRIC_\w+|\w+_METRIC", name):
                found[vars(metric_names)[name]] = comment
    return found


def _watched(alarm: Approved) -> tuple[str, str, tuple[str, ...]]:
    inputs = alarm.inputs
    return inputs["namespace"], inputs["metricName"], tuple(sorted(inputs["dimensions"]))


def _readers(alarms: list[Approved], namespace: str, metric: str) -> str:
    names = (
        each.role
        for each in alarms
        if (each.inputs["namespace"], each.inputs["metricName"]) == (namespace, metric)
    )
    return listed(sorted(_alike(names)))


def _alike(names: Any) -> set[str]:
    """Return names of which those that only differ by function, rule or zone are one, with a `*`."""
    kinds = r"errors|throttles|undelivered|dead-letters|ports|silent"
    several: dict[str, set[str]] = {}
    for name in names:
        several.setdefault(re.sub(rf"^(monitoring)-.+-({kinds})$", r"\1-*-\2", name), set()).add(name)
    return {pattern if len(those) > 1 else min(those) for pattern, those in several.items()}


def _alarm(alarm: Approved) -> tuple[str, ...]:
    inputs = alarm.inputs
    statistic = inputs.get("statistic") or inputs.get("extendedStatistic")
    breaching, periods = (
        inputs.get("datapointsToAlarm", inputs["evaluationPeriods"]),
        inputs["evaluationPeriods"],
    )
    often = f", {breaching} of {periods} times" if periods > 1 else ""
    when = f"{_SIGNS[inputs['comparisonOperator']]} {inputs['threshold']:g}"
    section = re.search(r"#([\w-]+)$", inputs["alarmDescription"])
    return (
        code(alarm.role),
        code(inputs["metricName"]),
        f"{statistic} of {inputs['period']} s is {when}{often}",
        f"[{section[1].replace('-', ' ')}](runbook.md#{section[1]})" if section else "",
        _SILENCE[inputs.get("treatMissingData")],
    )
