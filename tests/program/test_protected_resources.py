"""No protected resource vanishes or would be replaced unseen; the page about resources is current."""

from __future__ import annotations

from dataclasses import replace

import pytest

from local.program import ROOT, Graph, Resource
from tests.pages import updates_page
from tests.pages.outages import OUTAGES
from tests.pages.resources_page import resources_page
from tests.pages.updates import CODE
from tests.program.conftest import STACKS
from tests.program.protected_resources import approved, complaints, merged, protected

TABLE = "mft:cell:Cell$mft:tracker:Tracker$aws:dynamodb/table:Table::cell1-tracker-table"


@pytest.mark.parametrize("stack", STACKS)
def test_every_approved_resource_is_there_protected_and_not_to_be_replaced(
    graphs: dict[str, Graph], stack: str
) -> None:
    assert [*complaints(graphs[stack], approved()[stack])] == []


@pytest.mark.parametrize("stack", STACKS)
def test_every_protected_resource_is_in_the_list(graphs: dict[str, Graph], stack: str) -> None:
    new = protected(graphs[stack]).keys() - approved()[stack].keys()
    assert not new, "run: python -m tests.program.protected_resources"


def changed(graph: Graph, name: str, **how: object) -> Graph:
    """Return a graph in which one resource is another; without `how`, one that lacks it."""

    def made(each: Resource) -> list[Resource]:
        return [each] if not each.urn.endswith(name) else [replace(each, **how)] if how else []

    return replace(graph, resources=tuple(new for each in graph.resources for new in made(each)))


def test_what_vanishes_is_named_with_what_to_do(west: Graph) -> None:
    listed = approved()["gov-west"]
    (said,) = complaints(changed(west, TABLE), listed)
    assert said.startswith(f"gov-west: {TABLE} is gone")
    assert "docs/upgrade.md#protected-resources" in said
    (said,) = complaints(changed(west, TABLE, protect=False), listed)
    assert f"{TABLE} is no longer protected" in said
    table = next(each for each in west.resources if each.urn.endswith(TABLE))
    (said,) = complaints(changed(west, TABLE, inputs={**table.inputs, "hashKey": "other"}), listed)
    assert "would be replaced, because hashKey was 'file' and is 'other'" in said
    assert [*complaints(changed(west, TABLE, inputs={**table.inputs, "tags": {"a": "b"}}), listed)] == []


def test_a_resource_that_moves_with_an_alias_is_the_same(west: Graph) -> None:
    table = next(each for each in west.resources if each.urn.endswith(TABLE))
    moved = table.urn.replace("cell1-tracker-table", "cell1-facts")
    listed = approved()["gov-west"]
    assert [*complaints(changed(west, TABLE, urn=moved, former_urns=(table.urn,)), listed)] == []
    assert [*complaints(changed(west, TABLE, urn=moved), listed)]


def test_the_command_adds_to_the_list_and_takes_nothing_away() -> None:
    listed = {"gov-west": {"gone": {"name": "a"}, "kept": {"name": "b"}}}
    found = {"gov-west": {"kept": {"name": "other"}, "new": {}}}
    assert merged(listed, found) == {"gov-west": {"gone": {"name": "a"}, "kept": {"name": "b"}, "new": {}}}


def test_the_page_about_resources_is_as_it_would_be_written(west: Graph) -> None:
    assert (ROOT / "docs/resources.md").read_text() == resources_page(west), "run: make pages"


def test_the_page_about_updates_says_what_a_release_does() -> None:
    written = f"| {' | '.join(updates_page.row(CODE))} |"
    assert written.replace("|  |", "| |") in (ROOT / "docs/updates.md").read_text().replace("|  |", "| |")


@pytest.mark.exhaustive
def test_the_page_about_updates_is_as_it_would_be_written() -> None:
    assert (ROOT / "docs/updates.md").read_text() == updates_page.updates_page(), "run: make pages"


def test_what_the_loss_of_a_component_means_is_said_of_those_that_exist(west: Graph) -> None:
    components = {each.type for each in west.resources if not each.custom}
    assert components - {"mft:cell:Cell", "mft:functions:Function"} == OUTAGES.keys()
