"""What rehoming leaves in files: the region in the customer's own file, and a record of who moved it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from customers.files import RegistryFile
from customers.rehoming import Rehoming, path_of
from ops import customer_file, whole_file
from runtime.contract import peer_of


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
    return customer_file.rewritten(root, file, "primary", to, otherwise=", and use --from-registry")


def save(root: Path, file: RegistryFile, to: str) -> None:
    """Write another `primary` into a customer's file, completely or not at all."""
    whole_file.replace(root / file.path, rewritten(root, file, to))


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
    whole_file.replace(
        path, json.dumps([*moves, move.model_dump(mode="json", by_alias=True)], indent=2) + "\n"
    )
