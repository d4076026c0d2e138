"""What all tests share."""

from __future__ import annotations

import gc
import os
from functools import cache

import botocore.session
import pytest
from hypothesis import settings

from tests.program import graph_store

# An Output in an f-string is an error here, not a sentence in a resource's name.
os.environ["PULUMI_ERROR_OUTPUT_STRING"] = "true"

# The program refuses a state that is elsewhere; the tests keep none.
os.environ.pop("PULUMI_BACKEND_URL", None)

# Most tests make boto3 sessions of their own; the models of AWS's services are loaded only once.
botocore.session.create_loader = cache(botocore.session.create_loader)

# What the modules make while they are imported stays: searching it for garbage, again and again as it grows,
# takes a third of the time of a worker's start. The collector runs again from `pytest_collection_finish` on.
gc.disable()

# A slow machine must not fail a test. Where CI is set, Hypothesis draws the same examples every time.
settings.register_profile("unhurried", settings(), deadline=None)
settings.load_profile("unhurried")

#: The files that take longest, longest first, so that no worker is still busy when the others are done.
_LONG = (
    "test_every_scenario.py",
    "test_planted_bugs_again.py",
    "test_drill.py",
    "test_preview.py",
    "test_slow_partner.py",
    "test_ready.py",
    "test_comment.py",
    "test_rehome.py",
    "test_recorded_graphs.py",
    "test_audit.py",
    "test_evacuation.py",
    "test_schedules_1.py",
    "test_schedules_2.py",
    "test_planted_bugs.py",
    "test_gaps.py",
    "test_outage.py",
    "test_emulator_workflow.py",
)


@pytest.fixture(scope="session", autouse=True)
def _graphs_are_shared(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each recorded graph is made by one worker for all of them, in the folder of this run."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = tmp_path_factory.getbasetemp().parent / "graphs"
        folder.mkdir(exist_ok=True)
        graph_store.folder = folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _LONG.index(item.path.name) if item.path.name in _LONG else len(_LONG))


def pytest_collection_finish() -> None:
    """Collect garbage seldom, and not in what the modules made while they were imported."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    gc.enable()
