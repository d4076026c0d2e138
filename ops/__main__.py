"""What operators run: `python -m ops evacuate us-gov-west-1`. Every verb plans; `--apply` acts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError

from ops.environment import ROOT, Environment, EnvironmentRefusedError
from ops.evacuation import Evacuation, Plan, RefusedError
from runtime.contract import Position

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False)

Region = Annotated[str, typer.Argument(help="Region, e.g. us-gov-west-1.")]
Apply = Annotated[bool, typer.Option("--apply", help="Do it; without this only the plan is printed.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Root = Annotated[
    Path, typer.Option("--root", help="Folder of the stack files.", show_default="the project's")
]


@app.command()
def evacuate(region: Region, apply: Apply = False, as_json: AsJson = False, root: Root = ROOT) -> None:
    """Take a region out of DNS, through its peer's data plane only.

    Example: python -m ops evacuate us-gov-west-1 --apply
    """
    _move(region, Position.OUT, apply=apply, as_json=as_json, root=root)


@app.command()
def restore(region: Region, apply: Apply = False, as_json: AsJson = False, root: Root = ROOT) -> None:
    """Put a region back into DNS.

    Example: python -m ops restore us-gov-west-1 --apply
    """
    _move(region, Position.IN, apply=apply, as_json=as_json, root=root)


def _move(region: str, position: Position, *, apply: bool, as_json: bool, root: Path) -> None:
    def act() -> Plan:
        evacuation = Evacuation(Environment.read(root))
        plan = evacuation.plan(region, position)
        if apply:
            evacuation.apply(plan)
        return plan

    plan = _or_refuse(act, as_json=as_json)
    if as_json:
        typer.echo(json.dumps({"applied": apply, **asdict(plan)}))
        return
    for line in plan.lines():
        typer.echo(line)
    typer.echo("done" if apply else "nothing was done; add --apply to do it")


def _or_refuse(act: Callable[[], Plan], *, as_json: bool) -> Plan:
    """Return what `act` returns, or say why not and exit 1."""
    try:
        return act()
    except (RefusedError, EnvironmentRefusedError) as error:
        message = str(error)
    except (BotoCoreError, ClientError) as error:
        message = (
            f"AWS did not confirm it: {error}; run it again: if that says `already`, the switch has moved, "
            "and the region that keeps it publishes that within a minute"
        )
    typer.echo(json.dumps({"refused": message}) if as_json else message, err=not as_json)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
