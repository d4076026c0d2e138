"""`audit verify`: whether the audit chains are unbroken and complete."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer

from ops.audit.chains import AuditVerification
from ops.audit.verification import ChainResult
from ops.cli import AsJson, Root, refusing
from ops.environment import ROOT, Environment
from ops.progress import Bar

app = typer.Typer(no_args_is_help=True)

Customer = Annotated[str | None, typer.Option("--customer", help="Only this customer's chains.")]
Region = Annotated[str | None, typer.Option("--region", help="Only the chains of this region.")]
Grace = Annotated[
    int, typer.Option("--grace", min=0, help="Minutes within which a new fact may still be missing.")
]

_ADVICE = "run it again when the region answers"


@app.callback()
def chains() -> None:
    """What was recorded for auditors, in hash chains that nobody can change."""


@app.command()
def verify(
    customer: Customer = None,
    region: Region = None,
    grace: Grace = 60,
    as_json: AsJson = False,
    root: Root = ROOT,
) -> None:
    """Prove that every audit chain is unbroken, and holds what the tracker holds.

    What was removed, altered or put elsewhere is named, and the exit code is 1;
    also when a region does not answer.

    Example: python -m ops audit verify --customer c7k2m
    """
    with refusing(as_json=as_json, advice=_ADVICE):
        audit = AuditVerification(Environment.read(root), only=region)
        chains = audit.chains(customer)
        verdicts: list[ChainResult] = []
        with Bar(len(chains), "chains", "links") as bar:
            for verdict in audit.verify(chains, grace=timedelta(minutes=grace), read=lambda: bar.count(1)):
                verdicts.append(verdict)
                bar.step()
    verdicts.sort(key=lambda verdict: (verdict.customer, verdict.region))
    is_sound = not audit.unknowns and not any(verdict.findings for verdict in verdicts)
    if as_json:
        told = {"sound": is_sound, "unknowns": audit.unknowns, "chains": [asdict(each) for each in verdicts]}
        typer.echo(json.dumps(told))
    else:
        for unknown in audit.unknowns:
            typer.echo(unknown)
        for verdict in verdicts:
            read = f"{verdict.links} links, {verdict.facts} facts"
            state = "NOT SOUND" if verdict.findings else "sound"
            typer.echo(f"{verdict.customer} {verdict.region}: {read}: {state}")
            for finding in verdict.findings:
                typer.echo(f"  {finding}")
            if verdict.more:
                typer.echo(f"  and {verdict.more} more")
    raise typer.Exit(0 if is_sound else 1)
