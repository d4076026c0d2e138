"""Numbers of cells. pytest imports `conftest.py` twice, and this module once."""

from __future__ import annotations

import itertools

_numbers = itertools.count(1)


def new_cell() -> str:
    """Return the number of a cell that no other place in this process has."""
    return str(next(_numbers))
