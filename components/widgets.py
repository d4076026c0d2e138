"""Widgets of a dashboard, and where they are. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Widget = dict[str, Any]

_COLUMNS = 24


def placed(groups: Sequence[Sequence[Sequence[Widget]]]) -> list[Widget]:
    """Return the widgets with their positions: the widgets of a row share its width, and rows are stacked."""
    found, y = [], 0
    for row in (row for group in groups for row in group):
        width = _COLUMNS // len(row)
        for number, widget in enumerate(row):
            found.append({**widget, "x": number * width, "y": y, "width": width})
        y += row[0]["height"]
    return found
