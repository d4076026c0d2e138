"""`redrive`: sending on what fell into a region's dead-letter queues."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from ops import plan_store
from ops.cell import DeployedCell, side_of
from ops.cli import Apply, AsJson, Digest, OfCell, Reason, Region, Root, approval, refusing, to_do_it
from ops.environment import ROOT, Environment
from ops.logbook import Logbook, Recording
from ops.plan import applying
from ops.progress import Bar
from ops.recovery.redrive import Redrive, Redriven

Queues = Annotated[
    list[str] | None,
    typer.Option(
        "--queue",
        metavar="QUEUE",
        help="Only this queue, as `status` names it: ingest, replication, events or invocations; may be given"
        " again.",
    ),
]


def redrive(
    region: Region,
    queue: Queues = None,
    reason: Reason = None,
    apply: Apply = False,
    digest: Digest = None,
    as_json: AsJson = False,
    cell: OfCell = None,
    root: Root = ROOT,
) -> None:
    """Send on what fell into a region's dead-letter queues.

    Repair the cause first. Events of uploads go back to intake, which takes no upload in twice; runs of
    scheduled functions are started once. A command that was interrupted is run again. Exit code 1 if a
    message was left, because it is not known what it was meant for.

    Example: mft-ops redrive us-gov-west-1 --queue ingest
    """
    approved = approval(apply=apply, digest=digest, reason=reason)
    recording, done = Recording(), dict[str, Redriven]()
    with refusing(as_json=as_json, acts=apply):
        deployed = DeployedCell(environment=Environment.read(root, cell), side=side_of(region))
        redriving = Redrive(deployed)
        plan = redriving.plan(queue or ())
        plan_store.review(root, plan.document, approved)
        if approved:
            book = Logbook(deployed, "redrive")
            with (
                book.recorded(digest=plan.digest, plan=plan.document, why=approved.reason) as recording,
                Bar(sum(plan.waiting.values()), "sent on") as bar,
            ):
                done = redriving.apply(plan, bar.step)
                recording.outcome["queues"] = {name: vars(each) for name, each in done.items()}
    words = [word for name in queue or () for word in ("--queue", name)]
    to_apply = applying("redrive", region, *words, digest=plan.digest, reason=reason)
    if as_json:
        document = {"applied": apply, "region": plan.region, "waiting": plan.waiting}
        document |= {"queues": {name: vars(each) for name, each in done.items()}, "digest": plan.digest}
        document |= {"command": to_apply, "recorded": recording.folder or None}
        typer.echo(json.dumps({**document, "warnings": recording.warnings}))
    else:
        _print(plan.waiting, done, recording)
        if not apply:
            total = sum(plan.waiting.values())
            typer.echo(to_do_it(f"plan {plan.digest}: about {total:,} messages", to_apply))
    raise typer.Exit(1 if any(each.left for each in done.values()) else 0)


def _print(waiting: dict[str, int], done: dict[str, Redriven], recording: Recording) -> None:
    for warning in recording.warnings:
        typer.echo(f"warning: {warning}")
    for name, count in waiting.items():
        if name not in done:
            typer.echo(f"{name}: about {count:,} messages wait")
    for name, result in done.items():
        typer.echo(f"{name}: {result.sent:,} sent on, {len(result.left):,} left")
        for text in result.left:
            typer.echo(f"  left: {text}")
    if recording.folder:
        typer.echo(f"recorded: {recording.folder}")
