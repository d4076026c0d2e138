"""`status`: both regions on one screen."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ops.cli import AsJson, OfCell, Root, printable, refusing
from ops.environment import ROOT, Environment
from ops.health.status_document import document_of, rows

if TYPE_CHECKING:
    from ops.health.status import StatusReport, StatusWatch

Watching = Annotated[bool, typer.Option("--watch", help="Look again every few seconds, until Ctrl-C.")]

#: Seconds between two looks at both regions.
_EVERY = 5.0
#: Width of the text, in columns, when it does not go to a terminal.
_WIDE = 200
#: Lines that findings get on the smallest terminal.
_FEWEST = 8


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
        typer.echo(json.dumps(document_of(found)))
    elif not watch:
        _console().print(_screen(document_of(found)))
    raise typer.Exit(1 if found.findings else 0)


def _watched(looking: StatusWatch, found: StatusReport) -> StatusReport:
    """Show one report after another until Ctrl-C; return the last."""
    try:
        console = _console()
        with Live(
            _fitting(document_of(found), console),
            console=console,
            auto_refresh=False,
            vertical_overflow="crop",
        ) as live:
            while True:
                time.sleep(_EVERY)
                found = looking.look()
                live.update(_fitting(document_of(found), console), refresh=True)
    except KeyboardInterrupt:
        return found


def _console() -> Console:
    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)


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
    columns = [dict(rows(its, document["shifts_according_to"])) for its in regions.values()]
    for name in columns[0]:
        table.add_row(name, *(column[name] for column in columns))
    return table


def _found(document: Mapping[str, Any]) -> Iterator[Text]:
    for each in document["findings"]:
        yield Text(printable(each), style="red")
    if not document["findings"]:
        yield Text("all is well", style="green")
