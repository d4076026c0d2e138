"""Operate the file transfer platform. Verbs that act print a plan; with --apply they carry it out."""

from __future__ import annotations

import typer

from ops.commands import (
    accept,
    audit,
    cell,
    check,
    console,
    evacuation,
    gaps,
    handout,
    lifecycle,
    new,
    notice,
    ready,
    redrive,
    rehome,
    release,
    replay,
    shift,
    status,
    takeover,
    trace,
    transfers,
)
from ops.plan import COMMAND

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help=__doc__,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # paragraphs are wrapped to the terminal
)

for name, group in (("audit", audit.app), ("cell", cell.app), ("replay", replay.app)):
    app.add_typer(group, name=name)
for verb in (
    *(accept.accept, check.check, evacuation.evacuate, evacuation.restore, gaps.gaps, notice.notice),
    *(ready.ready, redrive.redrive, rehome.rehome, release.release, shift.shift, status.status),
    *(takeover.takeover, trace.trace, transfers.transfers, handout.handout, console.console),
    *(new.new, lifecycle.promote, lifecycle.drain, lifecycle.retire),
):
    app.command()(verb)
app.command("force-in")(evacuation.force_in)

if __name__ == "__main__":
    app(prog_name=COMMAND)
