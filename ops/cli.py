"""What all verbs share: their options, and how they refuse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError

from ops.environment import EnvironmentRefusedError
from ops.plan import RefusedError

Region = Annotated[str, typer.Argument(help="Region, e.g. us-gov-west-1.")]
Apply = Annotated[bool, typer.Option("--apply", help="Do it; without this only the plan is printed.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


def printable(text: str) -> str:
    """Return text that somebody else chose, such as a key, so that it stays on its line."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def reason(text: str) -> str:
    """Return why something is done, as it was given; BadParameter when nothing was."""
    if not text.strip():
        raise typer.BadParameter("is empty; say why, for it is recorded")
    return text


Reason = Annotated[
    str,
    typer.Option("--reason", parser=reason, metavar="TEXT", help="Why; it is recorded with what is done."),
]
AsLines = Annotated[bool, typer.Option("--json", help="Print one JSON document a line instead of text.")]
Root = Annotated[
    Path, typer.Option("--root", help="Folder of the stack files.", show_default="the project's")
]


@contextmanager
def refusing(*, as_json: bool, advice: str) -> Iterator[None]:
    """Turn what stops a verb into one message and exit 1. `advice` follows what AWS said."""
    try:
        yield
        return
    except (RefusedError, EnvironmentRefusedError) as error:
        message = str(error)
    except (BotoCoreError, ClientError) as error:
        message = f"AWS did not confirm it: {error}; {advice}"
    typer.echo(json.dumps({"refused": message}) if as_json else message, err=not as_json)
    raise typer.Exit(1)
