"""`evacuate` and `restore`: a whole region out of DNS, and back."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ops.cli import Apply, AsJson, Region, Root, refusing
from ops.environment import ROOT, Environment
from ops.evacuation import Evacuation
from runtime.contract import Position

_ADVICE = (
    "run it again: if that says `already`, the switch has moved, "
    "and the region that keeps it publishes that within a minute"
)


Lost = Annotated[
    bool, typer.Option("--lost", help="Declare it lost: its peer takes over what it has left unfinished.")
]


def evacuate(
    region: Region, lost: Lost = False, apply: Apply = False, as_json: AsJson = False, root: Root = ROOT
) -> None:
    """Take a region out of DNS, through its peer's data plane only.

    A region that is well finishes what it has. Of one that does not come back soon, say that it is lost.

    Example: python -m ops evacuate us-gov-west-1 --lost --apply
    """
    position = Position.LOST if lost else Position.OUT
    _move(region, position, apply=apply, as_json=as_json, root=root)


def restore(region: Region, apply: Apply = False, as_json: AsJson = False, root: Root = ROOT) -> None:
    """Put a region back into DNS.

    Example: python -m ops restore us-gov-west-1 --apply
    """
    _move(region, Position.IN, apply=apply, as_json=as_json, root=root)


def _move(region: str, position: Position, *, apply: bool, as_json: bool, root: Path) -> None:
    with refusing(as_json=as_json, advice=_ADVICE):
        evacuation = Evacuation(Environment.read(root))
        plan = evacuation.plan(region, position)
        if apply:
            evacuation.apply(plan)
    if as_json:
        typer.echo(json.dumps({"applied": apply, **asdict(plan)}))
        return
    for line in plan.lines():
        typer.echo(line)
    typer.echo("done" if apply else "nothing was done; add --apply to do it")
