"""`check`: whether the registry may be deployed."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from ops.cli import AsJson, Root, refusing
from ops.environment import ROOT

Base = Annotated[
    str, typer.Option("--base", metavar="REVISION", help="Git revision that is deployed, e.g. origin/main.")
]
Retiring = Annotated[
    int | None,
    typer.Option(
        "--retiring",
        metavar="COUNT",
        min=1,
        help="Exact number of customers that are meant to go out of service, into draining or retired.",
    ),
]


def check(base: Base = "HEAD", retiring: Retiring = None, as_json: AsJson = False, root: Root = ROOT) -> None:
    """Refuse changes of the registry that must not be deployed.

    The registry is compared with the one that is deployed. Refused, with exit code 1, are: the removal of
    a customer that is not retired, a changed id, a skipped step of the lifecycle or of a move to another
    cell, a changed primary without `rehome`, many customers out of service at once, and more than AWS's
    quotas allow.

    Each customer that the change is about is a line. Which resources of each stack that means is printed by
    `mft-local plan --markdown`, for the pull request.

    Files that are not committed count. The command does not ask AWS for anything.

    Example: mft-ops check --base origin/main
    """
    from ops import check as checking  # loads pydantic, which verbs of an incident do without

    with refusing(as_json=as_json):
        verdict = checking.check(root, base, retiring=retiring)
    if as_json:
        typer.echo(json.dumps(asdict(verdict)))
    else:
        for line in (*verdict.refusals, *verdict.touched, verdict.summary):
            typer.echo(line)
    raise typer.Exit(1 if verdict.refusals else 0)
