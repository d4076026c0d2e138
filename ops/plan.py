"""What every plan has: a digest that ties an action to what was reviewed, and a way to be refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


class RefusedError(ValueError):
    """The verb will not do this; the message says why and what to do instead."""


def digest(plan: Mapping[str, Any]) -> str:
    """Return 12 hex digits that stand for a plan's document: equal documents have equal digests."""
    canonical = json.dumps(plan, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]
