"""Templates of HTML pages, in which nothing that somebody else wrote becomes markup."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ops.cli import printable


def environment(folder: Path) -> Environment:
    """Return the templates of a folder: every value is escaped, and one that is missing is an error."""
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # The name of a file must neither break its line nor change the direction of the text.
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
