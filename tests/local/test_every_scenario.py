"""The scenarios that `make test` leaves out, played one after another in one world."""

from __future__ import annotations

import pytest

from local.drill import scenarios
from tests.local.conftest import Runs, play
from tests.local.test_scenarios import PLAYED

pytestmark = pytest.mark.exhaustive

OTHERS = [name for name in scenarios.NAMES if name not in PLAYED]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return play(OTHERS, tmp_path_factory.mktemp("scenarios"))


@pytest.mark.parametrize("name", OTHERS)
def test_a_scenario_holds_and_every_file_has_one_fate(runs: Runs, name: str) -> None:
    run = runs[name]
    assert run["held"]
    assert run["expectations"]
    assert run["transfers"]
    assert {each["sent"] for each in run["transfers"]} <= {0, 1}, "sent to one destination twice"
    for clients in run["clients"]:
        assert clients["asked"] == clients["failed"] + clients["acknowledged"]
