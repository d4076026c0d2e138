"""Receipts: the messages that state the outcome of a transfer. A client may resend a file without a receipt.

What the customer was told last has to be true: an outcome is told again if another one was told in between. A
receipt is one JSON message on the customer's topic. It is published first and recorded afterwards, so a
crash in between repeats it: a customer may get a receipt twice, but never none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NotRequired, Required, assert_never

from typing_extensions import TypedDict

from runtime.contract import REGION_OF, Kind, Outcome, UnknownKind
from runtime.facts import Fact, Status, settling
from runtime.routing import RoutingDocument
from runtime.tracker import Tracker
from runtime.transfer import Transfer


class ReceiptDestination(TypedDict, total=False):
    """What became of a file at one destination."""

    name: Required[str]
    """The destination, as the registry names it."""
    outcome: Outcome
    """What became of the file there; absent if nothing was decided."""
    sha256: str
    """The SHA-256 of what was delivered; of a large file the hash that docs/onboarding.md describes."""
    note: str
    """What else there is to say of the delivery."""
    of: str
    """The transfer that delivered the same content before, if this one is a duplicate."""
    reason: str
    """Why the file failed or is held."""


class Receipt(TypedDict):
    """What became of one submission of a file: the JSON message on a customer's receipt topic.

    More fields may come; a program ignores those that it does not know.
    """

    schema: Literal[1]
    """The version of this format."""
    outcome: Outcome
    """`delivered` to every destination, a `duplicate` of what was delivered before, `rejected` at intake,
    `failed` for good, or `held` until a person has decided. A later receipt of a transfer replaces an earlier
    one."""
    customer: str
    """The customer's id."""
    key: str
    """The object's key in the customer's bucket; an SFTP upload is below `inbound/sftp/`."""
    transfer: str
    """The transfer's id: one for each submission. It is a ULID, so it begins with the submission's time."""
    version_id: str
    """The version of the object, as the answer to an upload by the S3 API names it."""
    size: int
    """The file's size in bytes."""
    region: str
    """The region that decided."""
    destinations: list[ReceiptDestination]
    """What became of the file at each destination of its route; none of a file that was rejected."""
    at: str
    """When it was decided, in UTC: `2026-11-30T12:00:00.000000Z`."""
    reason: NotRequired[str]
    """Why the file was rejected."""


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


def lines(transfer: Transfer, facts: Iterable[Fact]) -> list[ReceiptDestination]:
    """Return the `destinations` of a receipt: each name, with the result that the standing facts give it."""
    settled = settling(facts)
    return [_line(name, settled.get(name)) for name in transfer.destinations]


def _line(name: str, fact: Fact | None) -> ReceiptDestination:
    if fact is None:
        return {"name": name}
    match fact.kind:
        case UnknownKind():
            return {"name": name}
        case Kind.FAILED:
            return {"name": name, "outcome": Outcome.FAILED, "reason": fact.detail["reason"]}
        case Kind.HELD:
            return {"name": name, "outcome": Outcome.HELD, "reason": fact.detail["reason"]}
        case Kind.DUPLICATE:
            return {"name": name, "outcome": Outcome.DUPLICATE, "of": fact.detail["of"]}
        case Kind.DELIVERED:
            delivered: ReceiptDestination = {"name": name, "outcome": Outcome.DELIVERED}
            delivered["sha256"] = fact.detail["sha256"]
            if "note" in fact.detail:
                delivered["note"] = fact.detail["note"]
            return delivered
        case Kind.RECEIVED | Kind.REJECTED | Kind.ARCHIVED | Kind.REPLAYED | Kind.CONFLICT:
            return {"name": name}
        case Kind.RECEIPT | Kind.CLAIM:
            return {"name": name}
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
        destinations: Sequence[ReceiptDestination] = (),
        reason: str | None = None,
    ) -> None:
        """Publish and record the receipt of a transfer, unless the last one has this outcome."""
        if told(self._tracker.facts_of(transfer.file, transfer.id)) == outcome:
            return
        fact = transfer.fact(Kind.RECEIPT, side=self._side, writer=writer, outcome=outcome.value)
        message: Receipt = {
            "schema": 1,
            "outcome": outcome,
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
