"""What all tests share."""

from __future__ import annotations

import os
from functools import cache

import botocore.session
import pytest
from hypothesis import settings

# An Output in an f-string is an error here, not a sentence in a resource's name.
os.environ["PULUMI_ERROR_OUTPUT_STRING"] = "true"

# Sessions of boto3 are made anew for most tests; what AWS's services are like is read once all the same.
botocore.session.create_loader = cache(botocore.session.create_loader)

# A slow machine is no defect. Where CI is set, Hypothesis draws the same examples every time.
settings.register_profile("unhurried", settings(), deadline=None)
settings.load_profile("unhurried")

#: Files that take longest: begun first, they do not keep one of two workers when the other has nothing left.
_LONG = ("test_drill.py", "test_scenarios.py", "test_recorded_graphs.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in _LONG)
