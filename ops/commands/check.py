"""`check`: whether the registry may be deployed."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from ops.cli import AsJson, Root, refusing
from ops.environment import ROOT

Base = Annotated[str, typer.Option("--base", help="Git revision that is deployed, e.g. origin/main.")]
Retiring = Annotated[
    int | None,
    typer.Option(
        "--retiring",
        min=1,
        help="Exactly how many customers are meant to go out of service, into draining or retired.",
    ),
]


def check(base: Base = "HEAD", retiring: Retiring = None, as_json: AsJson = False, root: Root = ROOT) -> None:
    """Compare the registry with what is deployed, and refuse what must not be done.

    Refused, with exit 1: a customer removed that is not retired, another id or
    cell, a skipped step of the lifecycle, another primary without `ops rehome`,
    many customers out of service at once, more than AWS's quotas hold.

    Files that are not committed count. Nothing is asked of AWS.

    Example: python -m ops check --base origin/main
    """
    from ops import check as checking  # pydantic is no load for the verbs of an incident

    with refusing(as_json=as_json, advice=""):
        verdict = checking.check(root, base, retiring=retiring)
    if as_json:
        typer.echo(json.dumps(asdict(verdict)))
    else:
        for line in (*verdict.refusals, verdict.summary):
            typer.echo(line)
    raise typer.Exit(1 if verdict.refusals else 0)
