"""Reports of drills and acceptances that the console was given, each one file of HTML."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

from ops.plan import RefusedError

#: The largest report that is shown, in bytes.
_MOST = 20 * 1000**2

#: The policy of a report: it may have a style, and nothing in it is run, fetched or sent.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox"


@dataclass(frozen=True, kw_only=True)
class Report:
    """One report; `size` is in bytes."""

    path: Path
    title: str
    made: datetime
    size: int

    @property
    def html(self) -> bytes:
        """The report itself. RefusedError if it cannot be read any more."""
        return _read(self.path)


def read(path: Path) -> Report:
    """Return the report in a file; RefusedError, which says why, if it is none."""
    content = _read(path)
    if not content.lstrip().lower().startswith(b"<!doctype html"):
        raise RefusedError(f"--report: {path} is not a page of HTML, as `mft-local drill --report` writes it")
    title = re.search(rb"<title>([^<]{1,200})</title>", content)
    return Report(
        path=path,
        title=unescape(title[1].decode(errors="replace")) if title else path.name,
        made=datetime.fromtimestamp(path.stat().st_mtime, UTC),
        size=len(content),
    )


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST:
            raise RefusedError(f"--report: {path} has more than {_MOST:,} bytes")
        return path.read_bytes()
    except OSError as error:
        raise RefusedError(f"--report: {path} cannot be read: {error.strerror}") from error
