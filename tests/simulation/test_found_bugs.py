"""The schedules that have found bugs, each as small as possible: no bug may return.

Most were bugs of the runtime, and some of the simulated operators or of the rules.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.simulation import hunt
from tests.simulation.known import KNOWN
from tests.simulation.schedule import Schedule

FOUND = json.loads(Path(__file__).with_name("found.json").read_text())


@pytest.mark.parametrize("found", FOUND, ids=lambda found: found["name"])
def test_a_bug_that_was_found_stays_away(found: dict[str, Any]) -> None:
    outcome = hunt.replay(Schedule.parse(found["schedule"]))
    assert not outcome.violations
    still_there = {known.name for known in KNOWN} & {found["name"]}
    assert outcome.known.keys() == still_there, "its entry in known.py goes when the bug does"
