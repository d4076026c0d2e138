"""`notice`: what customers are told when a region is out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError

from ops import plan_store
from ops.cell import DeployedCell, side_of
from ops.cli import (
    Apply,
    AsJson,
    CustomersOrAll,
    Digest,
    OfCell,
    Reason,
    Root,
    approval,
    refusing,
    to_do_it,
)
from ops.environment import ROOT, Environment
from ops.failover import interlocks
from ops.logbook import Logbook, Recording
from ops.plan import Approval, RefusedError, applying, command
from ops.plan import digest as digest_of
from ops.progress import Bar
from ops.recovery import notice_text
from ops.recovery.notice import Notice, Notices, plan_of
from ops.recovery.window import Since
from runtime.contract import peer_of

Everybody = Annotated[bool, typer.Option("--all", help="Tell all customers.")]
OutOf = Annotated[
    str | None,
    typer.Option(
        "--region", metavar="REGION", help="Region that is out; without it, the one that is evacuated."
    ),
]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown instead of text.")]


@dataclass(frozen=True, kw_only=True)
class _Published:
    """What became of notices that were published: ids of messages and errors, by customer."""

    messages: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    recording: Recording = field(default_factory=Recording)


def notice(
    customers: CustomersOrAll = None,
    everybody: Everybody = False,
    region: OutOf = None,
    since: Since = None,
    reason: Reason = None,
    apply: Apply = False,
    digest: Digest = None,
    markdown: Markdown = False,
    as_json: AsJson = False,
    cell: OfCell = None,
    root: Root = ROOT,
) -> None:
    """Tell customers where to send while a region is out.

    A notice also says what to send again. It is made from the facts that the other region has: what is
    delivered, what is held, and what has no receipt. It covers submissions from a day before the region was
    taken out, or from --since. With --apply, notices are published to the customers' receipt topics; that is
    refused while the region is in and the customers are sent there.

    Example: mft-ops notice c7k2m --markdown
    """
    if bool(customers) is everybody:
        raise typer.BadParameter("name customers or give --all, not both")
    if markdown and as_json:
        raise typer.BadParameter("--markdown and --json exclude each other")
    approved = approval(apply=apply, digest=digest, reason=reason)
    with refusing(as_json=as_json, acts=apply):
        environment = Environment.read(root, cell)
        notices = Notices(environment, out_of=region, since=since)
        made = _made(notices, customers or ())
        plan_store.review(root, plan_of(made), approved)
        refusal = interlocks.still_in(environment, side_of(notices.out), [each.customer for each in made])
        if refusal and approved:
            raise RefusedError(f"{refusal}; nobody was told anything")
        done = _publish(environment, notices, made, approved) if approved else _Published()
    found = digest_of(plan_of(made))
    to_apply = _command(notices, ["--all"] if everybody else list(customers or ()), found, reason)
    if as_json:
        document = {
            "digest": found,
            "command": to_apply,
            "applied": apply,
            "published": done.messages,
            "failed": done.failed,
            "recorded": done.recording.folder or None,
            "warnings": [*done.recording.warnings, *([refusal] if refusal else [])],
            "notices": [each.document() for each in made],
        }
        typer.echo(json.dumps(document))
    elif approved:
        _say(done, notices)
    else:
        write = notice_text.markdown if markdown else notice_text.text
        typer.echo("\n".join(write(each.document()) for each in made), nl=False)
        # Not on standard output: what is there can be sent on as it is.
        if refusal:
            typer.echo(f"warning: {refusal}; until then it is not published", err=True)
        whom = "1 customer" if len(made) == 1 else f"{len(made):,} customers"
        typer.echo(to_do_it(f"plan {found}: to {whom}", to_apply), err=True)
    raise typer.Exit(1 if done.failed else 0)


def _made(notices: Notices, customers: Sequence[str]) -> list[Notice]:
    """Return the notices for these customers, or for all."""
    names = notices.customers(customers)
    made = []
    with Bar(len(names), "customers") as bar:
        for name in names:
            made.append(notices.notice(name))
            bar.step()
    return made


def _command(notices: Notices, whom: Sequence[str], digest: str, reason: str | None) -> str:
    return applying("notice", *whom, *_about(notices), digest=digest, reason=reason)


def _about(notices: Notices) -> tuple[str, ...]:
    """Return the words of a command line that make the same notices again."""
    return "--region", notices.out, "--since", f"{notices.since:%Y-%m-%dT%H:%M:%SZ}"


def _publish(
    environment: Environment, notices: Notices, made: Sequence[Notice], approved: Approval
) -> _Published:
    """Publish notices, and record that in the region that serves."""
    serving = DeployedCell(environment=environment, side=peer_of(side_of(notices.out)))
    # Customers are told in time, whether or not it can be recorded.
    recorded = Logbook(serving, "notice").recorded(
        digest=approved.digest, plan=plan_of(made), why=approved.reason, is_emergency=True
    )
    with recorded as recording, Bar(len(made), "messages") as bar:
        done = _Published(recording=recording)
        for each in made:
            try:
                done.messages[each.customer] = notices.publish(each)
            except (ClientError, BotoCoreError) as error:
                done.failed[each.customer] = str(error)
            bar.step()
        recording.outcome |= {"published": done.messages, "failed": done.failed}
    return done


def _say(done: _Published, notices: Notices) -> None:
    for warning in done.recording.warnings:
        typer.echo(f"warning: {warning}")
    for name, message in done.messages.items():
        typer.echo(f"{name}: published as message {message}")
    if done.recording.folder:
        typer.echo(f"recorded: {done.recording.folder}")
    for name, error in done.failed.items():
        again = command("notice", name, *_about(notices))
        typer.echo(f"{name}: NOT PUBLISHED: {error}; plan it again: {again}", err=True)
