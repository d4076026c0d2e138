"""How late copies of files and facts reach the other region."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from customers import names
from customers.model import Customer
from ops.cell import DeployedCell
from ops.finding import Finding, deploy
from ops.health import cell_metrics
from ops.health.cell_metrics import CellMetrics
from runtime.contract import REGION_OF, SIDES, peer_of
from runtime.timing import FACTS_SECONDS, REPLICATION_MINUTES

_SEE = "see docs/runbook.md#{}"


def of_cell(side: str, measured: CellMetrics) -> Iterator[Finding]:
    """Yield what has not reached a cell's peer, by the metrics of the cell's own region."""
    region, peer = REGION_OF[side], REGION_OF[peer_of(side)]
    if measured.copies_lost:
        what = f"S3 gave up on {measured.copies_lost:,} copies to {peer} in the last 24 hours"
        yield Finding(where=region, what=what, remedy=_SEE.format("replication-failed"))
    if measured.copies_late:
        late = f"{measured.copies_late:,} files of the last 24 hours"
        what = f"{late} were not in {peer} after {REPLICATION_MINUTES} minutes"
        yield Finding(where=region, what=what, remedy=_SEE.format("replication-late"))
    if measured.facts_delay is not None and measured.facts_delay > FACTS_SECONDS:
        what = f"facts reach {peer} {measured.facts_delay:,.0f} s late"
        yield Finding(where=region, what=what, remedy=_SEE.format("facts-delayed"))


def of_table(side: str, table: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what is wrong with the tracker's replica in the peer, by a region's description of the table."""
    peer = REGION_OF[peer_of(side)]
    status = {each["RegionName"]: each["ReplicaStatus"] for each in table.get("Replicas", ())}
    if status.get(peer) != "ACTIVE":
        what = f"the tracker's replica in {peer} is {status.get(peer, 'missing')}"
        yield Finding(where=REGION_OF[side], what=what, remedy=deploy(*SIDES))


def of_customers(cell: DeployedCell, customers: Iterable[Customer], cloudwatch: Any) -> Iterator[Finding]:
    """Yield the customers whose files reach a cell late, by S3's metrics there; raises botocore's errors."""
    stem, source = cell.environment.stem, peer_of(cell.side)
    routed = [each.id for each in customers if each.is_routed]
    pairs = [(names.bucket(stem, id, source), names.bucket(stem, id, cell.side)) for id in routed]
    for id, behind in zip(routed, cell_metrics.copies_behind(pairs, cloudwatch), strict=True):
        if behind is not None and behind > 60 * REPLICATION_MINUTES:
            yield Finding(
                where=cell.region,
                customer=id,
                what=f"files arrive {behind:,.0f} s late from {REGION_OF[source]}",
                remedy=_SEE.format("replication-late"),
            )
