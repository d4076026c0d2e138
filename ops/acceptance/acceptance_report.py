"""The report of an acceptance, as one HTML page and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

from ops import whole_file
from ops.acceptance.observation import Check, Observation

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; }
td, th { border-bottom: 1px solid #ccc; padding: .3rem .5rem; text-align: left; vertical-align: top; }
td { overflow-wrap: anywhere; }
th:nth-child(1) { width: 6rem; } th:nth-child(2) { width: 11rem; } th:nth-child(5) { width: 5rem; }
.unseen { background: #fdecea; font-weight: 600; }
"""
_COLUMNS = ("", "where", "what", "found", "seconds")

#: What a report says at its top, by the name of each thing.
Head = Mapping[str, Any]


def write(folder: Path, head: Head, made: Iterable[Observation]) -> tuple[Path, Path]:
    """Write the report as `accept.html` and `accept.md` below a folder, each whole or not at all.

    Returns both paths. Raises OSError if they cannot be written.
    """
    observations = _in_order(made)
    folder.mkdir(parents=True, exist_ok=True)
    pages = {"accept.html": _html(head, observations), "accept.md": _markdown(head, observations)}
    written = []
    for name, text in pages.items():
        written.append(folder / name)
        whole_file.replace(written[-1], text)
    page, text_page = written
    return page, text_page


def summary(made: Iterable[Observation]) -> str:
    """Return the result on one line."""
    seen = [each.seen for each in made]
    if all(seen):
        return f"accepted: all {len(seen)} observations were made"
    return f"NOT ACCEPTED: {seen.count(False)} of {len(seen)} were not seen"


def _in_order(made: Iterable[Observation]) -> list[Observation]:
    order = list(Check)
    return sorted(made, key=lambda each: order.index(each.check))


def _parts(made: list[Observation]) -> Iterator[tuple[Check, list[Observation]]]:
    for check, its in groupby(made, key=lambda each: each.check):
        yield check, list(its)


def _row(each: Observation) -> tuple[str, ...]:
    took = "" if each.seconds is None else f"{each.seconds:,.1f}"
    return ("seen" if each.seen else "NOT SEEN", each.where, each.what, each.found, took)


def _html(head: Head, made: list[Observation]) -> str:
    lines = [
        '<!doctype html><html lang="en"><meta charset="utf-8">',
        f"<title>Acceptance</title><style>{_STYLE}</style>",
        f"<h1>Acceptance</h1><p><strong>{escape(summary(made))}</strong></p><dl>",
        *(f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in head.items()),
        "</dl>",
    ]
    for check, its in _parts(made):
        lines.append(f"<h2>{escape(check.value)}</h2><table><tr>")
        lines += [f"<th>{each}</th>" for each in _COLUMNS]
        for each in its:
            cells = "".join(f"<td>{escape(text)}</td>" for text in _row(each))
            row = "<tr>" if each.seen else '<tr class="unseen">'
            lines.append(f"</tr>{row}{cells}")
        lines.append("</tr></table>")
    return "\n".join([*lines, "</html>", ""])


def _markdown(head: Head, made: list[Observation]) -> str:
    lines = ["# Acceptance", "", f"**{_plain(summary(made))}**", ""]
    lines += [f"- {_plain(name)}: {_plain(str(value))}" for name, value in head.items()]
    for check, its in _parts(made):
        lines += ["", f"## {_plain(check.value)}", "", f"| {' | '.join(_COLUMNS)} |", "|---|---|---|---|---|"]
        lines += [f"| {' | '.join(map(_plain, _row(each)))} |" for each in its]
    return "\n".join([*lines, ""])


def _plain(text: str) -> str:
    """Return text that neither ends a cell of a table nor begins anything else in Markdown."""
    one_line = " ".join(text.split())
    return "".join(f"\\{each}" if each in r"\`*_[]<>|" else each for each in one_line)
