"""Edits of customers' files: only what is meant to change does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from customers import source
from customers.files import RegistryFile
from ops.plan import RefusedError

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


#: Which key a new one is written below, and the comment behind it.
_BELOW = "primary"
_WRITTEN_BY = "  # by mft-ops cell move"


def with_move(root: Path, file: RegistryFile, move: Mapping[str, str] | None, cell: str) -> str:
    """Return the text of a customer's file with this move, or with none, and in this cell.

    The move is one line, and a `cell` that was not given becomes one; all other lines stay as they are, byte
    for byte. Raises RefusedError when the text cannot be edited in this way.
    """
    data = file.document.data
    wanted = {key: value for key, value in data.items() if key != "move"}
    if move:
        wanted["move"] = dict(move)
    if cell != data.get("cell", "1"):
        wanted["cell"] = cell
    text = _read(root, file)
    if "move" in data:
        text = _without(text, "move")
    if wanted.get("cell") != data.get("cell"):
        text = _with_line(_without(text, "cell") if "cell" in data else text, f'cell: "{cell}"')
    if move:
        flow = ", ".join(
            f'{key}: "{value}"' if value.isdigit() else f"{key}: {value}" for key, value in move.items()
        )
        text = _with_line(text, f"move: {{{flow}}}{_WRITTEN_BY}")
    if source.read(text).data != wanted:
        raise RefusedError(
            f"{file.path}: move: cannot be edited here, or the file changed meanwhile; write `move`, `cell`"
            f" and `{_BELOW}` on lines of their own"
        )
    return text


def _read(root: Path, file: RegistryFile) -> str:
    try:
        return (root / file.path).read_bytes().decode()
    except OSError as error:
        raise RefusedError(f"{file.path}: cannot be read any more: {error.strerror}") from error


def _without(text: str, key: str) -> str:
    """Return a text without the lines of a top-level key."""
    lines = text.splitlines(keepends=True)
    first = next((number for number, line in enumerate(lines) if line.startswith(f"{key}:")), len(lines))
    end = first + 1
    while end < len(lines) and lines[end].startswith((" ", "\t")):
        end += 1
    return "".join(lines[:first] + lines[end:])


def _with_line(text: str, new: str) -> str:
    """Return a text with one more line, below that of the key `_BELOW`."""
    lines = text.splitlines(keepends=True)
    at = next((number for number, line in enumerate(lines) if line.startswith(f"{_BELOW}:")), None)
    if at is None:
        return text
    ending = lines[at][len(lines[at].rstrip("\r\n")) :] or "\n"
    return "".join([*lines[: at + 1], new + ending, *lines[at + 1 :]])


def rewritten(root: Path, file: RegistryFile, key: str, value: str, *, otherwise: str = "") -> str:
    """Return the text of a customer's file with another value of a top-level key and no other difference.

    Comments, order and spaces stay as they are, byte for byte. Raises RefusedError when the text cannot be
    edited in this way; `otherwise` ends its message.
    """
    text = _read(root, file)
    node = yaml.compose(text, Loader=_LOADER)
    assert isinstance(node, yaml.MappingNode)  # the registry has read the file
    (old,) = [old for each, old in node.value if each.value == key]
    start, end = old.start_mark.index, old.end_mark.index
    edited = text[:start] + text[start:end].replace(old.value, value) + text[end:]
    if source.read(edited).data != {**file.document.data, key: value}:
        line = file.document.line((key,))
        raise RefusedError(
            f"{file.path}:{line}: {key}: cannot be edited here, or the file changed meanwhile; write"
            f" `{key}: {value}` on a line of its own{otherwise}"
        )
    return edited
