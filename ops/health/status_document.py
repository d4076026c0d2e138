"""The report on both regions as one document, and as rows of text: what the terminal and the console show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # loads dnspython, which most verbs do without
    from ops.health.cell_report import CellReport
    from ops.health.status import StatusReport

#: What stands for an answer that is missing.
UNKNOWN = "not known"


def document_of(found: StatusReport) -> dict[str, Any]:
    """Return a report as one document, ready for JSON."""
    return {
        "well": not found.findings,
        "at": f"{found.at:%Y-%m-%dT%H:%M:%SZ}",
        "regions": {its.region: _region(found, side, its) for side, its in found.reports.items()},
        "shifts_according_to": found.shifts.source,
        "findings": list(found.findings),
    }


def _region(found: StatusReport, side: str, its: CellReport) -> dict[str, Any]:
    kept, workload = found.switches[side], found.workloads.get(side)
    return {
        "answers": its.answers,
        "switch": {
            "kept_in": kept.keeper,
            "position": kept.standing.position.value if kept.standing else None,
            "since": f"{kept.standing.since:%Y-%m-%dT%H:%M:%SZ}" if kept.standing else None,
        },
        "shifted_out": list(found.shifts.out_of[side]) if side in found.shifts.out_of else None,
        "sftp": its.server["State"] if its.server else None,
        "queue": asdict(its.queue) if its.queue else None,
        "dead_letters": {of: queue.waiting + queue.taken for of, queue in its.dead_letters.items()},
        "workflow": asdict(workload) if workload else None,
        "files": asdict(found.files[side]) if side in found.files else None,
        "measured": asdict(its.measures) if its.measures else None,
        "alarms": None
        if its.alarms is None
        else [asdict(alarm) | {"section": alarm.section} for alarm in its.alarms],
    }


def rows(its: Mapping[str, Any], source: str) -> Iterator[tuple[str, str]]:
    """Yield the name of each row and what it says of a region."""
    yield "answers", "yes" if its["answers"] else "NO"
    switch = its["switch"]
    stands = f"{switch['position']} since {switch['since']}" if switch["position"] else UNKNOWN
    yield "switch", f"{stands}, kept in {switch['kept_in']}"
    yield "shifted out", _or(its["shifted_out"], lambda ids: f"{_several(ids)} (by {source})")
    yield "SFTP server", its["sftp"] or UNKNOWN
    measured = its["measured"] or {}
    yield "addresses answering", _or(measured.get("addresses"), str)
    failed = ", ".join(leg for leg, delivered in measured.get("legs", {}).items() if not delivered)
    yield (
        "synthetic transfers",
        _or(measured.get("canary"), lambda ok: "delivered" if ok else f"NOT DELIVERED {failed}".rstrip()),
    )
    yield "intake queue", _or(its["queue"], lambda q: f"{q['waiting']:,} waiting, {q['taken']:,} in work")
    letters = ", ".join(f"{of} {count:,}" for of, count in its["dead_letters"].items())
    yield "dead letters", letters or UNKNOWN
    yield "workflow", _or(its["workflow"], _workflow)
    yield "files since yesterday", _or(its["files"], _files)
    files = "{copies_lost:,} lost, {copies_late:,} late"
    yield "files to peer, 24 h", _or(its["measured"], files.format_map)
    yield "facts to peer", _or(measured.get("facts_delay"), lambda delay: f"{delay:,.1f} s")
    yield "alarms on", _or(its["alarms"], lambda alarms: f"{len(alarms):,}")


def _workflow(workload: Mapping[str, int]) -> str:
    more = "+" if workload["more"] else ""
    return f"{workload['running']:,}{more} running, {workload['failed']:,} failed in 24 h"


def _files(counts: Mapping[str, int]) -> str:
    return "{held:,} held, {failed:,} failed, {retrying:,} tried for long".format_map(counts)


def _several(ids: Sequence[str]) -> str:
    return ", ".join(ids[:5]) + (f" and {len(ids) - 5:,} more" if len(ids) > 5 else "") if ids else "nobody"


def _or(value: Any, say: Any) -> str:
    return UNKNOWN if value is None else say(value)
