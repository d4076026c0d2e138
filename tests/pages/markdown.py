"""Markdown as text: tables whose cells stay cells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

#: The first line of every page that is computed.
WRITTEN = "<!-- `make pages` writes this page. -->"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a cell may hold anything but ends on its line."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines) + "\n"


def code(text: object) -> str:
    """Return a text as code; one that contains code marks is given longer ones."""
    marks = "``" if "`" in str(text) else "`"
    return f"{marks}{text}{marks}"


def listed(texts: Iterable[str], *, none: str = "") -> str:
    """Return texts as code, separated by commas."""
    return ", ".join(map(code, texts)) or none


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|").strip()
