"""`release`: deciding about a file that is held, because nobody knows whether the partner has it."""

from __future__ import annotations

import json
import shlex
from typing import Annotated

import typer

from ops.cli import Apply, AsJson, Digest, Reason, Root, printable, refusing
from ops.environment import ROOT, Environment
from ops.plan import RefusedError
from ops.recovery.lookup import Lookup
from ops.recovery.regions import Regions
from ops.recovery.release import ReleasePlan, Releases
from runtime.contract import REGION_OF
from runtime.release import ReleaseDecision

Transfer = Annotated[str, typer.Argument(help="The transfer's id.")]
Customer = Annotated[str | None, typer.Option("--customer", help="Whose it is; quicker when it is known.")]
Destinations = Annotated[
    list[str] | None,
    typer.Option("--destination", help="Only this one of those that hold it; may be given again."),
]
Word = Annotated[
    bool | None, typer.Option("--delivered/--resend", help="The partner has the file, or needs it again.")
]


def release(
    transfer: Transfer,
    reason: Reason,
    delivered: Word = None,
    destination: Destinations = None,
    customer: Customer = None,
    apply: Apply = False,
    digest: Digest = None,
    as_json: AsJson = False,
    root: Root = ROOT,
) -> None:
    """Decide about a held file: the partner has it, or it is sent again.

    Ask the partner first. The decision is recorded with who and why; with
    --resend a partner that has the file after all may get it twice.

    Example: python -m ops release 20260131T180000Z-0123456789abcdef0123 --resend
    --reason "partner has not got it"
    """
    if delivered is None:
        raise typer.BadParameter("say what the partner said: --delivered or --resend")
    if apply and digest is None:
        raise typer.BadParameter("--apply needs the --digest of the plan that was reviewed")
    with refusing(as_json=as_json, advice="a release may be repeated: run it again"):
        regions = Regions.find(Environment.read(root))
        file = Lookup(regions, regions.customers([customer] if customer else ())).find(transfer)
        if file.transfer is None:
            raise RefusedError(f"{transfer!r} is a key: name one transfer of it, as `ops trace` tells them")
        releases = Releases(regions, file)
        plan = releases.plan(
            ReleaseDecision.DELIVERED if delivered else ReleaseDecision.RESEND, destination or ()
        )
        if apply and plan.digest != digest:
            raise RefusedError(f"the plan is {plan.digest} now, not {digest}: look at it without --apply")
        started = dict(releases.apply(plan, why=reason)) if apply else {}
    if as_json:
        typer.echo(json.dumps({"applied": apply, "started": started, **plan.document()}))
        return
    for line in _lines(plan):
        typer.echo(line)
    for name, execution in started.items():
        typer.echo(f"released at {name}: {execution}")
    if not apply:
        words = ["python", "-m", "ops", "release", transfer, "--delivered" if delivered else "--resend"]
        for name in destination or ():
            words += ["--destination", name]
        words += ["--reason", reason, "--apply", "--digest", plan.digest]
        typer.echo(f"nothing was done; to do it:\n  {shlex.join(words)}")


def _lines(plan: ReleasePlan) -> list[str]:
    means = {
        ReleaseDecision.DELIVERED: "it is taken for delivered, and nothing is sent",
        ReleaseDecision.RESEND: "it is sent again, unless the destination shows that it has it",
    }[plan.decision]
    file = f"{printable(plan.key)} of {plan.customer}, transfer {plan.transfer}"
    lines = [f"{file}, in {REGION_OF[plan.side]}: {means}"]
    return lines + [f"  {name} holds it: {why}" for name, why in plan.held.items()]
