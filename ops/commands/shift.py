"""`shift`: one customer, or some, out of a region, and back."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops.cell import side_of
from ops.cli import Apply, AsJson, Digest, Override, Root, Why, refusing, reviewed_with_reason
from ops.commands.rehome import ADVICE, done_so_far
from ops.environment import ROOT, Environment
from ops.progress import Bar
from runtime.contract import REGION_OF, peer_of

if TYPE_CHECKING:
    from ops.failover.shift import ShiftPlan
    from ops.logbook import Recording

Customers = Annotated[list[str], typer.Argument(help="Customers' ids.", metavar="CUSTOMER")]
OutOf = Annotated[str | None, typer.Option("--out-of", metavar="REGION", help="Region, e.g. us-gov-west-1.")]
Back = Annotated[bool, typer.Option("--back", help="Let the customers' own health decide again.")]


def shift(
    customers: Customers,
    out_of: OutOf = None,
    back: Back = False,
    why: Why = None,
    override: Override = None,
    apply: Apply = False,
    digest: Digest = None,
    as_json: AsJson = False,
    root: Root = ROOT,
) -> None:
    """Take customers out of a region, or bring them back; everybody else stays.

    Needs Route 53's control plane, in us-gov-west-1; `evacuate` does not. Refused
    while the other region is out or not ready, or a customer is out of it. The next
    `pulumi up --refresh` leaves it as it is.

    Example: python -m ops shift c7k2m --out-of us-gov-west-1
    """
    if bool(out_of) == back:
        raise typer.BadParameter("say --out-of and a region, or --back: one of these")
    reviewed_with_reason(apply=apply, digest=digest, why=why)
    from ops import plan_store  # pydantic is no load for the verbs of an incident
    from ops.dns.dns_changes import HostedZone
    from ops.failover.shift import Shifting

    bar: Bar | None = None
    recording = None
    with refusing(as_json=as_json, advice=ADVICE, so_far=lambda: done_so_far(bar)):
        side = side_of(out_of) if out_of else None
        environment = Environment.read(root)
        shifting = Shifting(environment, root, HostedZone(environment))
        plan = shifting.plan(customers, side, override=override)
        if apply:
            plan_store.check(root, plan.document, str(digest))
            with Bar(len(plan.shifts), "customers") as bar:
                recording = shifting.apply(plan, why=str(why), shifted=bar.steps)
    told = _document(plan, recording)
    if as_json:
        typer.echo(json.dumps(told))
    else:
        for line in _lines(told):
            typer.echo(line)
    raise typer.Exit(1 if recording and not recording.is_whole else 0)


def _document(plan: ShiftPlan, recording: Recording | None) -> dict[str, Any]:
    out_of = REGION_OF[plan.out_of] if plan.out_of else None
    ids = [shift.customer for shift in plan.shifts]
    words = ["python", "-m", "ops", "shift", *ids, *(["--out-of", out_of] if out_of else ["--back"])]
    words += ["--override", plan.override] if plan.override else []
    return {
        "applied": recording is not None,
        "out_of": out_of,
        "answers_with": REGION_OF[peer_of(plan.out_of)] if plan.out_of else None,
        "digest": plan.digest,
        "batches": plan.batches,
        "shifts": {shift.customer: len(shift.changes) for shift in plan.shifts},
        "override": plan.override,
        "recorded": recording.folder if recording else None,
        "warnings": [*plan.warnings, *(recording.warnings if recording else ())],
        "command": shlex.join([*words, "--reason", "WHY", "--apply", "--digest", plan.digest]),
    }


def _lines(told: dict[str, Any]) -> list[str]:
    where = f"out of {told['out_of']}, to {told['answers_with']}" if told["out_of"] else "back"
    lines = [
        f"{id}: {where}: {f'{halves} records change' if halves else 'is so already'}"
        for id, halves in told["shifts"].items()
    ]
    lines += [f"overridden: {told['override']}"] if told["override"] else []
    lines += [f"warning: {each}" for each in told["warnings"]]
    left = sum(bool(halves) for halves in told["shifts"].values())
    batches = f"{told['batches']} batch{'' if told['batches'] == 1 else 'es'}"
    summary = f"{left:,} of {len(told['shifts']):,} customers, in {batches}"
    if told["applied"]:
        lines.append(f"recorded: {told['recorded']}")
        return [*lines, f"done, {summary}; clients that keep an answer do so for its TTL"]
    return [*lines, f"plan {told['digest']}: {summary}; nothing was done; to do it:", f"  {told['command']}"]
