"""The scenarios as files, and the options that choose some of them.

The drill plays one of them: see test_drill.py. `make test-all` plays all: see test_every_scenario.py.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from local.__main__ import app
from local.drill import scenarios
from local.program import ROOT


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
