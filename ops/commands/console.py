"""`console`: both regions as pages for a browser on this machine."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ops.cli import AsJson, OfCell, Root, refusing
from ops.environment import ROOT, Environment
from ops.progress import Bar

if TYPE_CHECKING:
    from ops.console.reports import Report
    from ops.console.source import Source

#: The port where none is named.
_PORT = 8030

Port = Annotated[
    int | None,
    typer.Option(
        "--port", min=0, max=65535, metavar="NUMBER", help=f"Port; {_PORT} by default, any free one with 0."
    ),
]
Export = Annotated[
    Path | None,
    typer.Option("--export", metavar="FOLDER", help="Write the pages to this new folder instead."),
]
Reports = Annotated[
    list[Path] | None,
    typer.Option(
        "--report",
        metavar="FILE",
        help="Report of a drill or an acceptance, to be shown too; may be given again.",
    ),
]


def console(
    port: Port = None,
    export: Export = None,
    report: Reports = None,
    as_json: AsJson = False,
    cell: OfCell = None,
    root: Root = ROOT,
) -> None:
    """Show both regions as pages for a browser on this machine.

    There are pages for switches, lag, queues and alarms, for transfers, for what is tried again and why, for
    held files and gaps, and for one file's story. The server listens on loopback alone and ends with Ctrl-C.
    It changes nothing, and it works while a region is dead. With --export, the same pages are written as
    files.

    Example: mft-ops console --report .build/drill.html
    """
    if export and port is not None:
        raise typer.BadParameter("--export and --port exclude each other")
    from ops.console import reports, runbook
    from ops.console.source import Source  # loads dnspython

    with refusing(as_json=as_json):
        source = Source(Environment.read(root, cell))
        given = [reports.read(path) for path in report or ()]
        handbook = runbook.read(root, ROOT)
        if export:
            _export(source, export, given, handbook, as_json=as_json)
        else:
            _serve(source, _PORT if port is None else port, given, handbook, as_json=as_json)


def _export(
    source: Source, folder: Path, given: list[Report], handbook: str | None, *, as_json: bool
) -> None:
    from ops.console.export import export

    with Bar(None, "pages") as bar:
        written = export(source, folder, handbook=handbook, given=given, done=bar.step)
    paths = [str(folder / name) for name in written]
    typer.echo(json.dumps({"written": paths}) if as_json else f"{len(paths)} pages: {folder / 'index.html'}")


def _serve(source: Source, port: int, given: list[Report], handbook: str | None, *, as_json: bool) -> None:
    from ops.console.app import App
    from ops.console.server import listen, serve

    server = listen(App(source, handbook=handbook, given=given), port)
    address = f"http://{server.host}:{server.port}/"
    where = f"cell {source.environment.cell} of {source.environment.namespace}"
    typer.echo(json.dumps({"address": address}) if as_json else f"{where}: {address} (Ctrl-C ends it)")
    sys.stdout.flush()
    serve(server)
    sys.stdout.flush()
    # A question to a dead region may still wait in a thread, and there is nothing to finish.
    os._exit(0)
