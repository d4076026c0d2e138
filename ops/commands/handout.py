"""`handout`: the page that tells a customer how to send files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ops.cell import known_customer
from ops.cli import AsJson, OfCell, Root, refusing
from ops.environment import ROOT, Environment
from ops.plan import RefusedError

if TYPE_CHECKING:
    from customers.model import Customer

Whose = Annotated[str, typer.Argument(metavar="CUSTOMER", help="Customer whose page it is.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FOLDER", help="Folder to write handout-CUSTOMER.md and .html to."),
]
AsHtml = Annotated[bool, typer.Option("--html", help="Print HTML instead of Markdown.")]


def handout(
    customer: Whose,
    out: Out = None,
    html: AsHtml = False,
    as_json: AsJson = False,
    cell: OfCell = None,
    root: Root = ROOT,
) -> None:
    """Make the page that tells a customer's IT how to send files.

    It has names, addresses, host keys, lines for six SFTP clients, buckets, receipts, and what to do in a
    failover, from the customer's file and from both cells as deployed; it contains no secrets. If a cell does
    not tell something, the page and a line on standard error say so, and the exit code is 1.

    Example: mft-ops handout c7k2m --out handouts
    """
    from ops.handout import page  # loads asyncssh, which the verbs of an incident do without
    from ops.handout.blocks import as_html, as_markdown
    from ops.handout.facts import gather
    from ops.health.served_keys import port

    with refusing(as_json=as_json):
        environment = Environment.read(root, cell)
        facts = gather(environment, _sender(environment, root, customer), port())
        title, sections = page.title(facts), page.sections(facts)
        pages = {"md": as_markdown(title, sections), "html": as_html(title, sections)}
        written = _write(out, customer, pages) if out else []
    if as_json:
        document = {"customer": customer, "missing": list(facts.missing), "written": written}
        typer.echo(json.dumps({**document, "markdown": pages["md"], "html": pages["html"]}))
    else:
        for path in written:
            typer.echo(path)
        if not out:
            typer.echo(pages["html" if html else "md"], nl=False)
        for each in facts.missing:
            typer.echo(f"missing: {' '.join(each.split())}", err=True)
    raise typer.Exit(1 if facts.missing else 0)


def _sender(environment: Environment, root: Path, name: str) -> Customer:
    from ops.registry import read_registry

    known = {each.id: each for each in read_registry(environment, root).of_cell(environment.cell)}
    customer = known[known_customer(name, known)]
    if not customer.takes_files:
        raise RefusedError(f"{name} is {customer.stage}, and sends no files: there is nothing to hand out")
    return customer


def _write(folder: Path, customer: str, pages: dict[str, str]) -> list[str]:
    """Write the pages into a folder, which is made; RefusedError if that is not possible."""
    paths = {folder / f"handout-{customer}.{kind}": text for kind, text in pages.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in paths.items():
            path.with_name(f".{path.name}.new").write_text(text, encoding="utf-8")
        for path in paths:
            path.with_name(f".{path.name}.new").replace(path)
    except OSError as error:
        raise RefusedError(f"{folder} cannot be written to: {error.strerror}") from error
    return [str(path) for path in paths]
