"""`shift`: one customer, or some, out of a region, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops import plan_store
from ops.cell import side_of
from ops.cli import (
    Apply,
    AsJson,
    Digest,
    OfCell,
    Override,
    Reason,
    Root,
    approval,
    customers_done,
    refusing,
    to_do_it,
)
from ops.environment import ROOT, Environment
from ops.plan import applying
from ops.progress import Bar
from runtime.contract import REGION_OF, peer_of

if TYPE_CHECKING:
    from ops.failover.shift import ShiftPlan
    from ops.logbook import Recording

Customers = Annotated[list[str], typer.Argument(metavar="CUSTOMER", help="Customers' ids.")]
OutOf = Annotated[
    str | None,
    typer.Option("--region", metavar="REGION", help="Region that they leave, e.g. us-gov-west-1."),
]
Back = Annotated[bool, typer.Option("--back", help="Let the customers' own health decide again.")]


def shift(
    customers: Customers,
    region: OutOf = None,
    back: Back = False,
    reason: Reason = None,
    override: Override = None,
    apply: Apply = False,
    digest: Digest = None,
    as_json: AsJson = False,
    cell: OfCell = None,
    root: Root = ROOT,
) -> None:
    """Take customers out of a region, or bring them back.

    All other customers stay. This needs Route 53's control plane, in us-gov-west-1; `evacuate` does not.
    The command refuses while the other region is out or not ready, and when a customer is out of it. The
    next deployment leaves the shift in place.

    Example: mft-ops shift c7k2m --region us-gov-west-1
    """
    if bool(region) == back:
        raise typer.BadParameter("give either --region REGION or --back")
    approved = approval(apply=apply, digest=digest, reason=reason)
    from ops.dns.dns_changes import HostedZone  # loads pydantic, which verbs of an incident do without
    from ops.failover.shift import Shifting

    bar: Bar | None = None
    recording = None
    with refusing(as_json=as_json, acts=apply, so_far=lambda: customers_done(bar)):
        side = side_of(region) if region else None
        environment = Environment.read(root, cell)
        shifting = Shifting(environment, root, HostedZone(environment))
        plan = shifting.plan(customers, side, override=override)
        plan_store.review(root, plan.document, approved)
        if approved:
            with Bar(len(plan.shifts), "customers") as bar:
                recording = shifting.apply(plan, why=approved.reason, shifted=bar.steps)
    document = _document(plan, recording)
    document["command"] = _command(plan, reason)
    if as_json:
        typer.echo(json.dumps(document))
    else:
        for line in _lines(document):
            typer.echo(line)
    raise typer.Exit(1 if recording and not recording.is_whole else 0)


def _command(plan: ShiftPlan, reason: str | None) -> str:
    where = ["--region", REGION_OF[plan.out_of]] if plan.out_of else ["--back"]
    override = ["--override", plan.override] if plan.override else []
    words = ["shift", *(shift.customer for shift in plan.shifts), *where, *override]
    return applying(*words, digest=plan.digest, reason=reason)


def _document(plan: ShiftPlan, recording: Recording | None) -> dict[str, Any]:
    return {
        "applied": recording is not None,
        "out_of": REGION_OF[plan.out_of] if plan.out_of else None,
        "answers_with": REGION_OF[peer_of(plan.out_of)] if plan.out_of else None,
        "digest": plan.digest,
        "batches": plan.batches,
        "shifts": {shift.customer: len(shift.changes) for shift in plan.shifts},
        "override": plan.override,
        "recorded": recording.folder if recording else None,
        "warnings": [*plan.warnings, *(recording.warnings if recording else ())],
    }


def _lines(document: dict[str, Any]) -> list[str]:
    where = f"out of {document['out_of']}, to {document['answers_with']}" if document["out_of"] else "back"
    lines = [
        f"{id}: {where}: {f'{halves} records change' if halves else 'nothing to change'}"
        for id, halves in document["shifts"].items()
    ]
    lines += [f"overridden: {document['override']}"] if document["override"] else []
    lines += [f"warning: {each}" for each in document["warnings"]]
    left = sum(bool(halves) for halves in document["shifts"].values())
    batches = f"{document['batches']} batch{'' if document['batches'] == 1 else 'es'}"
    summary = f"{left:,} of {len(document['shifts']):,} customers, in {batches}"
    if not document["applied"]:
        return [*lines, to_do_it(f"plan {document['digest']}: {summary}", document["command"])]
    lines.append(f"recorded: {document['recorded']}")
    return [*lines, f"done, {summary}; clients that hold an answer keep it for its TTL"]
