"""The files of the registry's folder. Whatever looks like a customer's file and is not read is a problem."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from customers.leaks import leaks
from customers.paths import KeyPath, dotted
from customers.problems import Problem
from customers.source import Document, read

#: The schema that editors use is beside the customers' files.
_SCHEMA = "schema.json"
#: A file that was meant as a customer's, whatever an editor, a person or a merge made of its name.
_LOOKS_ALIKE = re.compile(r"\.(ya?ml|json)(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True)
class RegistryFile:
    """One file: its path as messages write it, and its contents."""

    path: str
    document: Document

    def problem(self, path: KeyPath, message: str) -> Problem:
        """Return a problem at a path of this file."""
        return Problem(self.path, self.document.line(path), dotted(path), message)


def files_in(directory: Path, shown: str, problems: list[Problem]) -> Iterator[RegistryFile]:
    """Yield the files of the registry whose YAML is sound, in order, and add what is wrong to `problems`.

    `shown` is the directory's name in messages. Hidden files belong to editors and are ignored.
    """
    try:
        visible = sorted(path for path in directory.iterdir() if not path.name.startswith("."))
    except OSError as error:
        problems.append(Problem(shown, 1, "", f"cannot be read: {error.strerror}"))
        return
    found = 0
    for path in visible:
        name = f"{shown}/{path.name}"
        if message := _not_read(path):
            problems.append(Problem(name, 1, "", message))
        elif path.suffix == ".yaml":
            found += 1
            yield from _read(path, name, problems)
        elif path.is_dir() and not path.is_symlink():
            below = sorted(each.name for each in path.iterdir() if each.suffix.lower() in (".yaml", ".yml"))
            message = f"is not read; move it to {shown}, or out of it"
            problems += [Problem(f"{name}/{each}", 1, "", message) for each in below]
    if not found and not problems:
        message = "the registry is empty, which would remove every customer; add a .yaml file"
        problems.append(Problem(shown, 1, "", message))


def _not_read(path: Path) -> str | None:
    """Return what to do about a file that looks like a customer's and is not read; None for any other."""
    if not _LOOKS_ALIKE.search(path.name) or path.name == _SCHEMA:
        return None
    if path.suffix != ".yaml":
        stem = path.name[: match.start()] if (match := _LOOKS_ALIKE.search(path.name)) else path.stem
        return f"is not read; rename it to {stem}.yaml, or move it away"
    try:
        mode = path.lstat().st_mode
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if stat.S_ISLNK(mode):
        return "is a link, which is not followed; put the file itself here"
    if not stat.S_ISREG(mode):
        return "is not a file; move it away"
    return None


def _read(path: Path, shown: str, problems: list[Problem]) -> Iterator[RegistryFile]:
    """Yield the file if its YAML is sound enough for further checks."""
    try:
        content = path.read_bytes()
    except OSError as error:
        problems.append(Problem(shown, 1, "", f"cannot be read: {error.strerror}"))
        return
    if leaked := list(leaks(content.decode("utf-8", errors="replace"))):
        # Any other message about this file might repeat a part of the secret.
        problems += [
            Problem(
                shown,
                line,
                "",
                f"this line holds what looks like {what}; remove it here and from the repository's"
                " history, replace it at its origin, and keep the new one in Secrets Manager."
                " The rest of this file is checked after that",
            )
            for line, what in leaked
        ]
        return
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problems.append(Problem(shown, line, "", "is not UTF-8; save the file in that encoding"))
        return
    document = read(text)
    problems += [Problem(shown, line, dotted(path), message) for line, path, message in document.faults]
    if document.data is not None and document.sound:
        yield RegistryFile(shown, document)
