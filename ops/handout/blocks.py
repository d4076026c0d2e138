"""What a page consists of, and the page as Markdown and as HTML. All text is escaped here."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never


class Code(str):
    """Text that is shown as it is to be typed."""

    __slots__ = ()


Line = Sequence[str]
"""Parts of a line: text, and Code among it."""


@dataclass(frozen=True)
class Paragraph:
    """One paragraph."""

    line: Line


@dataclass(frozen=True)
class Points:
    """A list."""

    lines: Sequence[Line]


@dataclass(frozen=True)
class Table:
    """A table with a head; all rows have as many cells."""

    head: Sequence[str]
    rows: Sequence[Sequence[Line]]


@dataclass(frozen=True)
class Sample:
    """Lines to copy."""

    text: str


Block = Paragraph | Points | Table | Sample


@dataclass(frozen=True)
class Section:
    """Blocks below a heading."""

    title: str
    blocks: Sequence[Block]


_STYLE = """body { font: 16px/1.5 sans-serif; max-width: 52em; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; } th, td { border: 1px solid #999; padding: .3em .6em; text-align: left; }
pre { background: #f3f3f3; padding: .8em; overflow-x: auto; } code { overflow-wrap: anywhere; }"""


def as_html(title: str, sections: Sequence[Section]) -> str:
    """Return a whole HTML document, which loads nothing."""
    name = html.escape(title)
    body = "\n".join(
        line
        for section in sections
        for line in (f"<h2>{html.escape(section.title)}</h2>", *map(_html, section.blocks))
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{name}</title>\n'
        f"<style>\n{_STYLE}\n</style>\n</head>\n<body>\n<h1>{name}</h1>\n{body}\n</body>\n</html>\n"
    )


def as_markdown(title: str, sections: Sequence[Section]) -> str:
    """Return the page as Markdown (GitHub's, for the tables)."""
    parts = [f"# {_plain(title)}"]
    for section in sections:
        parts += [f"## {_plain(section.title)}", *map(_markdown, section.blocks)]
    return "\n\n".join(parts) + "\n"


def _html(block: Block) -> str:
    match block:
        case Paragraph():
            return f"<p>{_html_line(block.line)}</p>"
        case Points():
            return "<ul>\n" + "".join(f"<li>{_html_line(each)}</li>\n" for each in block.lines) + "</ul>"
        case Table():
            head = "".join(f"<th>{html.escape(each)}</th>" for each in block.head)
            rows = ("".join(f"<td>{_html_line(cell)}</td>" for cell in row) for row in block.rows)
            return "\n".join(("<table>", *(f"<tr>{row}</tr>" for row in (head, *rows)), "</table>"))
        case Sample():
            return f"<pre><code>{html.escape(block.text)}</code></pre>"
        case _:
            assert_never(block)


def _html_line(line: Line) -> str:
    return "".join(
        f"<code>{html.escape(part)}</code>" if isinstance(part, Code) else html.escape(part) for part in line
    )


def _markdown(block: Block) -> str:
    match block:
        case Paragraph():
            return _markdown_line(block.line)
        case Points():
            return "\n".join(f"- {_markdown_line(each)}" for each in block.lines)
        case Table():
            cells: Iterator[Sequence[str]] = (
                [_markdown_line(cell).replace("|", r"\|") for cell in row] for row in block.rows
            )
            rows = (f"| {' | '.join(row)} |" for row in (block.head, ["---"] * len(block.head), *cells))
            return "\n".join(rows)
        case Sample():
            return f"```\n{block.text}\n```"
        case _:
            assert_never(block)


def _markdown_line(line: Line) -> str:
    return "".join(_span(part) if isinstance(part, Code) else _plain(part) for part in line)


def _span(text: str) -> str:
    """Return a code span: its fence is longer than any run of backticks in the text (CommonMark 6.1)."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    space = " " if "`" in text else ""
    return f"{fence}{space}{text}{space}{fence}"


def _plain(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>#&|])", r"\\\1", text)
