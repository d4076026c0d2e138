"""`trace`: one file's story."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops.cli import AsJson, OfCustomer, Root, refusing
from ops.environment import ROOT, Environment
from ops.recovery.lookup import Lookup
from ops.recovery.regions import Regions
from ops.recovery.trace import Chapter, FileEvent, FileStory, Trace
from ops.recovery.window import age

Wanted = Annotated[
    str,
    typer.Argument(
        metavar="FILE", help="A transfer's id, the `file` of a log, or a key such as inbound/sdk/a.csv."
    ),
]

#: Width of the text, in columns, when it does not go to a terminal.
_WIDE = 2000


def trace(file: Wanted, customer: OfCustomer = None, as_json: AsJson = False, root: Root = ROOT) -> None:
    """Print one file's story across both regions, in order of time.

    The story is made of the facts of both replicas and where they differ, leases, executions, objects and
    their copies, and receipts. While a region is dead, it is made from the other alone.

    Example: mft-ops trace inbound/sdk/a.csv --customer c7k2m
    """
    with refusing(as_json=as_json):
        environment = Environment.read(root)
        regions = Regions.find(environment)
        found = Lookup(regions, regions.customers([customer] if customer else ())).find(file)
        story = Trace(environment, regions, found.customer).story(found.key, found.transfer)
    if as_json:
        typer.echo(json.dumps(asdict(story)))
        return
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)
    for part in _parts(story):
        console.print(part, soft_wrap=isinstance(part, Text))


def _parts(story: FileStory) -> Iterator[Text | Table]:
    yield Text(f"{story.key} of {story.customer}")
    for unknown in story.unknowns:
        yield Text(unknown)
    for region, lease in story.leases.items():
        yield Text(f"lease in {region}: {lease}")
    for chapter in story.chapters:
        yield Text(f"\ntransfer {chapter.transfer}: {chapter.status}")
        yield _table(chapter)
        if chapter.missing:
            yield Text(f"  no copy: {', '.join(chapter.missing)}")
    if story.others:
        yield Text(f"\nother transfers of this file: {', '.join(story.others)}")


def _table(chapter: Chapter) -> Table:
    table = Table.grid(padding=(0, 2))
    for _ in range(4):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for event in chapter.events:
        row = (f"  {_after(event.after)}", event.at, event.region, event.what)
        table.add_row(*row, Text(_about(event)))
    for copy in chapter.copies:
        state = f", {copy.state}" if copy.state else ""
        row = ("  copy", copy.modified, copy.region, copy.place)
        table.add_row(*row, Text(f"{copy.size:,} bytes{state}"))
    return table


def _after(seconds: float) -> str:
    return f"+{seconds:.3f} s" if seconds < 120 else f"+{age(int(seconds))}"


def _about(event: FileEvent) -> str:
    words = [f"{name}={_word(value)}" for name, value in event.detail.items()]
    if event.unknown_in:
        words.append(f"NOT IN {', '.join(event.unknown_in)}")
    return " ".join(words)


def _word(value: Any) -> str:
    if isinstance(value, Mapping | list):
        return json.dumps(value, sort_keys=True)
    return json.dumps(value) if isinstance(value, str) and " " in value else str(value)
