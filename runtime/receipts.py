"""Receipts: the messages that state the outcome of a transfer. A client may resend a file without a receipt.

What the customer was told last has to be true: an outcome is told again if another one was told in between. A
receipt is one JSON message on the customer's topic. It is published first and recorded afterwards, so a
crash in between repeats it: a customer may get a receipt twice, but never none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, assert_never

from runtime.contract import REGION_OF, Kind, Outcome, UnknownKind
from runtime.facts import Fact, Status, settling
from runtime.routing import RoutingDocument
from runtime.tracker import Tracker
from runtime.transfer import Transfer


def outcome_of(status: Status) -> Outcome:
    """Return the outcome for the receipt of a transfer whose workflow is complete.

    A transfer that is still under way by then has failed, because nothing will serve its destinations any
    more.
    """
    match status:
        case Status.DELIVERED:
            return Outcome.DELIVERED
        case Status.DUPLICATE:
            return Outcome.DUPLICATE
        case Status.REJECTED:
            return Outcome.REJECTED
        case Status.HELD:
            return Outcome.HELD
        case Status.FAILED | Status.UNDER_WAY:
            return Outcome.FAILED
        case _:
            assert_never(status)


def lines(transfer: Transfer, facts: Iterable[Fact]) -> list[dict[str, Any]]:
    """Return the `destinations` of a receipt: each name, with the result that the standing facts give it."""
    settled = settling(facts)
    return [
        {"name": name, **(_line(settled[name]) if name in settled else {})} for name in transfer.destinations
    ]


def _line(fact: Fact) -> dict[str, Any]:
    match fact.kind:
        case UnknownKind():
            return {}
        case Kind.FAILED:
            return {"outcome": Outcome.FAILED.value, "reason": fact.detail["reason"]}
        case Kind.HELD:
            return {"outcome": Outcome.HELD.value, "reason": fact.detail["reason"]}
        case Kind.DUPLICATE:
            return {"outcome": Outcome.DUPLICATE.value, "of": fact.detail["of"]}
        case Kind.DELIVERED:
            note = {"note": fact.detail["note"]} if "note" in fact.detail else {}
            return {"outcome": Outcome.DELIVERED.value, "sha256": fact.detail["sha256"], **note}
        case Kind.RECEIVED | Kind.REJECTED | Kind.ARCHIVED | Kind.REPLAYED | Kind.CONFLICT:
            return {}
        case Kind.RECEIPT | Kind.CLAIM:
            return {}
        case _:
            assert_never(fact.kind)


def told(facts: Iterable[Fact]) -> str | None:
    """Return the outcome that the customer was told last of ONE transfer; None if there was no receipt."""
    last = max((fact for fact in facts if fact.kind is Kind.RECEIPT), key=lambda fact: fact.at, default=None)
    return last.detail.get("outcome") if last else None


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
        """Publish and record the receipt of a transfer, unless the last one has this outcome."""
        if told(self._tracker.facts_of(transfer.file, transfer.id)) == outcome:
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
