"""What the pages say of the size of a stack and the parts of its bill is what the program makes."""

from __future__ import annotations

import re

import pytest

from local.program import ROOT, Graph
from tests.program.conftest import STACKS


@pytest.fixture(params=STACKS)
def graph(request: pytest.FixtureRequest, graphs: dict[str, Graph]) -> Graph:
    return graphs[request.param]


def test_the_parts_of_the_bill_are_counted_as_the_program_makes_them(graph: Graph) -> None:
    page = (ROOT / "docs/deploy.md").read_text()
    table = page.partition("## What it costs")[2].partition("\n## ")[0]
    told = {
        part: int(number) for part, number in re.findall(r"^\| ([^|*]+?) \| (\d+)\D", table, re.MULTILINE)
    }
    endpoints = graph.of("aws:ec2/vpcEndpoint:VpcEndpoint")
    made = {
        "Transfer Family endpoint with SFTP": len(graph.of("aws:transfer/server:Server")),
        "NAT gateways": len(graph.of("aws:ec2/natGateway:NatGateway")),
        "interface endpoints, each in 3 zones": len(
            [each for each in endpoints if each.inputs["vpcEndpointType"] == "Interface"]
        ),
        "public IPv4 addresses": len(graph.of("aws:ec2/eip:Eip")),
        "alarms": len(graph.of("aws:cloudwatch/metricAlarm:MetricAlarm")),
        "health checks": len(
            [
                each
                for each in graph.of("aws:route53/healthCheck:HealthCheck")
                if each.name.startswith("cell1-health-")
            ]
        ),
        "keys: the cell's, and that of the state": 1 + len(graph.of("aws:kms/key:Key")),
    }
    assert told == made


def test_the_pages_say_how_many_resources_a_stack_has(graph: Graph) -> None:
    made = len([each for each in graph.resources if each.type.startswith("aws:")])
    told = [
        *re.findall(r"A stack has about (\d+) resources", (ROOT / "README.md").read_text()),
        *re.findall(r"it has (\d+) now", (ROOT / "docs/deploy.md").read_text()),
    ]
    assert len(told) == 2
    assert [number for number in told if abs(int(number) - made) > 10] == []
