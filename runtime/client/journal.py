"""The journal: everything that a client needs after a restart, as lines of JSON that are only appended."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class JournalError(ValueError):
    """A journal has a line that is not JSON; the message names the file and the line."""


class Journal:
    """A file of documents, one per line. Only one client may write to it at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[dict[str, Any]]:
        """Return the documents, oldest first.

        A last line without a line end is from a writer that died before it could confirm anything. It is
        removed from the file.
        """
        try:
            lines = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        torn, found = lines.pop(), []
        for number, line in enumerate(lines, start=1):
            try:
                document = json.loads(line)
            except ValueError as error:
                raise JournalError(f"{self._path}:{number}: not a line of JSON: {error}") from error
            found.append(document)
        if torn:
            with self._path.open("r+b") as file:
                file.truncate(self._path.stat().st_size - len(torn))
        return found

    def add(self, document: dict[str, Any]) -> None:
        """Append a document, which is on the disk when this returns."""
        with self._path.open("ab") as file:
            file.write(json.dumps(document, sort_keys=True).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
