"""The runbook as a page: its sections are what alarms name."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

#: Where the runbook is, below the folder of the project.
RUNBOOK = "docs/runbook.md"
_SECTION = re.compile(rf"{re.escape(RUNBOOK)}#([\w-]+)")


def sections(text: str) -> tuple[Markup, dict[str, str]]:
    """Return Markdown as HTML, and its headings by anchor, as GitHub makes these.

    Markup in the text stays text, and only links within the page and to the web are links.
    """
    tokens = MarkdownIt("commonmark", {"html": False}).enable("table").parse(text)
    headings = {}
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            anchor = re.sub(r"[^\w\- ]", "", inline.content.lower()).replace(" ", "-")
            headings[anchor] = inline.content
            opening.attrSet("id", anchor)
        if opening.type == "th_open":
            opening.attrSet("scope", "col")
        _unlink(inline.children or [])
    html = MarkdownIt("commonmark").enable("table").renderer.render(tokens, MarkdownIt().options, {})
    return Markup(html), headings  # noqa: S704 - rendered without the text's own markup


def _unlink(inline: list[Token]) -> None:
    """Turn links to other pages of the documentation, which the console does not have, into text."""
    for token in inline:
        if token.type == "link_open" and not str(token.attrGet("href")).startswith(("#", "https://")):
            token.tag, token.attrs = "span", {}
            closing = next(each for each in inline[inline.index(token) :] if each.type == "link_close")
            closing.tag = "span"


def linked(text: str, address: str | None) -> Markup:
    """Return text in which what names a section of the runbook is a link to it below `address`."""
    if address is None:
        return escape(text)
    parts, end = [], 0
    for found in _SECTION.finditer(text):
        link = Markup('<a href="{}#{}">{}</a>').format(address, found[1], found[0])
        parts += [escape(text[end : found.start()]), link]
        end = found.end()
    return Markup("").join([*parts, escape(text[end:])])


def read(*folders: Path) -> str | None:
    """Return the runbook of the first of these folders that has one; None if none has."""
    found = (folder / RUNBOOK for folder in folders if (folder / RUNBOOK).is_file())
    path = next(found, None)
    return path.read_text(encoding="utf-8") if path else None
