"""What all verbs share: their options, how they ask for approval, and how they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError

from ops.aws_errors import is_denied, is_expired, is_missing, is_silence
from ops.environment import EnvironmentRefusedError
from ops.plan import Approval, RefusedError
from ops.progress import Bar

_AGAIN = "run the same command again"
_RESUME = f"{_AGAIN}: what is done is not done twice, and it goes on from there"
#: How credentials are given: https://docs.aws.amazon.com/boto3/latest/guide/credentials.html
_GIVE_CREDENTIALS = (
    "give some: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    " (with AWS_SESSION_TOKEN where they are temporary)"
)


def printable(text: str) -> str:
    """Return text that somebody else chose, such as a key, so that it stays on its line."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def not_blank(text: str) -> str:
    """Return a reason as it was given; BadParameter when it is blank."""
    if not text.strip():
        raise typer.BadParameter("is empty; give a reason, which is recorded")
    return text


Region = Annotated[str, typer.Argument(metavar="REGION", help="Region, e.g. us-gov-west-1.")]
AllCustomers = Annotated[
    list[str] | None, typer.Argument(metavar="CUSTOMER", help="Customers' ids; all if none is named.")
]
CustomersOrAll = Annotated[list[str] | None, typer.Argument(metavar="CUSTOMER", help="Customers' ids.")]
OfCustomer = Annotated[
    str | None,
    typer.Option("--customer", metavar="CUSTOMER", help="Customer whose file it is: it is found sooner."),
]
Apply = Annotated[bool, typer.Option("--apply", help="Carry out the plan; without this it is only printed.")]
Digest = Annotated[
    str | None, typer.Option("--digest", metavar="DIGEST", help="Digest of the plan that was reviewed.")
]
Reason = Annotated[
    str | None,
    typer.Option("--reason", parser=not_blank, metavar="TEXT", help="Reason, which is recorded."),
]
Override = Annotated[
    str | None,
    typer.Option(
        "--override", metavar="SENTENCE", help="Sentence that a refusal says to type, to act all the same."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
AsLines = Annotated[bool, typer.Option("--json", help="Print one JSON document a line instead of text.")]
OfCell = Annotated[
    str | None,
    typer.Option(
        "--cell", metavar="NUMBER", help="Cell, where there are stack files of several.", show_default=False
    ),
]
Root = Annotated[
    Path,
    typer.Option("--root", metavar="FOLDER", help="Folder of the stack files.", show_default="the project's"),
]


def approval(*, apply: bool, digest: str | None, reason: str | None) -> Approval | None:
    """Return what makes a verb act, None when it only plans.

    Raises BadParameter when it is to act without a plan that was reviewed, or without a reason.
    """
    if not apply:
        return None
    if not (digest and reason):
        raise typer.BadParameter("--apply needs the --digest of a plan that was reviewed, and a --reason")
    return Approval(digest=digest, reason=reason)


def to_do_it(summary: str, command: str) -> str:
    """Return the last lines of a plan: what it comes to, and the command that carries it out."""
    return f"{summary}; nothing was done; to do it:\n  {command}"


def customers_done(bar: Bar | None) -> str:
    """Return how many of the customers that `bar` counts are done; a verb that began none has no bar."""
    if bar is None or not bar.done:
        return "nothing was done"
    return f"{bar.done:,} of {bar.total:,} customers are done, each whole, and the others are as they were"


@contextmanager
def refusing(*, as_json: bool, acts: bool = False, so_far: Callable[[], str] | None = None) -> Iterator[None]:
    """Turn what stops a verb into one message and exit 1.

    `acts` is whether the verb changes anything this time. `so_far` returns what was done and what was not: it
    is printed when credentials end midway.
    """
    try:
        yield
        return
    except (RefusedError, EnvironmentRefusedError) as error:
        message = str(error)
    except (BotoCoreError, ClientError) as error:
        message = message_of(error, _RESUME if acts else _AGAIN, f" {so_far()};" if so_far else "")
    typer.echo(json.dumps({"refused": message}) if as_json else message, err=not as_json)
    raise typer.Exit(1)


def message_of(error: BotoCoreError | ClientError, again: str = _AGAIN, so_far: str = "") -> str:
    """Return the message about an error of AWS, with the remedy that fits it: `again` says how to go on."""
    if is_missing(error):
        return f"there are no usable AWS credentials: {error}; {_GIVE_CREDENTIALS}"
    if is_expired(error):
        return (
            f"the credentials are not valid any more: {error};{so_far}"
            " run the same command again with fresh credentials"
        )
    if is_denied(error):
        return f"the credentials do not permit this: {error};{so_far} use credentials that do, and {again}"
    if is_silence(error):
        return f"AWS does not answer: {error}; {again}"
    return f"AWS did not confirm it: {error}; {again}"
