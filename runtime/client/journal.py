"""What a client has to remember when it is started again: lines of JSON, only ever added to."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class JournalError(ValueError):
    """A journal holds a line that is none; the message names file and line."""


class Journal:
    """A file of documents, a line each. One client writes it at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[dict[str, Any]]:
        """Return the documents, oldest first.

        A last line without its end is one whose writer died: what it was about was never answered for.
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
                raise JournalError(f"{self._path}:{number}: not a line of a journal: {error}") from error
            found.append(document)
        if torn:
            with self._path.open("r+b") as file:
                file.truncate(self._path.stat().st_size - len(torn))
        return found

    def add(self, document: dict[str, Any]) -> None:
        """Add a document; it is on the disk when this returns."""
        with self._path.open("ab") as file:
            file.write(json.dumps(document, sort_keys=True).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
