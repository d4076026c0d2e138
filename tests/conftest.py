"""What all tests share."""

from __future__ import annotations

import gc
import os
from functools import cache

import botocore.session
import pytest
from hypothesis import settings

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
    "test_scenarios.py",
    "test_recorded_graphs.py",
    "test_preview.py",
    "test_emulator_workflow.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _LONG.index(item.path.name) if item.path.name in _LONG else len(_LONG))


def pytest_collection_finish() -> None:
    """Let no collection of garbage go through what the modules made while they were imported."""
    gc.freeze()
    gc.enable()
