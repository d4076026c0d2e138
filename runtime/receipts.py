"""Receipts: what a customer is told about a transfer. No receipt is what entitles a client to resend.

A receipt is one JSON message on the customer's topic. It is published first and recorded after, so a
crash in between repeats it: a customer may get a receipt twice, never none.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from runtime.contract import REGION_OF, Kind
from runtime.routing import RoutingDocument
from runtime.tracker import Tracker
from runtime.transfer import Transfer


class Outcome(StrEnum):
    """How a transfer ended, as its receipt says it."""

    DELIVERED = "delivered"
    DUPLICATE = "duplicate"
    FAILED = "failed"
    HELD = "held"
    REJECTED = "rejected"


class Receipts:
    """Publishes receipts of transfers and records that they were sent."""

    def __init__(self, *, tracker: Tracker, topics: Any, side: str) -> None:
        self._tracker, self._topics, self._side = tracker, topics, side

    def send(
        self,
        customer: RoutingDocument,
        transfer: Transfer,
        outcome: Outcome,
        *,
        writer: str,
        destinations: Sequence[dict[str, Any]] = (),
        reason: str | None = None,
    ) -> None:
        """Publish the receipt of a transfer, unless the tracker holds one with this outcome."""
        facts = self._tracker.history(transfer.file).of(transfer.id)
        sent = (fact for fact in facts if fact.kind is Kind.RECEIPT)
        if any(fact.detail["outcome"] == outcome for fact in sent):
            return
        fact = transfer.fact(Kind.RECEIPT, side=self._side, writer=writer, outcome=outcome.value)
        message = {
            "schema": 1,
            "outcome": outcome.value,
            "customer": customer.id,
            "key": transfer.key,
            "transfer": transfer.id,
            "version_id": transfer.version_id,
            "size": transfer.size,
            "region": REGION_OF[self._side],
            "destinations": list(destinations),
            "at": fact.at,
        }
        if reason is not None:
            message["reason"] = reason
        self._topics.publish(
            TopicArn=customer.receipts_topic,
            Subject=f"File {outcome.value}: transfer {transfer.id}",
            Message=json.dumps(message, sort_keys=True),
            MessageAttributes={"outcome": {"DataType": "String", "StringValue": outcome.value}},
        )
        self._tracker.record(fact)
