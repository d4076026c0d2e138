"""Workflow step: keep a copy of the file in the cell's archive bucket."""

from __future__ import annotations

from functools import cache
from typing import Any

from runtime.archive import Archive
from runtime.environment import ENV_ARCHIVE_BUCKET, ENV_SIDE
from runtime.handlers import wiring


@cache
def _archive() -> Archive:
    return Archive(
        bucket=wiring.env(ENV_ARCHIVE_BUCKET),
        side=wiring.env(ENV_SIDE),
        tracker=wiring.tracker(),
        s3=wiring.client("s3"),
    )


def handler(event: dict[str, Any], context: Any) -> dict[str, str]:
    """Return the key of the archived copy."""
    with wiring.step(event) as (transfer, owner):
        return {"archive_key": _archive().store(transfer, owner=owner)}
