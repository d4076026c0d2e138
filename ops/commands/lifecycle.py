"""`promote`, `drain` and `retire`: customers' next stages, written into their files once proven safe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ops.cli import AsJson, OfCell, Root, refusing
from ops.environment import ROOT, Environment
from ops.plan import COMMAND
from ops.progress import Bar

if TYPE_CHECKING:
    from ops.onboarding.lifecycle_step import Direction, Step

Customers = Annotated[list[str], typer.Argument(metavar="CUSTOMER", help="Customers' ids.")]


def promote(customers: Customers, as_json: AsJson = False, cell: OfCell = None, root: Root = ROOT) -> None:
    """Write the stage nearer to service into customers' files.

    `onboarding` becomes `active`; `closing` and `draining` go back to `active`, and `retired` to
    `onboarding`. Required is that `ready` finds no difference: what the files say now is deployed alike in
    both regions. The rest of each file stays as it is. Commit the files and open a pull request.

    Example: mft-ops promote c7k2m
    """
    from ops.onboarding.lifecycle_step import promoted  # loads pydantic: not for the verbs of an incident

    _step(customers, promoted, as_json=as_json, cell=cell, root=root)


def drain(customers: Customers, as_json: AsJson = False, cell: OfCell = None, root: Root = ROOT) -> None:
    """Write the stage further out of service into customers' files.

    `active` becomes `closing`, and `closing` becomes `draining`: from then on, no new file is taken. Required
    is that `ready` finds no difference: what the files say now is deployed alike in both regions. The rest of
    each file stays as it is. Commit the files and open a pull request.

    Example: mft-ops drain c7k2m
    """
    from ops.onboarding.lifecycle_step import drained

    _step(customers, drained, as_json=as_json, cell=cell, root=root)


def retire(customers: Customers, as_json: AsJson = False, cell: OfCell = None, root: Root = ROOT) -> None:
    """Write `retired` into customers' files, or remove these files.

    Required is that `ready` finds no difference, and of a customer that is `draining` that no file is in
    flight, held, failed, or without its copies in both regions, as far back as facts are kept. The file of a
    retired customer is removed when neither region keeps anything of it any more: its retention is met.

    Example: mft-ops retire c7k2m
    """
    from ops.onboarding.lifecycle_step import retired

    _step(customers, retired, as_json=as_json, cell=cell, root=root)


def _step(ids: list[str], direction: Direction, *, as_json: bool, cell: str | None, root: Path) -> None:
    from ops.onboarding.lifecycle_step import Steps

    with refusing(as_json=as_json):
        steps = Steps(Environment.read(root, cell), root, ids, direction)
        with Bar(steps.looks, "looked at") as bar:
            missing = steps.missing(bar.steps)
        if not missing:
            steps.apply()
    documents = [_document(step) for step in steps.steps]
    if as_json:
        typer.echo(json.dumps({"done": not missing, "missing": missing, "steps": documents}))
    elif missing:
        count = f"{len(missing):,} {'proof is' if len(missing) == 1 else 'proofs are'} missing"
        for line in (*missing, f"refused: {count}, and no file was changed"):
            typer.echo(line)
    else:
        for each in documents:
            became = f"and is now {each['to']!r}" if each["to"] else "and its file is removed"
            typer.echo(f"{each['file']}: {each['customer']} was {each['from']!r}, {became}")
        typer.echo(f"commit this; before the pull request: {COMMAND} check --base origin/main")
    raise typer.Exit(1 if missing else 0)


def _document(step: Step) -> dict[str, str | None]:
    """Return a step as JSON has it; `to` is None if the file is removed."""
    was = step.customer.lifecycle
    return {"customer": step.customer.id, "file": step.file.path, "from": was, "to": step.to}
