"""`rehome`: which region is a customer's `primary`."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ops.cli import Apply, AsJson, Digest, Override, Root, Why, refusing, reviewed_with_reason
from ops.environment import ROOT, Environment
from ops.progress import Bar
from runtime.contract import REGION_OF

if TYPE_CHECKING:
    from ops.failover.rehome import RehomePlan
    from ops.logbook import Recording

Customers = Annotated[list[str] | None, typer.Argument(help="Customers' ids.", metavar="CUSTOMER")]
All = Annotated[bool, typer.Option("--all", help="All customers of the cell that are in service.")]
FromRegistry = Annotated[
    bool, typer.Option("--from-registry", help="Those whose files say so already; they are moved to match.")
]
To = Annotated[Literal["east", "west"], typer.Option("--to", help="The region that `primary.` answers.")]
ADVICE = "run it again with the same digest: what is done is not done twice"


def rehome(
    to: To,
    customers: Customers = None,
    everyone: All = False,
    from_registry: FromRegistry = False,
    why: Why = None,
    override: Override = None,
    apply: Apply = False,
    digest: Digest = None,
    as_json: AsJson = False,
    root: Root = ROOT,
) -> None:
    """Make a region the PRIMARY of customers' `primary.` names, and the registry say so.

    Needs Route 53's control plane, in us-gov-west-1. All of a customer's records
    change at once. Killed, it goes on when it is run again. Commit the customers'
    files and `rehomes/` afterwards; the next `pulumi up --refresh` changes nothing.

    Example: python -m ops rehome c7k2m --to east
    """
    if bool(customers) + everyone + from_registry != 1:
        raise typer.BadParameter("name customers, or give --all or --from-registry: one of these")
    reviewed_with_reason(apply=apply, digest=digest, why=why)
    from ops import plan_store  # pydantic is no load for the verbs of an incident
    from ops.dns.dns_changes import HostedZone
    from ops.failover.rehome import Rehome

    bar: Bar | None = None
    recording = None
    with refusing(as_json=as_json, advice=ADVICE, so_far=lambda: done_so_far(bar)):
        environment = Environment.read(root)
        rehoming = Rehome(environment, root, HostedZone(environment))
        plan = rehoming.plan(customers or None, to, as_written=from_registry, override=override)
        if apply:
            plan_store.check(root, plan.document, str(digest))
            with Bar(len(plan.moves), "customers") as bar:
                recording = rehoming.apply(plan, why=str(why), moved=bar.steps)
    words = ["--all"] if everyone else ["--from-registry"] if from_registry else list(customers or ())
    told = _document(plan, words, recording)
    if as_json:
        typer.echo(json.dumps(told))
    else:
        for line in _lines(told):
            typer.echo(line)
    raise typer.Exit(1 if told["unseen"] or (recording and not recording.is_whole) else 0)


def done_so_far(bar: Bar | None) -> str:
    """Return how many customers were done before it ended."""
    if bar is None or not bar.done:
        return "nothing was done"
    return f"{bar.done:,} of {bar.total:,} customers are done, each whole, and the others are as they were"


def _document(plan: RehomePlan, words: list[str], recording: Recording | None) -> dict[str, Any]:
    command = ["python", "-m", "ops", "rehome", *words, "--to", plan.to]
    command += ["--override", plan.override] if plan.override else []
    return {
        "applied": recording is not None,
        "to": plan.to,
        "digest": plan.digest,
        "batches": plan.batches,
        "moves": [
            {
                "customer": move.customer,
                "route53": "moves" if move.changes else "is there",
                "registry": "is edited" if move.is_edited else "says so",
            }
            for move in plan.moves
        ],
        "unseen": recording.outcome["unseen"] if recording else [],
        "override": plan.override,
        "recorded": recording.folder if recording else None,
        "warnings": [*plan.warnings, *(recording.warnings if recording else ())],
        "command": shlex.join([*command, "--reason", "WHY", "--apply", "--digest", plan.digest]),
    }


def _lines(told: dict[str, Any]) -> list[str]:
    region = REGION_OF[told["to"]]
    lines = [
        f"{move['customer']}: primary to {region}:"
        f" Route 53 {move['route53']}, the registry {move['registry']}"
        for move in told["moves"]
    ]
    lines += [f"overridden: {told['override']}"] if told["override"] else []
    lines += [f"warning: {each}" for each in told["warnings"]]
    left = sum(move["route53"] == "moves" for move in told["moves"])
    batches = f"{told['batches']} batch{'' if told['batches'] == 1 else 'es'}"
    summary = f"{left:,} of {len(told['moves']):,} customers move in Route 53, in {batches}"
    if not told["applied"]:
        return [
            *lines,
            f"plan {told['digest']}: {summary}; nothing was done; to do it:",
            f"  {told['command']}",
        ]
    lines.append(f"recorded: {told['recorded']}")
    lines += [f"not seen: {each}" for each in told["unseen"]]
    if told["unseen"]:
        return [
            *lines,
            f"done, {summary}; and name servers answer otherwise: is {region} healthy, and in DNS?",
        ]
    return [*lines, f"done, {summary}; seen at the zone's name servers; commit customers/ and rehomes/"]
