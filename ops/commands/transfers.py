"""`transfers`: the list of transfers, newest first."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import chain
from typing import Annotated, Any

import typer

from ops.cli import AllCustomers, AsLines, OfCell, Root, printable, refusing
from ops.commands.gaps import Only
from ops.commands.replay import Key
from ops.environment import ROOT, Environment
from ops.plan import command
from ops.progress import Bar
from ops.recovery.regions import Regions
from ops.recovery.transfer_list import Wanted, cursor_of, newest, state_of, word_of
from ops.recovery.window import Length, Since, Until, Window
from runtime.facts import Status, submitted

_MOST, _USUAL = 1000, 50


InState = Annotated[
    Status | None,
    typer.Option(
        "--state",
        parser=state_of,
        metavar="STATE",
        help=f"Only those with this state as a whole or at a destination: {', '.join(map(word_of, Status))}.",
    ),
]
Limit = Annotated[
    int, typer.Option("--limit", min=1, max=_MOST, metavar="COUNT", help="How many are listed at most.")
]
After = Annotated[
    str | None,
    typer.Option("--after", parser=cursor_of, metavar="TRANSFER", help="Only those older than this one."),
]


def transfers(
    customers: AllCustomers = None,
    since: Since = None,
    until: Until = None,
    window: Length = None,
    state: InState = None,
    key: Key = None,
    limit: Limit = _USUAL,
    after: After = None,
    region: Only = None,
    as_json: AsLines = False,
    cell: OfCell = None,
    root: Root = ROOT,
) -> None:
    """List transfers, newest first, and the commands that settle them.

    Each has its time, customer, key, size, region, and its state at every destination. The list is made from
    the trackers of both regions; while a region is dead, from the other alone, which is said, and the exit
    code is then 1. It is read only as far as it is printed; the last line is the command that continues it.
    For a held file two commands are printed: ask the partner first.

    Example: mft-ops transfers c7k2m --window 6h --state held
    """
    asked = Window.of(since=since, until=until, length=window)
    if after and not asked.has(submitted(after)):
        ends = "from {since} to {until}".format_map(asked.document())
        raise typer.BadParameter(f"--after {after} is not within the window, {ends}")
    wanted = Wanted(state=state, key=key)
    say = _documents if as_json else _lines
    with refusing(as_json=as_json), Bar(None, "transfers") as bar:
        regions = Regions.find(Environment.read(root, cell), only=region)
        names = regions.customers(customers or ())
        say({"window": asked.document(), "not_looked_at": regions.unknowns})
        listed, last, more = 0, "", False
        for each in wanted.of(newest(regions, names, asked, after=after or ""), bar.step):
            if more := listed == limit:
                break
            say({"transfer": asdict(each)})
            listed, last = listed + 1, each.transfer
        options = [("--region", region)] if region else []
        options += [(f"--{end}", time) for end, time in asked.document().items()]
        options += [("--limit", str(limit)), ("--after", last)]
        words = ("transfers", *(customers or ()), *wanted.words(), *chain.from_iterable(options))
        say({"listed": listed, "window": asked.document(), "more": command(*words) if more else None})
    raise typer.Exit(1 if regions.silent and not region else 0)


def _documents(document: dict[str, Any]) -> None:
    typer.echo(json.dumps(document))


def _lines(document: dict[str, Any]) -> None:
    match document:
        case {"transfer": about}:
            size = "size not known" if about["size"] is None else f"{about['size']:,} bytes"
            its = "; ".join(f"{name}: {state}" for name, state in about["destinations"].items())
            what = f"{about['customer']} {printable(about['key'])}, {size}, {about['region']}"
            typer.echo(f"{about['submitted']} {what}: {its or about['status']} ({about['transfer']})")
            for each in about["settle"]:
                typer.echo(f"    {each}")
        case {"not_looked_at": sentences}:
            for sentence in sentences:
                typer.echo(sentence)
        case {"listed": listed, "more": more}:
            window = "from {since} to {until}".format_map(document["window"])
            typer.echo(f"{listed or 'no such'} transfers {window}" + ("" if more else ", and no more"))
            if more:
                typer.echo(f"for older ones:\n  {more}")
