"""What all tests share."""

from __future__ import annotations

import os
from functools import cache

import botocore.session
import pytest
from hypothesis import settings

# An Output in an f-string is an error here, not a sentence in a resource's name.
os.environ["PULUMI_ERROR_OUTPUT_STRING"] = "true"

# Where a developer's Pulumi keeps its state is no matter of the tests.
os.environ.pop("PULUMI_BACKEND_URL", None)

# Sessions of boto3 are made anew for most tests; what AWS's services are like is read once all the same.
botocore.session.create_loader = cache(botocore.session.create_loader)

# A slow machine is no defect. Where CI is set, Hypothesis draws the same examples every time.
settings.register_profile("unhurried", settings(), deadline=None)
settings.load_profile("unhurried")

#: Files that take longest, the longest first: no worker is left with one of them when the others have ended.
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
