"""Workflow step: take the file's lease and decide what to do."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from runtime.handlers import wiring


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return the decision as a document, as `wiring.answer` makes it.

    `seen` of the event is when the execution began or was last answered.
    """
    seen = datetime.fromisoformat(event["seen"]) if "seen" in event else None
    with wiring.step(event) as (transfer, owner):
        decision = wiring.workflow().claim(transfer, owner=owner, seen=seen)
        wiring.logger.info("claim", action=decision.action)
        return wiring.answer(transfer, decision)
