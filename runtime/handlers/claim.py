"""Workflow step: take the file's lease and decide what to do."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from runtime.handlers import wiring


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return the decision as a document: the fields of runtime.decision.Decision."""
    with wiring.step(event) as (transfer, owner):
        decision = wiring.workflow().claim(transfer, owner=owner)
        wiring.logger.info("claim", action=decision.action)
        return asdict(decision)
