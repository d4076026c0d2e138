"""Every scenario, played one after another in one world."""

from __future__ import annotations

import pytest

from local.drill import scenarios
from tests.local.conftest import Runs, play

pytestmark = pytest.mark.exhaustive


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return play(scenarios.NAMES, tmp_path_factory.mktemp("scenarios"))


@pytest.mark.parametrize("name", scenarios.NAMES)
def test_a_scenario_holds_and_every_file_has_one_fate(runs: Runs, name: str) -> None:
    run = runs[name]
    assert run["held"]
    assert run["expectations"]
    assert run["transfers"]
    assert {each["sent"] for each in run["transfers"]} <= {0, 1}, "sent to one destination twice"
    for clients in run["clients"]:
        assert clients["asked"] == clients["failed"] + clients["acknowledged"]


def test_scenarios_hold_one_after_the_other_in_one_world(runs: Runs) -> None:
    assert list(runs) == list(scenarios.NAMES)
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
