"""Scenarios of the drill, played for real: those with verbs that the drill itself does not use.

`make test-all` plays the others: see test_every_scenario.py.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from local.__main__ import app
from local.drill import scenarios
from local.program import ROOT
from tests.local.conftest import Runs, play

PLAYED = ("customer-shifted", "operator-killed-midway")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return play(PLAYED, tmp_path_factory.mktemp("scenarios"))


def test_scenarios_hold_one_after_the_other_in_one_world(runs: Runs) -> None:
    assert list(runs) == list(PLAYED)
    assert all(each["held"] and each["expectations"] for each in runs.values())


def test_a_shift_moves_the_names_of_one_customer_and_says_when(runs: Runs) -> None:
    run = runs["customer-shifted"]
    moved = [each for each in run["answers"] if each["at"] > run["measures"]["decision_at"]]
    assert {name for each in moved if ".c7k2m." not in (name := each["name"])} == set()
    assert {each["type"] for each in moved} == {"CNAME", "TXT"}
    assert 0 < run["measures"]["dns_moved"] < run["measures"]["first_delivered"]
    assert run["measures"]["rpo_files"] is None, "no region died"


def test_a_killed_evacuation_is_completed_through_the_peer_alone(runs: Runs) -> None:
    calls = runs["operator-killed-midway"]["calls"]["ops-evacuate"]
    assert calls["us-gov-east-1 cloudwatch PutMetricData"] >= 1
    assert not [call for call in calls if "route53" in call or " iam " in call]


def test_a_run_reports_the_fate_of_every_file(runs: Runs) -> None:
    transfers = runs["customer-shifted"]["transfers"]
    fates = {each["file"].partition("-")[2]: each["delivered_by"] for each in transfers}
    assert fates == {"shifted.csv": "east", "stays.csv": "west", "back.csv": "west"}
    assert {(each["fate"], each["sent"]) for each in transfers} == {("delivered", 1)}


@pytest.mark.parametrize("name", scenarios.NAMES)
def test_a_scenario_is_short_and_says_what_it_shows(name: str) -> None:
    scenario = scenarios.load(name)
    file = Path(scenarios.__file__).parent / f"{name.replace('-', '_')}.py"
    assert len(file.read_text().splitlines()) <= 60
    assert scenario.title
    assert callable(scenario.play)


def ended(words: str) -> tuple[int, str]:
    """Return the exit code of a command that starts nothing, and its output without the frame."""
    result = CliRunner().invoke(app, ["drill", *words.split()])
    return result.exit_code, " ".join(result.output.replace("│", " ").split())


def test_an_unknown_scenario_is_refused_with_the_nearest() -> None:
    status, output = ended("--scenario region-lost-at-reest")
    assert status == 2
    assert "'region-lost-at-reest' is not a scenario; did you mean region-lost-at-rest?" in output


@pytest.mark.parametrize(
    "words", ["--all --scenario east-lost", "--repeat 2", "--all --repeat 0", "--report /nowhere/drill.html"]
)
def test_options_that_make_no_sense_are_refused(words: str) -> None:
    assert ended(words)[0] == 2


def test_help_names_every_scenario() -> None:
    status, output = ended("--help")
    assert status == 0
    assert [name for name in scenarios.NAMES if name not in output.replace(" ", "")] == []


def test_the_page_has_a_row_for_every_scenario() -> None:
    page = (ROOT / "docs/local.md").read_text()
    section = page.partition("## Scenarios of failover")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(.+?)` \|", section, re.MULTILINE)
    assert sorted(rows) == sorted(scenarios.NAMES)
