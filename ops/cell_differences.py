"""What is wrong with one cell, and with what leaves it for its peer, as its own region says."""

from __future__ import annotations

from collections.abc import Iterator

from ops import copies
from ops.cell_health import is_about_peer, judged, on
from ops.difference import Difference
from ops.vitals import Vitals


def of_cell(side: str, found: Vitals) -> Iterator[Difference]:
    """Yield what a region's answers show."""
    yield from judged(found)
    for alarm in found.alarms or ():
        if is_about_peer(alarm):
            yield Difference(where=found.region, what=on(alarm))
    if found.measures is not None:
        yield from copies.of_cell(side, found.measures)
    if found.table is not None:
        yield from copies.of_table(side, found.table)
