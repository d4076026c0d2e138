"""What operators run: `python -m ops evacuate us-gov-west-1`. Every verb plans; `--apply` acts."""

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

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False)

app.add_typer(audit.app, name="audit")
app.add_typer(replay.app, name="replay")
app.command()(check.check)
app.command()(evacuation.evacuate)
app.command()(evacuation.restore)
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
    app()
