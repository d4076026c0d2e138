"""The findings about one cell and about what it copies to its peer, from its own region's report."""

from __future__ import annotations

from collections.abc import Iterator

from ops.finding import Finding
from ops.health import replication_lag
from ops.health.cell_health import is_about_peer, judged, on
from ops.health.cell_report import CellReport


def of_cell(side: str, found: CellReport) -> Iterator[Finding]:
    """Yield the findings in the report of a side's region."""
    yield from judged(found)
    for alarm in found.alarms or ():
        if is_about_peer(alarm):
            yield Finding(where=found.region, what=on(alarm))
    if found.measures is not None:
        yield from replication_lag.of_cell(side, found.measures)
    if found.table is not None:
        yield from replication_lag.of_table(side, found.table)
