"""What rehoming leaves in files: the region in the customer's own file, and a record of who moved it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from customers import source
from customers.files import RegistryFile
from customers.rehoming import Rehoming, path_of
from ops.plan import RefusedError
from runtime.contract import peer_of

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, kw_only=True)
class Signature:
    """Who moves customers to which side, why, and by which plan."""

    to: str
    who: str
    why: str
    digest: str


def rewritten(root: Path, file: RegistryFile, to: str) -> str:
    """Return the text of a customer's file with another `primary` and no other difference.

    Raises RefusedError when the text cannot be edited in this way.
    """
    text = (root / file.path).read_bytes().decode()
    node = yaml.compose(text, Loader=_LOADER)
    assert isinstance(node, yaml.MappingNode)  # the registry has read the file
    (value,) = [value for key, value in node.value if key.value == "primary"]
    start, end = value.start_mark.index, value.end_mark.index
    edited = text[:start] + text[start:end].replace(value.value, to) + text[end:]
    if source.read(edited).data != {**file.document.data, "primary": to}:
        line = file.document.line(("primary",))
        raise RefusedError(
            f"{file.path}:{line}: primary: cannot be edited here, or the file changed meanwhile; write"
            f" `primary: {to}` on a line of its own, and use --from-registry"
        )
    return edited


def save(root: Path, file: RegistryFile, to: str) -> None:
    """Write another `primary` into a customer's file, completely or not at all."""
    _replace(root / file.path, rewritten(root, file, to))


def sign(root: Path, customer: str, signature: Signature) -> None:
    """Add a customer's move to its records, unless the last of them is from the same plan."""
    path = root / path_of(customer)
    moves: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    if moves and (moves[-1]["digest"], moves[-1]["to"]) == (signature.digest, signature.to):
        return
    move = Rehoming.model_validate(
        {
            **vars(signature),
            "customer": customer,
            "from": peer_of(signature.to),
            "when": datetime.now(UTC).replace(microsecond=0),
        }
    )
    path.parent.mkdir(exist_ok=True)
    _replace(path, json.dumps([*moves, move.model_dump(mode="json", by_alias=True)], indent=2) + "\n")


def _replace(path: Path, text: str) -> None:
    path = path.resolve()
    new = path.with_name(f".{path.name}.new")  # the registry ignores hidden files
    new.write_bytes(text.encode())
    if path.exists():
        shutil.copymode(path, new)
    new.replace(path)
