"""Every test here runs in an empty directory; its registry is `customers` below that."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _stand_above(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
