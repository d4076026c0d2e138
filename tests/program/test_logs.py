"""Logs of functions, workflow, endpoint and network, which are encrypted and expire, and traces."""

from __future__ import annotations

import json

import pytest

from local.program import Graph
from tests.program.conftest import STACKS

LOGS = "aws:cloudwatch/logGroup:LogGroup"
YEAR = 365


@pytest.fixture(params=STACKS)
def graph(request: pytest.FixtureRequest, graphs: dict[str, Graph]) -> Graph:
    return graphs[request.param]


def test_every_log_is_kept_for_a_year_under_the_cells_key(graph: Graph) -> None:
    key = graph.one("aws:kms/key:Key", "cell1-key").outputs["arn"]
    for each in graph.of(LOGS):
        assert (each.inputs["retentionInDays"], each.inputs["kmsKeyId"]) == (YEAR, key), each.name


def test_whatever_runs_logs_into_a_group_of_its_own(graph: Graph) -> None:
    """A log group that AWS creates by itself would be kept for ever, encrypted with a key of AWS."""
    functions = graph.of("aws:lambda/function:Function")
    into = [each.inputs["loggingConfig"]["logGroup"] for each in functions]
    groups = {each.outputs["name"] for each in graph.of(LOGS)}
    assert len(set(into)) == len(functions)
    assert set(into) <= groups
    (machine,) = graph.of("aws:sfn/stateMachine:StateMachine")
    (own,) = [each for each in graph.of(LOGS) if each.name == machine.name]
    logging = machine.inputs["loggingConfiguration"]
    assert logging["logDestination"] == f"{own.outputs['arn']}:*"
    assert not logging["includeExecutionData"], "names of files are not for logs"


def test_every_session_and_every_refused_login_is_logged(graph: Graph) -> None:
    (server,) = graph.of("aws:transfer/server:Server")
    logs = graph.one(LOGS, "cell1-endpoint-sessions")
    role = graph.one("aws:iam/role:Role", logs.name)
    assert server.inputs["structuredLogDestinations"] == [f"{logs.outputs['arn']}:*"]
    assert server.inputs["loggingRole"] == role.outputs["arn"]
    written = json.loads(graph.one("aws:iam/rolePolicy:RolePolicy", logs.name).inputs["policy"])
    arn = logs.outputs["arn"]
    assert {each["Sid"]: each["Resource"] for each in written["Statement"]} == {
        "WriteLogs": [arn, f"{arn}:*"],
        "FindLogs": ["*"],
    }


def test_functions_and_workflow_are_traced(graph: Graph) -> None:
    for each in graph.of("aws:lambda/function:Function"):
        assert each.inputs["tracingConfig"] == {"mode": "Active"}, each.name
    (machine,) = graph.of("aws:sfn/stateMachine:StateMachine")
    assert machine.inputs["tracingConfiguration"] == {"enabled": True}
