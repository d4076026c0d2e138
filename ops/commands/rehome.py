"""`rehome`: which region is a customer's `primary`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops import plan_store
from ops.cell import side_of
from ops.cli import (
    Apply,
    AsJson,
    CustomersOrAll,
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
from runtime.contract import REGION_OF

if TYPE_CHECKING:
    from ops.failover.rehome import Move, RehomePlan
    from ops.logbook import Recording

All = Annotated[bool, typer.Option("--all", help="All customers of the cell that are in service.")]
FromRegistry = Annotated[
    bool,
    typer.Option("--from-registry", help="Customers whose files name REGION already; DNS is moved to match."),
]
To = Annotated[str, typer.Option("--to", metavar="REGION", help="Region that `primary.` is to answer with.")]


def rehome(
    to: To,
    customers: CustomersOrAll = None,
    everyone: All = False,
    from_registry: FromRegistry = False,
    reason: Reason = None,
    override: Override = None,
    apply: Apply = False,
    digest: Digest = None,
    as_json: AsJson = False,
    cell: OfCell = None,
    root: Root = ROOT,
) -> None:
    """Change which region customers' `primary.` names answer with.

    REGION becomes the PRIMARY of these names in Route 53, and the registry says so. This needs Route 53's
    control plane, in us-gov-west-1. All records of a customer change at once. A command
    that was killed goes on when it is run again. Commit the customers' files and `rehomes/` afterwards; the
    next deployment then changes nothing.

    Example: mft-ops rehome c7k2m --to us-gov-east-1
    """
    if bool(customers) + everyone + from_registry != 1:
        raise typer.BadParameter("give exactly one of: customers, --all, --from-registry")
    approved = approval(apply=apply, digest=digest, reason=reason)
    from ops.dns.dns_changes import HostedZone  # loads pydantic, which verbs of an incident do without
    from ops.failover.rehome import Rehome

    bar: Bar | None = None
    recording = None
    with refusing(as_json=as_json, acts=apply, so_far=lambda: customers_done(bar)):
        side = side_of(to)
        environment = Environment.read(root, cell)
        rehoming = Rehome(environment, root, HostedZone(environment))
        plan = rehoming.plan(customers or None, side, as_written=from_registry, override=override)
        plan_store.review(root, plan.document, approved)
        if approved:
            with Bar(len(plan.moves), "customers") as bar:
                recording = rehoming.apply(plan, why=approved.reason, moved=bar.steps)
    whom = ["--all"] if everyone else ["--from-registry"] if from_registry else list(customers or ())
    document = _document(plan, recording)
    document["command"] = _command(plan, whom, reason)
    if as_json:
        typer.echo(json.dumps(document))
    else:
        for line in _lines(document):
            typer.echo(line)
    raise typer.Exit(1 if document["unseen"] or (recording and not recording.is_whole) else 0)


def _command(plan: RehomePlan, whom: list[str], reason: str | None) -> str:
    override = ["--override", plan.override] if plan.override else []
    words = ["rehome", *whom, "--to", REGION_OF[plan.to], *override]
    return applying(*words, digest=plan.digest, reason=reason)


def _document(plan: RehomePlan, recording: Recording | None) -> dict[str, Any]:
    return {
        "applied": recording is not None,
        "to": REGION_OF[plan.to],
        "digest": plan.digest,
        "batches": plan.batches,
        "moves": [_move(move) for move in plan.moves],
        "unseen": recording.outcome["unseen"] if recording else [],
        "override": plan.override,
        "recorded": recording.folder if recording else None,
        "warnings": [*plan.warnings, *(recording.warnings if recording else ())],
    }


def _move(move: Move) -> dict[str, str]:
    return {
        "customer": move.customer,
        "route53": "moves" if move.changes else "is there",
        "registry": "is edited" if move.is_edited else "says so",
    }


def _lines(document: dict[str, Any]) -> list[str]:
    region = document["to"]
    lines = [
        f"{move['customer']}: primary to {region}:"
        f" Route 53 {move['route53']}, the registry {move['registry']}"
        for move in document["moves"]
    ]
    lines += [f"overridden: {document['override']}"] if document["override"] else []
    lines += [f"warning: {each}" for each in document["warnings"]]
    left = sum(move["route53"] == "moves" for move in document["moves"])
    batches = f"{document['batches']} batch{'' if document['batches'] == 1 else 'es'}"
    summary = f"{left:,} of {len(document['moves']):,} customers move in Route 53, in {batches}"
    if not document["applied"]:
        return [*lines, to_do_it(f"plan {document['digest']}: {summary}", document["command"])]
    lines.append(f"recorded: {document['recorded']}")
    lines += [f"not seen: {each}" for each in document["unseen"]]
    if document["unseen"]:
        return [
            *lines,
            f"done, {summary}; but name servers answer otherwise: is {region} healthy, and in DNS?",
        ]
    return [*lines, f"done, {summary}; seen at the zone's name servers; commit customers/ and rehomes/"]
