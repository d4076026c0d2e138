"""`takeover`: a pass of the takeover by hand."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from ops.cell import DeployedCell, side_of
from ops.cli import Apply, AsJson, OfCell, Reason, Region, Root, printable, refusing, to_do_it
from ops.environment import ROOT, Environment
from ops.logbook import Logbook, Recording
from ops.plan import applying, digest
from ops.progress import Bar
from ops.recovery.takeover import Takeovers
from runtime.takeover import TakenOver

#: What is printed about each entry of each list of a pass, before and after it was done.
WORDS = {
    "started": ("would go on here", "goes on here"),
    "absent": ("has not arrived here", "has not arrived here"),
    "adopted": ("would be taken in: no fact is about it", "was taken in: no fact was about it"),
    "unproven": ("may be half an upload: only the lost region and the client know",) * 2,
}


def takeover(
    region: Region,
    reason: Reason = None,
    apply: Apply = False,
    as_json: AsJson = False,
    cell: OfCell = None,
    root: Root = ROOT,
) -> None:
    """Finish now, in the other region, what a lost region has left.

    The other region does that by itself every minute while REGION is declared lost. A pass by hand beside it
    does no harm, so it needs no digest. The command refuses while REGION is not declared lost.

    Example: mft-ops takeover us-gov-west-1
    """
    if apply and not reason:
        raise typer.BadParameter("--apply needs a --reason")
    recording = Recording()
    with refusing(as_json=as_json, acts=apply):
        environment = Environment.read(root, cell)
        takeovers = Takeovers(environment, region)
        with Bar(None, "looked at") as bar:
            if reason and apply:
                plan = {region: {"through": takeovers.region}}
                book = Logbook(
                    DeployedCell(environment=environment, side=side_of(takeovers.region)), "takeover"
                )
                # A region is lost: what it left unfinished does not wait for the record.
                recorded = book.recorded(digest=digest(plan), plan=plan, why=reason, is_emergency=True)
                with recorded as recording:
                    done = takeovers.run(bar.step)
                    recording.outcome.update(_counts(done))
            else:
                done = takeovers.look(bar.step)
    command = applying("takeover", region, digest=None, reason=reason)
    if as_json:
        found = {name: value for name, value in asdict(done).items() if name != "failed"}  # that is refused
        document = {"applied": apply, "out": region, "region": takeovers.region, **found}
        document |= {"command": command, "recorded": recording.folder or None}
        typer.echo(json.dumps({**document, "warnings": recording.warnings}))
        return
    for warning in recording.warnings:
        typer.echo(f"warning: {warning}")
    for name, words in WORDS.items():
        for each in asdict(done)[name]:
            typer.echo(f"{printable(each)} {words[apply]}")
    counts = ", ".join(f"{count} {name}" for name, count in _counts(done).items())
    summary = f"{takeovers.region}: {counts}"
    if not apply:
        typer.echo(to_do_it(summary, command))
        return
    typer.echo(summary)
    if recording.folder:
        typer.echo(f"recorded: {recording.folder}")
    typer.echo("done")


def _counts(done: TakenOver) -> dict[str, int]:
    """Return the length of each list."""
    found = asdict(done)
    return {name: len(found[name]) for name in WORDS}
