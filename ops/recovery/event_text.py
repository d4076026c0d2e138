"""The events of a file's story as words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ops.recovery.attempts import FileEvent
from ops.recovery.window import age

#: Characters of a hash that are shown; `--json` has all of them.
_HASH = 12


def after_of(seconds: float) -> str:
    """Return how long after its submission something happened to a transfer."""
    return f"+{seconds:.3f} s" if seconds < 120 else f"+{age(int(seconds))}"


def words_of(event: FileEvent, transfer: str) -> list[str]:
    """Return the details of an event of a transfer, each as `name=value`, and where it is not known."""
    words = [f"{name}={_word(value).removeprefix(f'{transfer}-')}" for name, value in event.detail.items()]
    if event.unknown_in:
        words.append(f"NOT IN {', '.join(event.unknown_in)}")
    return words


def _word(value: Any) -> str:
    if isinstance(value, Mapping | list):
        return json.dumps(value, sort_keys=True)
    if isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value):
        return f"{value[:_HASH]}..."
    return json.dumps(value) if isinstance(value, str) and " " in value else str(value)
