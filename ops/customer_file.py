"""Edits of customers' files: only what is meant to change does."""

from __future__ import annotations

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
