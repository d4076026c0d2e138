"""The stacks of both cells of a customer that moves, at each step: what is where, and how it passes over."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from customers.change import RegistryChange
from customers.registry import Registry, load
from local.program import Graph, Resource
from tests.program.conftest import record
from tests.program.test_lifecycle import HAS
from tests.program.two_cells import STACKS, project

ID = "c7k2m"
#: What the customer is in both cells at each step; None before and after the move.
STEPS: dict[str, tuple[str | None, str | None]] = {
    "": ("active", None),
    "prepared": ("active", "onboarding"),
    "opened": ("closing", "joining"),
    "switched": ("draining", "active"),
    "drained": ("retired", "active"),
    "moved": (None, "active"),
}
#: The resources of each stage, of a customer without receipts in another account's queue.
HAS = {stage: types - {"sns/topicPolicy"} for stage, types in HAS.items()}
HAS["joining"] = HAS["active"] - {"route53/record"}
RECORD, CHECK = "aws:route53/record:Record", "aws:route53/healthCheck:HealthCheck"

Look = Callable[[str, str], Graph]


def written(step: str, folder: Path) -> Path:
    """Write the project at a step; return its folder."""
    folder.mkdir()
    root = project(folder)
    file = root / "customers" / "agency-a.yaml"
    text = {"": "", "moved": 'cell: "2"\n'}.get(step, f'move: {{to: "2", step: {step}}}\n')
    file.write_text(file.read_text() + text)
    return root


@pytest.fixture(scope="module")
def registries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("moves")
    return {step: written(step, base / (step or "before")) for step in STEPS}


@pytest.fixture(scope="module")
def look(registries: dict[str, Path], dependencies: None) -> Look:
    """Return the graph of a stack at a step, recorded once."""

    @cache
    def graph(step: str, stack: str) -> Graph:
        return record(stack, root=registries[step], cells=2)

    return graph


def its(graph: Graph) -> list[Resource]:
    """Return the customer's own resources."""
    tenants = [each for each in graph.of("mft:tenant:Tenant") if each.name == ID]
    return [resource for tenant in tenants for resource in graph.below(tenant)]


def records(graph: Graph) -> dict[str, Resource]:
    return {each.name: each for each in its(graph) if each.type == RECORD}


@pytest.mark.exhaustive  # it records twelve graphs
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("cell", STACKS)
def test_each_cell_has_what_the_customer_is_in_it(step: str, cell: str, look: Look) -> None:
    stage = STEPS[step][int(cell) - 1]
    graph = look(step, STACKS[cell][0])
    found = {each.type.removeprefix("aws:").partition(":")[0] for each in its(graph)}
    assert found == (HAS[stage] if stage else set())
    if "s3/bucketObjectv2" in found:
        (document,) = (each for each in its(graph) if each.type == "aws:s3/bucketObjectv2:BucketObjectv2")
        waits = json.loads(document.inputs["content"])["waits"]
        assert waits is (cell == "2" and step in ("opened", "switched"))


@pytest.mark.parametrize(
    "side", [pytest.param(0, id="west"), pytest.param(1, id="east", marks=pytest.mark.exhaustive)]
)
def test_the_names_exist_throughout_and_pass_from_one_stack_to_the_other(side: int, look: Look) -> None:
    """The first stack forgets its records without deleting them, and the second takes them over."""
    first, second = STACKS["1"][side], STACKS["2"][side]
    was, last = records(look("", first)), records(look("opened", first))
    assert len(was) == 6
    assert {(each.protect, each.retain_on_delete) for each in was.values()} == {(True, False)}
    assert {(each.protect, each.retain_on_delete) for each in last.values()} == {(False, True)}
    # What the verb has changed before is not changed back.
    assert {each.ignore_changes for each in last.values()} == {("healthCheckId", "records")}
    assert records(look("switched", first)) == {} == records(look("opened", second))
    taken = records(look("switched", second))
    assert {each.inputs["allowOverwrite"] for each in taken.values()} == {True}
    assert {(each.protect, each.retain_on_delete) for each in taken.values()} == {(True, False)}
    for name, each in taken.items():
        same = ("name", "type", "setIdentifier", "ttl", "failoverRoutingPolicies", "zoneId")
        assert {key: each.inputs[key] for key in same} == {key: was[name].inputs[key] for key in same}
        assert each.inputs["records"] != was[name].inputs["records"]
        assert (
            each.inputs["records"][0].replace("-cell2", "").replace("2.mft", "1.mft")
            == (was[name].inputs["records"][0])
        )


@pytest.mark.exhaustive
@pytest.mark.parametrize("cell", STACKS)
def test_no_step_deletes_what_is_protected_or_a_name(cell: str, look: Look) -> None:
    """Pulumi decides by the state, which is what the step before has made."""
    steps = list(STEPS)
    for before, after in pairwise(steps):
        old, new = (look(step, STACKS[cell][0]) for step in (before, after))
        gone = {each.urn for each in old.resources} - {each.urn for each in new.resources}
        lost = [each for each in old.resources if each.urn in gone and each.custom]
        assert [each.urn for each in lost if each.protect] == [], f"{before or 'before'} to {after}"
        assert [each.urn for each in lost if each.type == RECORD and not each.retain_on_delete] == []
        data = [each for each in lost if each.type == "aws:s3/bucket:Bucket"]
        assert all(each.retain_on_delete for each in data)


@pytest.mark.exhaustive
def test_a_move_touches_no_other_customer(look: Look) -> None:
    """Resources of others are the same at each step, but for what the cell shares: its firewall and keys."""
    for cell, (stack, _) in STACKS.items():
        graphs = [look(step, stack) for step in STEPS]
        others = [
            {
                each.urn: json.dumps(each.inputs, sort_keys=True, default=str)
                for tenant in graph.of("mft:tenant:Tenant")
                if tenant.name != ID
                for each in graph.below(tenant)
            }
            for graph in graphs
        ]
        assert len(others[0]) > 10
        assert all(each == others[0] for each in others), f"cell {cell}"


def test_every_step_is_one_that_check_accepts(registries: dict[str, Path]) -> None:
    found: list[Registry] = [load(root / "customers", shown="customers") for root in registries.values()]
    for before, after in pairwise(found):
        assert RegistryChange(before, after).refusals(was_moved={}, moved={}, leaving=None) == []
