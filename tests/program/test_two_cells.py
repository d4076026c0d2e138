"""Two cells of one account: each has its own customers, and no two resources have one physical name."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from customers import quota
from customers.registry import load
from local import program
from local.program import Graph, ProgramError, Resource
from runtime.contract import REGION_OF, SIDES
from tests.program.conftest import RUNTIME, SECRETS, ask, record
from tests.program.two_cells import STACKS, project

#: Inputs that make a physical name, or the part of one that belongs to a resource.
NAMING = ("name", "bucket", "key", "dashboardName", "referenceName", "setIdentifier", "userName")
#: Types of the account, whose names are the same in both regions.
GLOBAL = ("aws:iam/", "aws:route53/", "aws:s3/", "aws:cloudwatch/dashboard:")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return project(tmp_path_factory.mktemp("two-cells"))


@pytest.fixture(scope="module")
def two(root: Path, dependencies: None) -> dict[str, tuple[Graph, ...]]:
    """The graphs of both stacks, West first, by cell."""
    return {
        cell: tuple(record(stack, root=root, cells=2) for stack in stacks) for cell, stacks in STACKS.items()
    }


def region(graph: Graph) -> str:
    return REGION_OF[next(side for side in SIDES if side in graph.stack)]


def physical(resource: Resource, here: str) -> tuple[Any, ...]:
    """Return what AWS tells a resource by: where its names count, and its names.

    One without a name of its own gets the program's name for it, with random letters behind it.
    """
    place = "" if resource.type.startswith(GLOBAL) else resource.inputs.get("region") or here
    if resource.type == "aws:route53/record:Record":
        return (resource.type, *(resource.inputs.get(each) for each in ("name", "type", "setIdentifier")))
    given = [
        json.dumps(resource.inputs[each]) for each in NAMING if isinstance(resource.inputs.get(each), str)
    ]
    return (resource.type, place, *(given or [resource.name]))


def names(graph: Graph) -> Iterator[tuple[Any, ...]]:
    for each in graph.resources:
        if each.custom and not each.type.startswith("pulumi:"):
            yield physical(each, region(graph))


def test_stacks_of_a_cell_hold_only_its_customers(two: dict[str, tuple[Graph, ...]]) -> None:
    for graph in two["1"]:
        assert set(graph.exports["buckets"]) == {"c7k2m", "r2w6d"}
    for graph in two["2"]:
        assert set(graph.exports["buckets"]) == {"h4t9q", "x8p3v"}
        (server,) = graph.of("aws:transfer/server:Server")
        assert server.name == "cell2-endpoint-server"


def test_no_two_physical_names_of_cells_of_one_account_are_alike(two: dict[str, tuple[Graph, ...]]) -> None:
    first, second = (Counter(chain.from_iterable(map(names, two[cell]))) for cell in STACKS)
    assert len(first) > 500
    assert set(first) & set(second) == set()


def test_names_are_recognised_as_alike(two: dict[str, tuple[Graph, ...]]) -> None:
    """The comparison above sees something: two runs of one stack have the same names throughout."""
    west = two["1"][0]
    assert set(names(west)) == set(names(west))
    assert {each[0] for each in names(west) if each[1] == ""} >= {
        *("aws:s3/bucket:Bucket", "aws:iam/role:Role", "aws:route53/healthCheck:HealthCheck"),
    }


def test_no_export_of_one_cell_is_that_of_another(two: dict[str, tuple[Graph, ...]]) -> None:
    def values(cell: str) -> set[str]:
        return {
            json.dumps(value)
            for graph in two[cell]
            for export in graph.exports.values()
            for value in (export.values() if isinstance(export, dict) else [export])
            if isinstance(value, str)
        }

    assert values("1") & values("2") == set()


def test_quotas_are_computed_over_all_cells(root: Path, two: dict[str, tuple[Graph, ...]]) -> None:
    graphs = [graph for pair in two.values() for graph in pair]

    def count(type: str) -> int:
        return sum(len(graph.of(type)) for graph in graphs)

    needed = quota.needs(load(root / "customers").customers, STACKS)
    assert needed.health_checks == count("aws:route53/healthCheck:HealthCheck")
    # The bucket of each switch is counted, and made only where the switch is an endpoint.
    assert needed.buckets == count("aws:s3/bucket:Bucket") + len(SIDES) * len(STACKS)
    assert needed.records == count("aws:route53/record:Record") + quota.RECORDS_OF_ZONE


def test_a_cell_that_has_stacks_and_no_customer_yet_counts(root: Path) -> None:
    samples = load(root / "customers").customers
    three = quota.needs(samples, ("1", "2", "3"))
    assert three.health_checks - quota.needs(samples).health_checks == quota.CHECKS_OF_CELL
    assert three.buckets - quota.needs(samples).buckets == quota.BUCKETS_OF_CELL


def refusal(root: Path, stack: str, **config: str) -> str:
    settings = {**program.stack_config(stack, root=root), "mft:lambdaRuntime": RUNTIME, **config}
    with pytest.raises(ProgramError) as refused:
        program.run(stack, make=_nothing, ask=ask, config=settings, secrets=SECRETS, root=root)
    return str(refused.value)


def _nothing(resource: Resource) -> tuple[str, dict[str, Any]]:
    raise AssertionError(f"{resource.urn} is made")


@pytest.mark.parametrize("lacks", ["gov-west-2", "gov-east-2"])
def test_a_registry_that_names_a_cell_no_stack_has_is_refused(tmp_path: Path, lacks: str) -> None:
    root = project(tmp_path)
    (root / f"Pulumi.{lacks}.yaml").unlink()
    lines = refusal(root, "gov-west").splitlines()
    files = {
        name: (root / "customers" / f"{name}.yaml").read_text().splitlines()
        for name in ("agency-b", "agency-d")
    }
    assert lines == [
        f"{root}/customers/{name}.yaml:{len(text)}: cell: no stack serves cell 2; name a cell that has a"
        " stack file in every region (1), or add its stack files"
        for name, text in files.items()
    ]


def test_a_stack_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    root = project(tmp_path)
    (root / "Pulumi.gov-east-2.yaml").write_text("config: [")
    assert refusal(root, "gov-west").startswith("Pulumi.gov-east-2.yaml: cannot be read as a stack file: ")


def test_the_cell_of_a_stack_is_the_number_in_its_name(root: Path) -> None:
    assert refusal(root, "gov-west-2", **{"mft:cell": "3"}) == (
        "Pulumi.gov-west-2.yaml: mft:cell: '3' is not for a stack named 'gov-west-2';"
        " run: pulumi config set mft:cell 2 --stack gov-west-2"
    )


def test_the_stack_files_of_the_pages_differ_from_the_first_cells_in_the_number_alone(root: Path) -> None:
    for first, second in zip(STACKS["1"], STACKS["2"], strict=True):
        one, other = (program.stack_config(stack, root=root) for stack in (first, second))
        assert other == {**one, "mft:cell": "2"}
