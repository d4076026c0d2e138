"""`trace`: one file's story."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from ops.cli import AsJson, OfCell, OfCustomer, Root, refusing
from ops.environment import ROOT, Environment
from ops.recovery.event_text import after_of, words_of
from ops.recovery.lookup import Lookup
from ops.recovery.regions import Regions
from ops.recovery.trace import FileStory, Trace

Wanted = Annotated[
    str,
    typer.Argument(
        metavar="FILE", help="A transfer's id, the `file` of a log, or a key such as inbound/sdk/a.csv."
    ),
]

#: Width of the text, in columns, when it does not go to a terminal, and the most on a terminal.
_WIDE, _WIDEST = 100, 120
#: Columns before the further lines of an event.
_INDENT = " " * 6


def trace(
    file: Wanted, customer: OfCustomer = None, as_json: AsJson = False, cell: OfCell = None, root: Root = ROOT
) -> None:
    """Print one file's story across both regions, in order of time.

    The story is made of the facts of both replicas and where they differ, leases, executions, objects and
    their copies, and receipts. While a region is dead, it is made from the other alone. Of a name that was
    used often, the newest twenty transfers are told; name an older one by its id.

    Example: mft-ops trace inbound/sdk/a.csv --customer c7k2m
    """
    with refusing(as_json=as_json):
        environment = Environment.read(root, cell)
        regions = Regions.find(environment)
        found = Lookup(regions, regions.customers([customer] if customer else ())).find(file)
        story = Trace(environment, regions, found.customer).story(found.key, found.transfer)
    if as_json:
        typer.echo(json.dumps(asdict(story)))
        return
    width = min(Console().width, _WIDEST) if sys.stdout.isatty() else _WIDE
    for line in _lines(story, width):
        typer.echo(line)


def _lines(story: FileStory, width: int) -> Iterator[str]:
    """Yield the story as lines of at most `width` columns."""
    yield from _wrapped("", f"{story.key} of {story.customer}", width)
    for unknown in story.unknowns:
        yield from _wrapped("", unknown, width)
    for region, lease in story.leases.items():
        yield from _wrapped("", f"lease in {region}: {lease}", width)
    for chapter in story.chapters:
        yield ""
        yield from _wrapped("", f"transfer {chapter.transfer}: {chapter.status}", width)
        for event in chapter.events:
            head = f"  {after_of(event.after):>10}  {event.at[11:19]}  {event.region}  {event.what}  "
            yield from _wrapped(head, " ".join(words_of(event, chapter.transfer)), width)
        for copy in chapter.copies:
            state = f", {copy.state}" if copy.state else ""
            where = f"{copy.place} in {copy.region}, {copy.size:,} bytes, {copy.modified}{state}"
            yield from _wrapped("  copy: ", where, width)
        if chapter.missing:
            yield from _wrapped("  no copy: ", ", ".join(chapter.missing), width)
    if story.others:
        yield ""
        yield from _wrapped("", f"other transfers of this file: {', '.join(story.others)}", width)


def _wrapped(head: str, text: str, width: int) -> list[str]:
    # A name may have any character, and a reason any line: what a terminal would obey is escaped.
    safe = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
    lines = textwrap.wrap(safe, width, initial_indent=head, subsequent_indent=_INDENT, break_on_hyphens=False)
    return lines or [head.rstrip()]
