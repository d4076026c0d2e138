"""Bugs that are planted on purpose: the simulator finds each, from its seed, and finds nothing without it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.simulation import __main__ as command
from tests.simulation import edge, hunt
from tests.simulation.planted import PLANTED, Planted, plant, seeds, with_bug
from tests.simulation.schedule import Schedule, generate
from tests.simulation.shrink import shrink
from tests.simulation.world import simulate

SEEDS = seeds()
ROOT = Path(__file__).parents[2]


def test_each_planted_bug_has_a_seed() -> None:
    assert {bug.name for bug in PLANTED} == SEEDS.keys()
    assert len(PLANTED) >= 10


@pytest.mark.parametrize("bug", PLANTED, ids=lambda bug: bug.name)
def test_a_planted_bug_is_found_and_its_seed_passes_without_it(bug: Planted) -> None:
    seed, rule = SEEDS[bug.name]
    assert rule in {violation.rule for violation in with_bug(bug, seed).violations}
    assert not hunt.run([seed]).failures


@pytest.fixture
def bug() -> Iterator[Planted]:
    """The runtime with a bug in it that many schedules find."""
    bug = next(each for each in PLANTED if each.name == "a receipt before the delivery")
    with edge.attached(), plant(bug):
        yield bug


def test_a_failing_schedule_shrinks_to_one_from_which_nothing_can_be_taken(bug: Planted) -> None:
    seed, rule = SEEDS[bug.name]

    def fails(schedule: Schedule) -> bool:
        return rule in {violation.rule for violation in simulate(schedule).violations}

    small = shrink(generate(seed), fails)
    assert fails(small)
    assert len(small.actions) == len(small.senders) == 1, "one file of one customer is enough"
    assert fails(Schedule.parse(json.loads(json.dumps(small.document())))), "as it is written down"


def test_a_run_prints_the_failing_seeds_how_to_replay_them_and_the_smallest_schedule(
    bug: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs in this process, because the processes on other cores have no bug."""
    seed, rule = SEEDS[bug.name]

    def run_here(first: int, number: int) -> Iterator[hunt.Tally]:
        tally = hunt.Tally()
        for each in range(first, first + number):
            tally.add(each, simulate(generate(each)))
        yield tally

    monkeypatch.setattr(hunt, "run_everywhere", run_here)
    monkeypatch.setattr(hunt, "smallest", lambda schedule, rule: schedule)
    done = CliRunner().invoke(command.app, ["2", "--seed", str(seed)])
    assert done.exit_code == 1
    assert f"seed {seed}: {rule}: " in done.stdout
    assert f"replay: python -m tests.simulation --seed {seed} 1" in done.stdout
    assert "the smallest schedule" in done.stdout


def test_a_seed_replays_to_the_last_effect_in_any_process() -> None:
    outputs = []
    for hashing in ("1", "2"):
        command = [sys.executable, "-m", "tests.simulation", "--seed", "1317", "--json", "1"]
        environment = {**os.environ, "PYTHONHASHSEED": hashing}
        outputs.append(
            subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True).stdout
        )
    assert outputs[0] == outputs[1]
    assert len(json.loads(outputs[0])["trace"]) > 100
