"""Validators that nobody here wrote, over every recorded graph, find nothing.

The graphs are those of both stacks, with the switch an object and an alarm, with the peer absent and present,
and those in which every name is as long as it is accepted. They take a while to record: hence one file.
Each validator has a file of its own, in which it finds planted faults.
"""

from __future__ import annotations

import json

import pytest

from local.program import Graph, Resource
from tests.iam import documents
from tests.program.conftest import STACKS
from tests.validators import (
    cloudformation,
    cloudformation_types,
    iam_database,
    metrics,
    name_limits,
    policy_sizes,
    service_calls,
    states,
    terraform,
)
from tests.validators.longest_names import longest
from tests.validators.recordings import CONFIGURATIONS, HALF, distinct, recorded, region
from tests.validators.service_calls import CALLS, UNCALLED


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(HALF, id="half"),
        pytest.param(CONFIGURATIONS, id="all", marks=pytest.mark.exhaustive),
    ],
)
def samples(dependencies: None, request: pytest.FixtureRequest) -> list[Graph]:
    """The graphs of the sample registry: four of them, and all eight in `make test-all`."""
    return [recorded(*each) for each in request.param]


@pytest.fixture(scope="session")
def longest_named(dependencies: None) -> list[Graph]:
    """The graphs of both stacks in which every name is as long as it is accepted."""
    return [longest(stack) for stack in STACKS]


@pytest.fixture(scope="session")
def graphs(samples: list[Graph], longest_named: list[Graph]) -> list[Graph]:
    """All of them."""
    return samples + longest_named


@pytest.fixture(scope="session")
def resources(graphs: list[Graph]) -> list[Resource]:
    """The distinct AWS resources of all graphs."""
    return distinct(graphs)


def test_every_type_has_its_calls_or_a_reason_why_not(resources: list[Resource]) -> None:
    assert {each.type for each in resources} == CALLS.keys() | UNCALLED.keys()
    assert not CALLS.keys() & UNCALLED.keys()


def test_the_services_take_every_request(resources: list[Resource]) -> None:
    problems = [
        f"{resource.urn}: {each}"
        for resource in resources
        if resource.type in CALLS
        for each in service_calls.refusals(resource)
    ]
    assert not problems, "\n".join(problems)


def test_terraforms_provider_has_every_type_and_every_input(resources: list[Resource]) -> None:
    schemas = json.loads(terraform.RECORDED.read_text())["types"]
    assert {terraform.type_of(each.type) for each in resources} == schemas.keys() | terraform.ABSENT.keys()
    for each in resources:
        if terraform.type_of(each.type) in schemas:
            assert terraform.arguments(each, schemas)


def test_every_type_is_linted_or_has_a_reason_why_not(resources: list[Resource]) -> None:
    linted, unlinted = cloudformation_types.TEMPLATES.keys(), cloudformation_types.UNLINTED.keys()
    assert {each.type for each in resources} == linted | unlinted
    assert not linted & unlinted


def linted(samples: list[Graph], where: str) -> list[Resource]:
    """Return the distinct resources of a region that cfn-lint can read."""
    found = distinct([graph for graph in samples if region(graph) == where])
    return [each for each in found if each.type in cloudformation_types.TEMPLATES]


@pytest.mark.parametrize(
    "where", ["us-gov-west-1", pytest.param("us-gov-east-1", marks=pytest.mark.exhaustive)]
)
def test_cfn_lint_finds_nothing(samples: list[Graph], where: str) -> None:
    problems = cloudformation.complaints(linted(samples, where), where)
    assert not problems, "\n".join(problems)


def test_cfn_lint_finds_nothing_in_one_resource_of_each_type_in_the_east(samples: list[Graph]) -> None:
    """The East's inputs are the West's but for names: what it may lack is a type."""
    where = "us-gov-east-1"
    one_of_each = {each.type: each for each in linted(samples, where)}
    assert one_of_each.keys() <= {each.type for each in linted(samples, "us-gov-west-1")}
    problems = cloudformation.complaints([*one_of_each.values()], where)
    assert not problems, "\n".join(problems)


def test_the_state_machines_definition_is_valid(resources: list[Resource]) -> None:
    machines = [each for each in resources if each.type == "aws:sfn/stateMachine:StateMachine"]
    problems = [f"{m.urn}: {each}" for m in machines for each in states.complaints(m.inputs["definition"])]
    assert len(machines) > 3
    assert not problems, "\n".join(problems)


def test_every_policy_names_actions_resources_and_conditions_that_exist(graphs: list[Graph]) -> None:
    found = {json.dumps(each.raw): each for graph in graphs for each in documents(graph)}
    assert len(found) > 100, "policies were looked for in the wrong place"
    problems = [f"{each}: {said}" for each in found.values() for said in iam_database.complaints(each.raw)]
    assert not problems, "\n".join(problems)


def test_every_policy_fits_however_long_the_names_are(graphs: list[Graph]) -> None:
    problems = policy_sizes.complaints(graphs)
    assert not problems, "\n".join(problems)
    assert {kind for graph in graphs for kind, _ in policy_sizes.sizes(graph)} == policy_sizes.LIMITS.keys()


def test_every_watched_metric_is_documented(graphs: list[Graph]) -> None:
    problems = [each for graph in graphs for each in metrics.complaints(graph)]
    assert not problems, "\n".join(problems)
    assert len({each for graph in graphs for each in metrics.watched(graph)}) > 30


def test_every_name_fits_however_long_its_parts_are(longest_named: list[Graph]) -> None:
    problems = [each for graph in longest_named for each in name_limits.complaints(graph)]
    assert not problems, "\n".join(problems)
    types = {each.type for graph in longest_named for each in graph.resources}
    assert types >= {type for type, _ in name_limits.LIMITS}
