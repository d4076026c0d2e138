"""Which series of what canary and probes publish set off the alarms about them, and which must not."""

from __future__ import annotations

from typing import Any

import pytest

from components.network import ZONES
from local.dns.health import within
from local.program import Graph
from local.thresholds import judged
from tests.program.conftest import STACKS

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"


@pytest.fixture(params=STACKS)
def graph(request: pytest.FixtureRequest, graphs: dict[str, Graph]) -> Graph:
    return graphs[request.param]


def described(graph: Graph, name: str) -> dict[str, Any]:
    """Return an alarm as the API describes it."""
    inputs = graph.one(ALARM, f"cell1-{name}").inputs
    whole = {key: int(value) if isinstance(value, float) else value for key, value in inputs.items()}
    return {key[0].upper() + key[1:]: value for key, value in whole.items()}


def is_on(graph: Graph, name: str, *values: float | None) -> bool | None:
    """Return whether an operators' alarm is on after these periods, the oldest first."""
    alarm = described(graph, f"monitoring-{name}")
    assert len(values) == alarm["EvaluationPeriods"]
    return judged(alarm, values)


NOTHING = None


@pytest.mark.parametrize("zone", ZONES)
def test_a_zone_whose_probe_reaches_nobody_or_does_not_report_is_told(graph: Graph, zone: str) -> None:
    name = f"zone-{zone}-silent"
    assert is_on(graph, name, 0, 0, 0, 0, 0)
    assert is_on(graph, name, *[NOTHING] * 5), "a dead zone publishes nothing"
    assert is_on(graph, name, NOTHING, 0, NOTHING, 0, NOTHING)
    assert not is_on(graph, name, 3, 0, 0, NOTHING, 0), "a few minutes are not worth a mail"
    assert not is_on(graph, name, *[NOTHING] * 4, 3), "a new cell has one minute of data"
    assert not is_on(graph, name, 2, 2, 2, 2, 2), "another zone's address is dead, not this zone"
    assert not is_on(graph, name, 3, 3, 3, 3, 3)


def test_a_dead_address_is_told_as_long_as_any_zone_looks(graph: Graph) -> None:
    """The values are the most that any probe has counted."""
    assert is_on(graph, "endpoint-zone-lost", 2, 2, 2, 2, 2)
    assert not is_on(graph, "endpoint-zone-lost", 2, 2, 3, 2, 2), "one probe's bad minute"
    assert not is_on(graph, "endpoint-silent", 2, 1, 2)
    assert is_on(graph, "endpoint-silent", 0, 0, 0)
    assert is_on(graph, "endpoint-silent", NOTHING, NOTHING, NOTHING)


@pytest.mark.parametrize("leg", ["sftp", "s3"])
def test_a_leg_that_fails_twice_in_a_row_is_told(graph: Graph, leg: str) -> None:
    name = f"canary-{leg}-failing"
    assert is_on(graph, name, 0, 0)
    assert not is_on(graph, name, 0, 1)
    assert not is_on(graph, name, 1, 0)
    assert is_on(graph, name, NOTHING, NOTHING) is None, "canary-silent tells that"


def test_a_region_leaves_dns_only_if_no_zone_answers_for_three_minutes(graph: Graph) -> None:
    """As Route 53 judges: the newest periods first, of which each value is the most that a probe counted."""
    alarm = described(graph, "health-endpoint")
    assert (alarm["Statistic"], alarm["Period"]) == ("Maximum", 60)
    for one_zone_silent in ([2, 2, 2, 2, 2], [1, 1, 1], [0, 0, 1], [3, 0, 0]):
        assert within(alarm, one_zone_silent) is True
    assert within(alarm, [0, 0, 0, 3, 3]) is False
    assert within(alarm, [0, 0]) is None, "insufficient: nobody looks, which counts as unhealthy"


def test_a_region_leaves_dns_only_if_a_leg_fails_for_a_quarter_of_an_hour(graph: Graph) -> None:
    """The values are 1 only if both legs delivered."""
    alarm = described(graph, "health-canary")
    assert alarm["Period"] * alarm["EvaluationPeriods"] == 900
    assert within(alarm, [0, 0, 1]) is True
    assert within(alarm, [0, 0, 0, 1, 1]) is False


def test_what_feeds_checks_is_of_the_whole_cell(graph: Graph) -> None:
    for leaf in ("endpoint", "canary"):
        assert set(described(graph, f"health-{leaf}")["Dimensions"]) == {"Namespace", "Cell"}
