"""`takeover`: a pass of the takeover by hand."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from ops.cli import Apply, AsJson, Region, Root, printable, refusing
from ops.environment import ROOT, Environment
from ops.progress import Bar
from ops.recovery.takeover import Takeovers

#: What is told of each list, before and after it was done.
_WORDS = {
    "started": ("would go on here", "goes on here"),
    "absent": ("has not arrived here", "has not arrived here"),
    "adopted": ("would be taken in: no fact is about it", "was taken in: no fact was about it"),
    "unproven": ("may be half an upload: only the lost region and the client know",) * 2,
}


def takeover(region: Region, apply: Apply = False, as_json: AsJson = False, root: Root = ROOT) -> None:
    """Finish what a lost region has left, in the other, now.

    The other region does that by itself every minute while REGION is declared lost;
    both at once do no harm, and so needs no digest. Refused while it is not.

    Example: python -m ops takeover us-gov-west-1 --apply
    """
    with refusing(as_json=as_json, advice="what was started goes on: run it again"):
        takeovers = Takeovers(Environment.read(root), region)
        with Bar(None, "looked at") as bar:
            done = takeovers.run(bar.step) if apply else takeovers.look(bar.step)
    found = asdict(done)
    if as_json:
        typer.echo(json.dumps({"applied": apply, "out": region, "region": takeovers.region, **found}))
        return
    for name, words in _WORDS.items():
        for each in found[name]:
            typer.echo(f"{printable(each)} {words[apply]}")
    counts = ", ".join(f"{len(found[name])} {name}" for name in _WORDS)
    typer.echo(f"{takeovers.region}: {counts}")
    typer.echo("done" if apply else "nothing was done; add --apply to do it")
