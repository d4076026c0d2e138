"""`release`: deciding about a file that is held, because nobody knows whether the partner has it."""

from __future__ import annotations

import json
from typing import Annotated, assert_never

import typer

from ops import plan_store
from ops.cli import (
    Apply,
    AsJson,
    Digest,
    OfCell,
    OfCustomer,
    Reason,
    Root,
    approval,
    printable,
    refusing,
    to_do_it,
)
from ops.environment import ROOT, Environment
from ops.plan import RefusedError, applying, command
from ops.recovery.lookup import Lookup
from ops.recovery.regions import Regions
from ops.recovery.release import ReleasePlan, Releases
from runtime.contract import REGION_OF
from runtime.release import ReleaseDecision

Transfer = Annotated[str, typer.Argument(metavar="TRANSFER", help="The transfer's id.")]
Destinations = Annotated[
    list[str] | None,
    typer.Option(
        "--destination",
        metavar="DESTINATION",
        help="Only this one of the destinations that hold it; may be given again.",
    ),
]
Word = Annotated[
    bool | None, typer.Option("--delivered/--resend", help="The partner has the file, or needs it again.")
]


def release(
    transfer: Transfer,
    delivered: Word = None,
    destination: Destinations = None,
    customer: OfCustomer = None,
    reason: Reason = None,
    apply: Apply = False,
    digest: Digest = None,
    as_json: AsJson = False,
    cell: OfCell = None,
    root: Root = ROOT,
) -> None:
    """Decide about a held file: it was delivered, or is sent again.

    Ask the partner first. The decision is recorded with the reason and who made it. With --resend, a partner
    that has the file after all may get it twice.

    Example: mft-ops release 20260131T180000Z-0123456789abcdef0123 --resend
    """
    if delivered is None:
        raise typer.BadParameter("give the partner's answer: --delivered or --resend")
    approved = approval(apply=apply, digest=digest, reason=reason)
    with refusing(as_json=as_json, acts=apply):
        regions = Regions.find(Environment.read(root, cell))
        file = Lookup(regions, regions.customers([customer] if customer else ())).find(transfer)
        if file.transfer is None:
            raise RefusedError(
                f"{transfer!r} is a key: name one transfer of it, as shown by: {command('trace', transfer)}"
            )
        releases = Releases(regions, file)
        decision = ReleaseDecision.DELIVERED if delivered else ReleaseDecision.RESEND
        plan = releases.plan(decision, destination or ())
        plan_store.review(root, plan.document, approved)
        started = dict(releases.apply(plan, why=approved.reason)) if approved else {}
    words = ["release", transfer, f"--{decision.value}"]
    for name in destination or ():
        words += ["--destination", name]
    words += ["--customer", customer] if customer else []
    to_apply = applying(*words, digest=plan.digest, reason=reason)
    if as_json:
        document = {"applied": apply, "started": started, **vars(plan), "region": REGION_OF[plan.side]}
        typer.echo(json.dumps({**document, "digest": plan.digest, "command": to_apply}))
        return
    for line in _lines(plan):
        typer.echo(line)
    for name, execution in started.items():
        typer.echo(f"released at {name}: {execution}")
    if not apply:
        typer.echo(to_do_it(f"plan {plan.digest}", to_apply))


def _lines(plan: ReleasePlan) -> list[str]:
    match plan.decision:
        case ReleaseDecision.DELIVERED:
            means = "it is taken for delivered, and nothing is sent"
        case ReleaseDecision.RESEND:
            means = "it is sent again, unless the destination shows that it has it"
        case unreachable:
            assert_never(unreachable)
    file = f"{printable(plan.key)} of {plan.customer}, transfer {plan.transfer}"
    lines = [f"{file}, in {REGION_OF[plan.side]}: {means}"]
    lines += [f"  {name} holds it: {why}" for name, why in plan.held.items()]
    lines += [f"  {name} has received {other} since: it has the same size" for name, other in plan.since]
    return lines + [f"  {other} waits for this: it may be the same file" for other in plan.waiting]
