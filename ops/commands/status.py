"""`status`: both regions on one screen."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ops.cli import AsJson, OfCell, Root, printable, refusing
from ops.environment import ROOT, Environment

if TYPE_CHECKING:
    from ops.health.cell_report import CellReport
    from ops.health.status import StatusReport, StatusWatch

Watching = Annotated[bool, typer.Option("--watch", help="Look again every few seconds, until Ctrl-C.")]

#: Seconds between two looks at both regions.
_EVERY = 5.0
#: Width of the text, in columns, when it does not go to a terminal.
_WIDE = 200
#: Lines that findings get on the smallest terminal.
_FEWEST = 8
_UNKNOWN = "not known"


def status(watch: Watching = False, as_json: AsJson = False, cell: OfCell = None, root: Root = ROOT) -> None:
    """Show both regions on one screen: switches, queues, alarms.

    The screen also has customers that are out, copies to the peer and the workflow. The exit code is 0
    when all is well, and 1 when something is found. The command works while a region or Route 53's
    control plane is dead, and reads no registry.

    Example: mft-ops status --watch
    """
    if watch and as_json:
        raise typer.BadParameter("--watch and --json exclude each other")
    from ops.health.status import StatusWatch  # loads dnspython, which most verbs do without

    with refusing(as_json=as_json):
        looking = StatusWatch(Environment.read(root, cell))
        with Console(stderr=True).status("asking both regions"):
            found = looking.look()
        if watch:
            found = _watched(looking, found)
    if as_json:
        typer.echo(json.dumps(_document(found)))
    elif not watch:
        _console().print(_screen(_document(found)))
    raise typer.Exit(1 if found.findings else 0)


def _watched(looking: StatusWatch, found: StatusReport) -> StatusReport:
    """Show one report after another until Ctrl-C; return the last."""
    try:
        console = _console()
        with Live(
            _fitting(_document(found), console), console=console, auto_refresh=False, vertical_overflow="crop"
        ) as live:
            while True:
                time.sleep(_EVERY)
                found = looking.look()
                live.update(_fitting(_document(found), console), refresh=True)
    except KeyboardInterrupt:
        return found


def _console() -> Console:
    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)


def _document(found: StatusReport) -> dict[str, Any]:
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


def _screen(document: Mapping[str, Any]) -> Group:
    """Return the document as a column for each region, then what was found."""
    return Group(_table(document), Text(), *_found(document))


def _fitting(document: Mapping[str, Any], console: Console) -> Group:
    """Return the document for a terminal: what was found comes first, as much of it as leaves room."""
    table = _table(document)
    room = max(_FEWEST, console.size.height - len(console.render_lines(table)) - 2)
    shown: list[Text] = []
    found, used = list(_found(document)), 0
    for text in found:
        lines = len(console.render_lines(text))
        if shown and used + lines > room - (text is not found[-1]):
            shown.append(Text(f"{len(found) - len(shown):,} more: mft-ops status", style="bold red"))
            break
        shown.append(text)
        used += lines
    return Group(*shown, Text(), table)


def _table(document: Mapping[str, Any]) -> Table:
    table = Table.grid(padding=(0, 3))
    table.add_column(style="dim", no_wrap=True)
    regions = document["regions"]
    for _ in regions:
        table.add_column()
    table.add_row(document["at"], *(Text(region, style="bold") for region in regions))
    columns = [dict(_rows(its, document["shifts_according_to"])) for its in regions.values()]
    for name in columns[0]:
        table.add_row(name, *(column[name] for column in columns))
    return table


def _found(document: Mapping[str, Any]) -> Iterator[Text]:
    for each in document["findings"]:
        yield Text(printable(each), style="red")
    if not document["findings"]:
        yield Text("all is well", style="green")


def _rows(its: Mapping[str, Any], source: str) -> Iterator[tuple[str, str]]:
    """Yield the name of each row and what it says of a region."""
    yield "answers", "yes" if its["answers"] else "NO"
    switch = its["switch"]
    stands = f"{switch['position']} since {switch['since']}" if switch["position"] else _UNKNOWN
    yield "switch", f"{stands}, kept in {switch['kept_in']}"
    yield "shifted out", _or(its["shifted_out"], lambda ids: f"{_several(ids)} (by {source})")
    yield "SFTP server", its["sftp"] or _UNKNOWN
    measured = its["measured"] or {}
    yield "addresses answering", _or(measured.get("addresses"), str)
    failed = ", ".join(leg for leg, delivered in measured.get("legs", {}).items() if not delivered)
    yield (
        "synthetic transfers",
        _or(measured.get("canary"), lambda ok: "delivered" if ok else f"NOT DELIVERED {failed}".rstrip()),
    )
    yield "intake queue", _or(its["queue"], lambda q: f"{q['waiting']:,} waiting, {q['taken']:,} in work")
    letters = ", ".join(f"{of} {count:,}" for of, count in its["dead_letters"].items())
    yield "dead letters", letters or _UNKNOWN
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
    return _UNKNOWN if value is None else say(value)
