"""The truth table of docs/failover.md: who is answered, and which verb acts, in every state of two regions.

The page is compared with what the name server of the local world answers and what the verbs say, row by row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice, product

import pytest

from local.program import ROOT
from runtime.contract import EAST, REGION_OF, WEST, peer_of
from runtime.metric_names import SwitchKind
from tests.ops.conftest import Place
from tests.ops.lever_world import LeverWorld, Region, typed_at

PAGE = ROOT / "docs/failover.md"
#: What a cell of the table may say of a region, and the states that it means.
STATES = {
    "in": [Region()],
    "out or lost": [Region(position="out"), Region(position="lost")],
    "unheard, in": [Region(is_heard=False)],
    "dead, in": [Region(is_alive=False)],
    "dead, out or lost": [Region(position="out", is_alive=False), Region(position="lost", is_alive=False)],
}
FORCES = {"no": ("no",), "yes": ("yes",), "earlier": ("before",), "any": ("no", "yes", "before")}
VERBS = ("evacuate", "restore", "force-in")
_COMMAND = re.compile(r"mft-ops (evacuate|restore|force-in) (us-gov-[a-z]+-1)|mft-ops (gaps)")


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the table. `answers` has a cell for each way in which health is decided."""

    line: str
    region: str
    keeper: str
    force: str
    answers: dict[str, str]
    verbs: dict[str, str]


def rows() -> list[Row]:
    """Return the rows of the page's table."""
    found = []
    for line in PAGE.read_text().splitlines():
        cells = [each.strip().replace("`", "") for each in line.strip("|").split("|")]
        if len(cells) == 9 and cells[0] in STATES:
            region, keeper, force, *answers = cells[:6]
            verbs = dict(zip(VERBS, cells[6:], strict=True))
            by = dict(zip(("alarm", "object", "automatic"), answers, strict=True))
            found.append(Row(line=line, region=region, keeper=keeper, force=force, answers=by, verbs=verbs))
    return found


def states(row: Row) -> Iterator[tuple[Region, Region]]:
    """Yield the states of a region and its keeper that a row means."""
    for region, force, keeper in product(STATES[row.region], FORCES[row.force], STATES[row.keeper]):
        yield replace(region, force=force), keeper


def said(place: Place, verb: str, side: str) -> str:
    """Return what a verb does with a region: `acts`, or the commands that its refusal names."""
    names = {REGION_OF[side]: "R", REGION_OF[peer_of(side)]: "K"}
    result = place.ops(verb, REGION_OF[side])
    if result.code == 0:
        return "acts"
    assert (result.code, result.out) == (1, "")
    if "--override" in result.err:
        assert verb == "force-in"
        sentence = result.err.strip().rpartition("--override '")[2].rstrip("'")
        assert place.ops(verb, REGION_OF[side], "--override", sentence).code == 0
        is_in = f"{REGION_OF[side]} is in DNS already" in sentence
        return "acts, typed; or evacuate K" if is_in else "acts, typed"
    named = [gaps or f"{verb} {names[region]}" for verb, region, gaps in _COMMAND.findall(result.err)]
    return ", ".join(dict.fromkeys(named)) or "nobody answers"


def check(
    levers: LeverWorld, side: str, mode: str, *, is_controlled: bool = True, is_brief: bool = False
) -> list[str]:
    """Return the rows that differ, with what was found.

    With `is_brief` one state of a row is enough, and a region that is dead is left out.
    """
    found = []
    letters = {side: "R", peer_of(side): "K", "own": "own"}
    for row in rows():
        for region, keeper in islice(states(row), 1 if is_brief else None):
            if is_brief and not region.is_alive:
                continue
            with levers.state({side: region, peer_of(side): keeper}, is_controlled=is_controlled):
                answer = letters[levers.answers()]
                verbs = {verb: said(levers.place, verb, side) for verb in VERBS}
                called = {call.split()[1] for call in levers.place.relay.calls}
            assert not called & {"route53", "iam"}, "no verb asks a control plane"
            # What the verbs say depends on what DNS answers, and so on the mode.
            expected = (row.answers[mode], row.verbs if mode == "alarm" else verbs)
            if (answer, verbs) != expected or not is_in_hand(answer, verbs, region, keeper):
                found.append(f"{row.line}\n  {region}, {keeper}: answers {answer}, {verbs}")
    return found


def is_in_hand(answer: str, verbs: dict[str, str], region: Region, keeper: Region) -> bool:
    """Return whether R, if it lives and all are sent to a dead K, can be put in by one of its verbs."""
    is_stranded = region.is_alive and not keeper.is_alive and answer == "K"
    return not is_stranded or any(said.startswith("acts") for said in verbs.values())


def test_the_table_of_the_page(aws, relay, clients, tmp_path, monkeypatch):
    """One direction, and one state for each row of a living region; the rest is exhaustive."""
    assert len(rows()) > 20
    place = Place(aws=aws, relay=relay, root=tmp_path)
    with closing(LeverWorld(place, SwitchKind.ALARM)) as levers, typed_at(levers, clients, monkeypatch):
        assert not check(levers, WEST, "alarm", is_controlled=False, is_brief=True)


@pytest.mark.exhaustive
@pytest.mark.parametrize("mode", ["alarm", "object", "automatic"])
def test_every_row_in_both_directions_and_modes(aws, relay, clients, tmp_path, monkeypatch, mode):
    switch = SwitchKind.ENDPOINT if mode == "object" else SwitchKind.ALARM
    place = Place(aws=aws, relay=relay, root=tmp_path)
    with (
        closing(LeverWorld(place, switch, automatic=mode == "automatic")) as levers,
        typed_at(levers, clients, monkeypatch),
    ):
        for side, is_controlled in product((WEST, EAST), (True, False)):
            assert not check(levers, side, mode, is_controlled=is_controlled)


def test_every_state_has_a_row():
    """Each state of a region, with each of its keeper, forced or not."""
    found = {state for row in rows() for state in states(row)}
    regions = [state for name, its in STATES.items() if not name.startswith("unheard") for state in its]
    keepers = [state for its in STATES.values() for state in its]
    for region, keeper, force in product(regions, keepers, ("no", "yes")):
        if force == "no" or region.position != "in":
            assert (replace(region, force=force), keeper) in found


def test_a_refusal_names_a_command_that_acts():
    """Or one that waits until gaps can be looked for. Only while both regions are dead, nothing acts."""
    of = {(row.region, row.keeper): row.verbs for row in rows() if row.force in ("no", "any")}
    for (region, keeper), verbs in of.items():
        if not (STATES[region][0].is_alive or STATES[keeper][0].is_alive):
            continue
        # What is unheard of a keeper is no state of it as a region.
        mirrored = of[keeper.replace("unheard, ", ""), region]
        for verb, answer in verbs.items():
            named = [each.split() for each in answer.split(", ") if not answer.startswith(("acts", "gaps"))]
            answers = [(mirrored if who == "K" else verbs)[other] for other, who in named]
            acting = [each for each in answers if each.startswith(("acts", "gaps"))]
            assert acting or not named, f"{region}, {keeper}: {verb} names {answer}, and that {answers}"
