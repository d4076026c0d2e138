"""What all verbs share: their options, and how they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError

from ops.environment import EnvironmentRefusedError
from ops.plan import RefusedError, is_expired

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


Digest = Annotated[str | None, typer.Option("--digest", help="Digest of the plan that was reviewed.")]
Why = Annotated[
    str | None,
    typer.Option("--reason", parser=reason, metavar="TEXT", help="Why; it is recorded with what is done."),
]
Override = Annotated[
    str | None,
    typer.Option(
        "--override", metavar="SENTENCE", help="What a refusal says to type, in full, to act anyway."
    ),
]


def reviewed_with_reason(*, apply: bool, digest: str | None, why: str | None) -> None:
    """BadParameter when something shall be done without a plan that was reviewed, or without a reason."""
    if apply and not (digest and why):
        raise typer.BadParameter("--apply needs the --digest of a plan that was reviewed, and a --reason")


Reason = Annotated[
    str,
    typer.Option("--reason", parser=reason, metavar="TEXT", help="Why; it is recorded with what is done."),
]
AsLines = Annotated[bool, typer.Option("--json", help="Print one JSON document a line instead of text.")]
Root = Annotated[
    Path, typer.Option("--root", help="Folder of the stack files.", show_default="the project's")
]


@contextmanager
def refusing(*, as_json: bool, advice: str, so_far: Callable[[], str] | None = None) -> Iterator[None]:
    """Turn what stops a verb into one message and exit 1. `advice` follows what AWS said.

    `so_far` says, should credentials expire midway, what was done and what was not.
    """
    try:
        yield
        return
    except (RefusedError, EnvironmentRefusedError) as error:
        message = str(error)
    except (BotoCoreError, ClientError) as error:
        message = f"AWS did not confirm it: {error}; {advice}"
        if is_expired(error):
            message = (
                f"the credentials are not valid any more: {error};"
                f" {so_far() if so_far else advice};"
                " run the same command again with fresh credentials"
            )
    typer.echo(json.dumps({"refused": message}) if as_json else message, err=not as_json)
    raise typer.Exit(1)
