"""Workflow step: take the file's lease and say what is to be done."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from runtime.handlers import wiring


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return the verdict as a document: `action`, `destinations`, `conflicts`, `spared`."""
    transfer, owner = wiring.step(event)
    verdict = wiring.workflow().claim(transfer, owner=owner)
    wiring.logger.info("claim", action=verdict.action)
    return asdict(verdict)
