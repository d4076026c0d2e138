"""Operate the file transfer platform. Verbs that act print a plan; with --apply they carry it out."""

from __future__ import annotations

import typer

from ops.commands import (
    audit,
    check,
    evacuation,
    gaps,
    notice,
    ready,
    rehome,
    release,
    replay,
    shift,
    status,
    takeover,
    trace,
)
from ops.plan import COMMAND

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help=__doc__,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # paragraphs are wrapped to the terminal
)

app.add_typer(audit.app, name="audit")
app.add_typer(replay.app, name="replay")
app.command()(check.check)
app.command()(evacuation.evacuate)
app.command()(evacuation.restore)
app.command("force-in")(evacuation.force_in)
app.command()(gaps.gaps)
app.command()(notice.notice)
app.command()(ready.ready)
app.command()(rehome.rehome)
app.command()(release.release)
app.command()(shift.shift)
app.command()(status.status)
app.command()(takeover.takeover)
app.command()(trace.trace)

if __name__ == "__main__":
    app(prog_name=COMMAND)
