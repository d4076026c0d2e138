"""The rare calls in the table of permissions still exist in the code that it names."""

from __future__ import annotations

import importlib

from tests.local.permissions import RARE


def test_rare_calls_in_the_table_are_in_the_code() -> None:
    for place, (path, _) in RARE.items():
        module, name = path.split(":")
        found = importlib.import_module(module)
        for part in name.split("."):
            assert hasattr(found, part), f"{place}: {path} is gone"
            found = getattr(found, part)
