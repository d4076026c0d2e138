"""`notice`: what customers are told when a region is out."""

from __future__ import annotations

import json
import shlex
from enum import StrEnum
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError

from ops.cli import Apply, AsJson, Root, refusing
from ops.environment import ROOT, Environment
from ops.plan import RefusedError
from ops.progress import Bar
from ops.recovery import notice_text
from ops.recovery.notice import Notice, Notices, changes, digest_of
from ops.recovery.window import Since

Customer = Annotated[str | None, typer.Option("--customer", help="Whom to tell.")]
Everybody = Annotated[bool, typer.Option("--all", help="Tell all customers.")]
OutOf = Annotated[
    str | None, typer.Option("--out-of", help="Region that is out; without it, the one that is evacuated.")
]
Digest = Annotated[str | None, typer.Option("--digest", help="Digest of the notices that were reviewed.")]


class Format(StrEnum):
    """How notices are printed."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"


Form = Annotated[Format, typer.Option("--format", help="How to print them.")]


def notice(
    customer: Customer = None,
    everybody: Everybody = False,
    out_of: OutOf = None,
    since: Since = None,
    form: Form = Format.TEXT,
    apply: Apply = False,
    digest: Digest = None,
    as_json: AsJson = False,
    root: Root = ROOT,
) -> None:
    """Tell customers of a region that is out where to send, and what to send again.

    From the facts that the other region has: what is delivered, what is held,
    what has no receipt. Submissions are looked at from a day before the region
    was taken out, or from --since. With --apply, publishes to the receipt topics.

    Example: python -m ops notice --customer c7k2m --format markdown
    """
    if (customer is None) is not everybody:
        raise typer.BadParameter("say whom to tell: either --customer ID or --all")
    if apply and digest is None:
        raise typer.BadParameter("--apply needs the --digest of the notices that were reviewed")
    as_json = as_json or form is Format.JSON
    with refusing(as_json=as_json, advice="run it again"):
        notices = Notices(Environment.read(root), out_of=out_of, since=since)
        names = notices.customers(customer)
        with Bar(len(names), "customers") as bar:
            told = []
            for name in names:
                told.append(notices.notice(name))
                bar.step()
        found = digest_of(told)
        if apply and digest != found:
            raise RefusedError(f"{changes(str(digest), found)}; review it again, without --apply")
    published, failed = _publish(notices, told) if apply else ({}, {})
    words = ["--customer", customer] if customer else ["--all"]
    words += ["--out-of", notices.out, "--since", f"{notices.since:%Y-%m-%dT%H:%M:%SZ}"]
    command = shlex.join(["python", "-m", "ops", "notice", *words, "--apply", "--digest", found])
    if as_json:
        plan = {"digest": found, "command": command, "applied": apply}
        plan |= {"published": published, "failed": failed, "notices": [each.document() for each in told]}
        typer.echo(json.dumps(plan))
        raise typer.Exit(1 if failed else 0)
    if not apply:
        write = notice_text.markdown if form is Format.MARKDOWN else notice_text.text
        typer.echo("\n".join(write(each.document()) for each in told), nl=False)
        # Not on stdout: what is there can be sent on as it is.
        whom = "1 customer" if len(told) == 1 else f"{len(told):,} customers"
        typer.echo(f"to {whom}, digest {found}; nothing was published; to do it:\n  {command}", err=True)
    for name, message in published.items():
        typer.echo(f"{name}: published as message {message}")
    for name, error in failed.items():
        typer.echo(f"{name}: NOT PUBLISHED: {error}; publish it again with --customer {name}", err=True)
    raise typer.Exit(1 if failed else 0)


def _publish(notices: Notices, told: list[Notice]) -> tuple[dict[str, str], dict[str, str]]:
    """Publish notices; return the messages' ids and what failed, by customer."""
    published, failed = {}, {}
    with Bar(len(told), "messages") as bar:
        for each in told:
            try:
                published[each.customer] = notices.publish(each)
            except (ClientError, BotoCoreError) as error:
                failed[each.customer] = str(error)
            bar.step()
    return published, failed
