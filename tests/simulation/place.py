"""The settings of the simulated platform, and the names that follow from them."""

from __future__ import annotations

from functools import cache

from customers import names

NAMESPACE, CELL, ZONE = "mft", "1", "mft.example.gov"
TABLE = names.tracker_table(CELL)


@cache
def own_bucket(role: str, side: str) -> str:
    """Return the name of one of the cells' own buckets: `config`, `archive` or `audit`."""
    return names.cell_bucket(NAMESPACE, CELL, role, side)
