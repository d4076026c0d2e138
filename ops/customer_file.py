"""Customers' files as the tools write them: completely or not at all, and only what is meant to change."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from customers import source
from customers.files import RegistryFile
from ops.plan import RefusedError

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def rewritten(root: Path, file: RegistryFile, key: str, value: str, *, otherwise: str = "") -> str:
    """Return the text of a customer's file with another value of a top-level key and no other difference.

    Comments, order and spaces stay as they are, byte for byte. Raises RefusedError when the text cannot be
    edited in this way; `otherwise` ends its message.
    """
    try:
        text = (root / file.path).read_bytes().decode()
    except OSError as error:
        raise RefusedError(f"{file.path}: cannot be read any more: {error.strerror}") from error
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


def replace(path: Path, text: str) -> None:
    """Write a file, completely or not at all; it keeps its mode."""
    path = path.resolve()
    new = _beside(path, text)
    if path.exists():
        shutil.copymode(path, new)
    new.replace(path)


def create(path: Path, text: str) -> None:
    """Write a new file, completely or not at all; FileExistsError when there is one."""
    new = _beside(path, text)
    try:
        path.hardlink_to(new)  # unlike a rename, it never replaces a file
    finally:
        new.unlink()


def _beside(path: Path, text: str) -> Path:
    """Return a file with this text in the same folder; the registry ignores hidden files."""
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(text.encode())
    return new
