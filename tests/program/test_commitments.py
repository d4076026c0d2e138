"""The commitments for the loss of a region: the page states the figures computed from what is deployed."""

from __future__ import annotations

import re

import pytest

from local.drill.commitments import COMMITMENTS, Commitment
from local.program import ROOT, Graph
from tests.program.conftest import STACKS, record

PAGE = ROOT / "docs/disaster-recovery.md"
CHECK, ALARM = "aws:route53/healthCheck:HealthCheck", "aws:cloudwatch/metricAlarm:MetricAlarm"


@pytest.fixture(params=STACKS)
def graph(request: pytest.FixtureRequest, graphs: dict[str, Graph]) -> Graph:
    return graphs[request.param]


def term(name: str) -> int:
    """Return the seconds of a term, which are the same in every formula that contains it."""
    (seconds,) = {seconds for each in COMMITMENTS for known, seconds in each.terms if known == name}
    return seconds


def test_the_terms_are_those_of_what_is_deployed(graph: Graph) -> None:
    (alarm,) = [each.inputs for each in graph.of(ALARM) if "region" in each.inputs]
    assert term("metric period") == alarm["period"] * alarm["evaluationPeriods"]
    records = [
        each.inputs for each in graph.of("aws:route53/record:Record") if "setIdentifier" in each.inputs
    ]
    assert records
    assert max(each["ttl"] for each in records) <= term("TTL")
    takeover = graph.one("aws:cloudwatch/eventRule:EventRule", "cell1-failover-takeover").inputs
    (minutes,) = re.fullmatch(r"rate\((\d+) minutes?\)", takeover["scheduleExpression"]).groups()
    assert term("takeover interval") == int(minutes) * 60
    replications = graph.of("aws:s3/bucketReplicationConfig:BucketReplicationConfig")
    bounds = {
        rule["destination"]["replicationTime"]["time"]["minutes"] * 60
        for each in replications
        for rule in each.inputs["rules"]
    }
    assert bounds == {term("S3 Replication Time Control")}


def test_a_switch_published_as_an_object_has_terms_of_its_own() -> None:
    switch = record("gov-west", config={"mft:switch": "endpoint"}).one(CHECK, "cell1-health-switch").inputs
    assert term("checkers' interval") == switch["requestInterval"] * switch["failureThreshold"]


def rows(text: str) -> dict[str, tuple[str, ...]]:
    """Return the cells of the rows of a page's tables, by the first cell."""
    found = (line.strip("|").split("|") for line in text.splitlines() if line.startswith("|"))
    return {cells[0].strip(): tuple(each.strip() for each in cells[1:]) for cells in found}


@pytest.mark.parametrize("commitment", COMMITMENTS, ids=lambda each: each.measure)
def test_the_page_commits_to_what_is_computed(commitment: Commitment) -> None:
    formula, figure, basis = rows(PAGE.read_text())[commitment.measure]
    assert [int(each) for each in re.findall(r"(\d+) s ", formula)] == [s for _, s in commitment.terms]
    assert (formula, figure, basis) == (commitment.formula, commitment.figure, commitment.basis)


def test_the_page_commits_to_nothing_else() -> None:
    text = PAGE.read_text()
    (table,) = re.findall(r"^\| Measure \|.*?(?=\n\n)", text, re.DOTALL | re.MULTILINE)
    assert set(rows(table)) - {"Measure", "---"} == {each.measure for each in COMMITMENTS}
