"""What every plan has: a digest that ties an action to what was reviewed, and a way to be refused."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ops import chosen_cell

#: What operators type to run these tools, in every command that a message prints.
COMMAND = "mft-ops"

#: What stands in a printed command for the reason that an operator has yet to give.
NO_REASON = "WHY"


class RefusedError(ValueError):
    """The verb will not do this; the message says why and what to do instead."""


@dataclass(frozen=True, kw_only=True)
class Approval:
    """What makes a verb act: the digest of the plan that an operator has reviewed, and a reason."""

    digest: str
    reason: str


def digest(plan: Mapping[str, Any]) -> str:
    """Return 12 hex digits that stand for a plan's document: equal documents of a cell have equal digests."""
    canonical = json.dumps(plan, sort_keys=True, separators=(",", ":"), default=str)
    canonical += "".join(chosen_cell.options())  # what was reviewed for one cell is not done to another
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def command(*words: str) -> str:
    """Return a command line of these tools on the same cell, ready to be pasted into a shell."""
    return shlex.join([COMMAND, *words, *chosen_cell.options()])


def applying(*words: str, digest: str | None, reason: str | None) -> str:
    """Return the command line that applies a plan; `digest` is None for a verb whose plans have none."""
    reviewed = ["--digest", digest] if digest else []
    return command(*words, "--reason", reason or NO_REASON, "--apply", *reviewed)
