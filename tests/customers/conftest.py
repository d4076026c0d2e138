"""Every test here stands in an empty directory, below which its registry is `customers`."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _stand_above(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
