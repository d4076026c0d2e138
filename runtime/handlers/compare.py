"""Workflow step: read a resent file and compare it with the deliveries."""

from __future__ import annotations

from typing import Any

from runtime.content_progress import ContentProgress
from runtime.delivery.source import Source
from runtime.handlers import wiring


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return the decision as a document, like the claim step; its action is `deliver` or `done`.

    Raises ComparisonUnfinishedError when the next attempt has to go on reading.
    """
    with wiring.step(event) as (transfer, owner):
        source = Source(
            s3=wiring.client("s3"),
            bucket=transfer.bucket,
            key=transfer.key,
            version_id=transfer.version_id,
            size=transfer.size,
            progress=ContentProgress(wiring.tracker(), transfer.id),
            remaining=lambda: context.get_remaining_time_in_millis() / 1000,
        )
        decision = wiring.workflow().compare(transfer, source, owner=owner)
        wiring.logger.info("compare", action=decision.action, spared=len(decision.spared))
        return wiring.answer(transfer, decision)
