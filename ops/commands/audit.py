"""`audit verify`: whether the audit chains are unbroken and complete."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer

from ops.audit.chains import AuditVerification
from ops.audit.verification import ChainResult
from ops.cli import AllCustomers, AsJson, OfCell, Root, refusing
from ops.environment import ROOT, Environment
from ops.progress import Bar

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Only = Annotated[
    str | None, typer.Option("--region", metavar="REGION", help="Only the chains of this region.")
]
Grace = Annotated[
    int,
    typer.Option(
        "--grace", metavar="MINUTES", min=0, help="Time within which a new fact may still be missing."
    ),
]


@app.callback()
def chains() -> None:
    """Check what was recorded for auditors, in hash chains."""


@app.command()
def verify(
    customers: AllCustomers = None,
    region: Only = None,
    grace: Grace = 60,
    as_json: AsJson = False,
    cell: OfCell = None,
    root: Root = ROOT,
) -> None:
    """Prove that every audit chain is unbroken, and holds what the tracker holds.

    Whatever was removed, altered or moved is named. The exit code is then 1, as it is when a region does not
    answer. Facts that were written within the grace and are not in a chain yet are counted: nothing is proven
    about them, and the exit code stays 0.

    Example: mft-ops audit verify c7k2m
    """
    with refusing(as_json=as_json):
        audit = AuditVerification(Environment.read(root, cell), only=region)
        chains = audit.chains(customers or ())
        verdicts: list[ChainResult] = []
        with Bar(len(chains), "chains", "links") as bar:
            for verdict in audit.verify(chains, grace=timedelta(minutes=grace), read=lambda: bar.count(1)):
                verdicts.append(verdict)
                bar.step()
    verdicts.sort(key=lambda verdict: (verdict.customer, verdict.region))
    is_sound = not audit.unknowns and not any(verdict.findings for verdict in verdicts)
    if as_json:
        chains_found = [asdict(each) for each in verdicts]
        typer.echo(json.dumps({"sound": is_sound, "unknowns": audit.unknowns, "chains": chains_found}))
    else:
        for unknown in audit.unknowns:
            typer.echo(unknown)
        for verdict in verdicts:
            read = f"{verdict.links} links, {verdict.facts} facts"
            state = "NOT SOUND" if verdict.findings else "sound"
            if verdict.unproven:
                young = f"{verdict.unproven:,} fact{'' if verdict.unproven == 1 else 's'}"
                state = f"{state}; NOT PROVEN: {young} of the last {grace} minutes, not exported yet"
            typer.echo(f"{verdict.customer} {verdict.region}: {read}: {state}")
            for finding in verdict.findings:
                typer.echo(f"  {finding}")
            if verdict.more:
                typer.echo(f"  and {verdict.more} more")
    raise typer.Exit(0 if is_sound else 1)
