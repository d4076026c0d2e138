"""`cell move`: a customer's move from one cell to another, step by step."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops import plan_store
from ops.cli import Apply, AsJson, Digest, Override, Reason, Root, approval, refusing, to_do_it
from ops.environment import ROOT
from ops.plan import COMMAND, applying
from ops.progress import Bar

if TYPE_CHECKING:
    from ops.cell_moves.cell_move import MovePlan
    from ops.logbook import Recording

app = typer.Typer(no_args_is_help=True, help="Cells, and which customers they serve.")

Customer = Annotated[str, typer.Argument(metavar="CUSTOMER", help="Customer's id.")]
To = Annotated[
    str | None, typer.Option("--to", metavar="NUMBER", help="Cell that it moves to; for the first step.")
]
Abandon = Annotated[bool, typer.Option("--abandon", help="Give the move up, while its names have not moved.")]

#: What a step means to everybody else, printed with its plan.
_MEANS = {
    "prepared": "the new cell gets its buckets and logins; partners have to let in that cell's addresses and"
    " roles, and owners of its receipts' targets to confirm the new topics (docs/cells.md)",
    "opened": "the new cell takes files, which wait there; the names stay where they are",
    "switched": "its names lead to the new cell at once; what it sends waits there until the old one is done",
    "drained": "what the old cell knows is carried over, and what waits in the new cell is delivered",
    "abandoned": "the new cell releases what it has; the old one goes on",
    None: "the move has ended",
}


@app.callback()
def _cell() -> None:
    pass  # so that `move` stays a word of the command line


@app.command()
def move(
    customer: Customer,
    to: To = None,
    abandon: Abandon = False,
    reason: Reason = None,
    override: Override = None,
    apply: Apply = False,
    digest: Digest = None,
    as_json: AsJson = False,
    root: Root = ROOT,
) -> None:
    """Take the next step of a customer's move to another cell.

    A move has five steps: `prepared`, `opened`, `switched`, `drained` and the end. Each is planned,
    requires proofs that are printed while they are missing, and ends in an edit of the customer's file.
    Commit it, and deploy all four stacks before the next step. Customers send all the time; what they
    send between `switched` and `drained` is delivered when `drained` is deployed.

    `switched` changes the customer's DNS records, all at once, and needs Route 53's control plane.
    `drained` carries the facts about its files to the trackers of the new cell. The other steps change
    nothing in AWS. A command that was killed goes on when it is run again.

    Example: mft-ops cell move c7k2m --to 2
    """
    approved = approval(apply=apply, digest=digest, reason=reason)
    from ops.cell_moves.cell_move import CellMove  # loads pydantic, which verbs of an incident do without

    recording = None
    with refusing(as_json=as_json, acts=apply):
        moving = CellMove(root, customer, to=to, abandon=abandon)
        with Bar(moving.looks, "looked at") as bar:
            plan = moving.plan(bar.steps, override)
        if not plan.missing:
            plan_store.review(root, plan.document, approved)
        if approved and not plan.missing:
            with Bar(None, "days of facts") as bar:
                recording = moving.apply(plan, why=approved.reason, stepped=bar.steps)
    document = _document(plan, recording, is_done=bool(approved) and not plan.missing)
    document["command"] = None if plan.missing else _command(plan, abandon, reason)
    if as_json:
        typer.echo(json.dumps(document))
    else:
        for line in _lines(document, plan):
            typer.echo(line)
    is_whole = recording is None or recording.is_whole
    raise typer.Exit(1 if document["missing"] or document["unseen"] or not is_whole else 0)


def _command(plan: MovePlan, abandon: bool, reason: str | None) -> str:
    words = ["cell", "move", plan.customer, *(["--to", plan.to] if plan.was is None else [])]
    words += ["--abandon"] if abandon else []
    words += ["--override", plan.override] if plan.override else []
    return applying(*words, digest=plan.digest, reason=reason)


def _document(plan: MovePlan, recording: Recording | None, *, is_done: bool) -> dict[str, Any]:
    outcome = recording.outcome if recording else {}
    return {
        "applied": is_done,
        "customer": plan.customer,
        "file": plan.file,
        "from": plan.cell,
        "to": plan.to,
        "was": plan.was,
        "step": plan.step,
        "digest": plan.digest,
        "missing": list(plan.missing),
        "records": len(plan.names.changes) if plan.names else 0,
        "facts": outcome.get("facts", 0),
        "unseen": outcome.get("unseen", []),
        "override": plan.override,
        "recorded": recording.folder if recording else None,
        "warnings": recording.warnings if recording else [],
    }


def _lines(document: dict[str, Any], plan: MovePlan) -> list[str]:
    if count := len(plan.missing):
        noun = "proof is" if count == 1 else "proofs are"
        return [*plan.missing, f"refused: {count:,} {noun} missing, and nothing was changed"]
    step = repr(plan.step) if plan.step else "the end of the move"
    where = f"{plan.customer}, from cell {plan.cell} to cell {plan.to}"
    lines = [f"{where}: {step}: {_MEANS[plan.step]}"]
    lines += [f"{document['records']} DNS records change, in one request"] if plan.names else []
    lines += [f"overridden: {plan.override}"] if plan.override else []
    if not document["applied"]:
        return [*lines, to_do_it(f"plan {plan.digest}", document["command"])]
    lines += [f"warning: {each}" for each in document["warnings"]]
    lines += [f"{document['facts']:,} facts were carried over"] if plan.step == "drained" else []
    lines += [f"recorded: {document['recorded']}"] if document["recorded"] else []
    lines += [f"not seen: {each}" for each in document["unseen"]]
    return [
        *lines,
        f"{plan.file} is edited: commit it, and before the pull request: {COMMAND} check --base origin/main",
        "then deploy the stacks of both cells, in both regions",
    ]
