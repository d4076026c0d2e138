"""Several cells in one project: each verb acts on the one that is named, and on nothing of another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ops import chosen_cell
from ops.environment import Environment
from ops.finding import deploy
from ops.plan import command
from runtime.contract import EAST, SIDES, WEST, Position
from tests.ops.cell_numbers import new_cell
from tests.ops.conftest import WESTERN, Place

WHY = ("--reason", "a test")


@pytest.fixture(autouse=True)
def _well(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Report every cell as well; forget afterwards which cell was named."""
    monkeypatch.setattr("ops.health.cell_health.problems", lambda cell: [])
    yield
    chosen_cell.choose(None, "")


class Second(Place):
    """A further pair of stacks, in the folder of the first."""

    def file(self, side: str) -> Path:
        return self.root / f"Pulumi.gov-{side}-{self.cell}.yaml"


@pytest.fixture
def second(place: Place) -> Second:
    number = new_cell()
    made = Second(aws=place.aws, relay=place.relay, root=place.root, cell=number)
    for side in SIDES:
        made.write(side)
        made.hold(side, Position.IN.value)
    return made


def applied(place: Place, cell: str, *words: str) -> None:
    code, plan = place.json(*words, "--cell", cell)
    assert code == 0, plan
    assert f"--cell {cell}" in plan["command"]
    done = place.ops(*words, "--cell", cell, *WHY, "--apply", "--digest", plan["digest"])
    assert "the switch has moved" in done.out, done


def test_evacuating_one_cell_leaves_the_other_alone(
    place: Place, second: Second, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.failover.switching.GIVE_UP", 0.0)
    applied(place, second.cell, "evacuate", WESTERN)
    assert [each.position(WEST) for each in (place, second)] == ["in", "out"]
    assert not place.moved(WEST)
    assert not place.published(WEST)
    applied(place, place.cell, "evacuate", WESTERN)
    assert [each.position(WEST) for each in (place, second)] == ["out", "out"]


def test_a_plan_that_was_reviewed_for_one_cell_is_not_carried_out_in_another(
    place: Place, second: Second
) -> None:
    plans = {
        each.cell: place.json("evacuate", WESTERN, "--cell", each.cell)[1]["digest"]
        for each in (place, second)
    }
    assert plans[place.cell] != plans[second.cell]
    refused = place.ops(
        "evacuate", WESTERN, "--cell", second.cell, *WHY, "--apply", "--digest", plans[place.cell]
    )
    assert refused.code == 1
    assert "nothing was done" in refused.err
    assert [each.position(WEST) for each in (place, second)] == ["in", "in"]


@pytest.mark.parametrize(
    "words",
    [("evacuate", WESTERN), ("ready",), ("status",), ("gaps",), ("takeover", WESTERN), ("audit", "verify")],
    ids=" ".join,
)
def test_a_cell_has_to_be_named_where_there_are_several(
    place: Place, second: Second, words: tuple[str, ...]
) -> None:
    cells = ", ".join([place.cell, second.cell])
    asked = place.ops(*words)
    assert (asked.code, asked.line) == (
        1,
        f"there are stack files of several cells ({cells}): name one with --cell",
    )
    unknown = place.ops(*words, "--cell", "998")
    assert (unknown.code, unknown.line) == (
        1,
        f"--cell: no stack files make cell '998'; it is one of: {cells}",
    )
    assert place.relay.calls == []


def test_the_only_cell_may_be_named(place: Place) -> None:
    assert place.ops("evacuate", WESTERN, "--cell", place.cell).code == 0
    assert place.ops("evacuate", WESTERN).code == 0


@pytest.mark.parametrize("side", SIDES)
def test_a_pair_that_lacks_a_file_is_refused_by_name(place: Place, second: Second, side: str) -> None:
    second.file(side).unlink()
    refused = place.ops("evacuate", WESTERN, "--cell", second.cell)
    assert (refused.code, refused.line.partition(":")[0]) == (1, second.file(side).name)


@pytest.mark.parametrize("side", SIDES)
def test_the_number_in_a_files_name_is_the_cells(place: Place, second: Second, side: str) -> None:
    second.write(side, cell="997")
    refused = place.ops("evacuate", WESTERN, "--cell", second.cell)
    assert (refused.code, refused.line) == (
        1,
        f"{second.file(side).name}: mft:cell: '997' is not the number in the file's name; write"
        f" '{second.cell}', or rename both files of the pair",
    )


def test_messages_name_the_stacks_of_the_cell(place: Place, second: Second) -> None:
    Environment.read(second.root, second.cell)
    number = second.cell
    assert deploy(WEST, EAST) == (
        f"run `pulumi up --refresh --stack gov-west-{number}`"
        f" and `pulumi up --refresh --stack gov-east-{number}`"
    )
    assert command("restore", WESTERN) == f"mft-ops restore {WESTERN} --cell {number}"
    Environment.read(place.root, place.cell)
    assert deploy(WEST) == "run `pulumi up --refresh --stack gov-west`"
    assert command("status") == f"mft-ops status --cell {place.cell}"


def test_without_a_named_cell_messages_are_as_they_were(place: Place) -> None:
    Environment.read(place.root)
    assert (command("status"), deploy(EAST)) == (
        "mft-ops status",
        "run `pulumi up --refresh --stack gov-east`",
    )


def test_two_pairs_with_one_number_are_refused(place: Place, second: Second) -> None:
    for side in SIDES:
        place.write(side, cell=second.cell)
    refused = place.ops("status", "--cell", second.cell)
    assert (refused.code, refused.line) == (
        1,
        f"mft:cell: Pulumi.gov-west.yaml and {second.file(WEST).name} have '{second.cell}'; every pair has"
        " its own number",
    )
