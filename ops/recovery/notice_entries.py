"""What a notice says of one transfer: whether to send the file again, and what became of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import assert_never

from ops.recovery.notice_document import NoticeDestination, NoticeFile
from runtime.contract import Kind, UnknownKind
from runtime.facts import Fact, Status, lacks, standing, status, submitted, unknown_kinds
from runtime.overtaken import UNCLEAR

#: The lists of a notice, by the names of its fields.
RESEND, HELD, DELIVERED = "resend", "held", "delivered"
LISTS = (RESEND, HELD, DELIVERED)


#: Why a customer is to wait for what a route of theirs holds rather than send it again.
ON_HOLD = "it was not finished when the region was lost; its route holds it until that is known, so wait"


def entry(facts: Sequence[Fact], lost: str, *, holds: bool = False) -> tuple[str, NoticeFile] | None:
    """Return the name of the list that a transfer belongs in, and the document about it.

    None for a transfer under way in the region that is not `lost`: it will end with a receipt. `holds` is
    whether its route holds a file when nobody can tell whether it was delivered.
    """
    found = status(facts)
    match found:
        case Status.DELIVERED | Status.DUPLICATE:
            return DELIVERED, {**_about(facts), "destinations": _served(facts)}
        case Status.HELD:
            return HELD, {**_about(facts), "destinations": _not_served(facts)}
        case Status.UNDER_WAY:
            if _origin(facts) != lost:
                return None
            if kinds := unknown_kinds(facts):
                # They may mean that it was delivered, so it must not be sent again.
                return HELD, {
                    **_about(facts),
                    "destinations": _waiting(facts, UNCLEAR.format(", ".join(kinds))),
                }
            if holds:
                return HELD, {**_about(facts), "destinations": _waiting(facts, ON_HOLD)}
            why = "not finished when the region was lost"
        case Status.FAILED:
            why = "not delivered"
        case Status.REJECTED:
            why = "not accepted"
        case _:
            assert_never(found)
    return RESEND, {**_about(facts), "why": why}


def _served(facts: Sequence[Fact]) -> list[NoticeDestination]:
    """Return a document for each destination that has the content of a transfer."""
    destinations: list[NoticeDestination] = []
    for fact in standing(facts):
        match fact.kind:
            case UnknownKind():
                pass
            case Kind.DELIVERED:
                sha256 = fact.detail["sha256"]
                destinations.append({"name": fact.destination, "delivered": fact.at, "sha256": sha256})
            case Kind.DUPLICATE:
                destinations.append({"name": fact.destination, "duplicate_of": fact.detail["of"]})
            case Kind.FAILED | Kind.HELD | Kind.RECEIVED | Kind.REJECTED | Kind.ARCHIVED:
                pass
            case Kind.REPLAYED | Kind.CONFLICT | Kind.RECEIPT | Kind.CLAIM:
                pass
            case _:
                assert_never(fact.kind)
    return destinations


def _not_served(facts: Sequence[Fact]) -> list[NoticeDestination]:
    """Return a document for each destination that holds the transfer, then for each where it failed."""
    lacking = lacks(facts)
    held: list[NoticeDestination] = []
    failed: list[NoticeDestination] = []
    for fact in standing(facts):
        match fact.kind:
            case UnknownKind():
                pass
            case Kind.HELD:
                if fact.destination in lacking.get(Status.HELD, ()):
                    held.append({"name": fact.destination, "held": fact.detail["reason"]})
            case Kind.FAILED:
                if fact.destination in lacking.get(Status.FAILED, ()):
                    failed.append({"name": fact.destination, "not_delivered": fact.detail["reason"]})
            case Kind.DELIVERED | Kind.DUPLICATE | Kind.RECEIVED | Kind.REJECTED | Kind.ARCHIVED:
                pass
            case Kind.REPLAYED | Kind.CONFLICT | Kind.RECEIPT | Kind.CLAIM:
                pass
            case _:
                assert_never(fact.kind)
    return held + failed


def _waiting(facts: Sequence[Fact], why: str) -> list[NoticeDestination]:
    """Return a document for each destination that nothing settles: why the file is not to be sent again."""
    return [{"name": name, "held": why} for name in lacks(facts).get(Status.UNDER_WAY, ())]


def _origin(facts: Sequence[Fact]) -> str:
    """Return the side that received a transfer; where no fact says so, that of the first fact."""
    return next((fact.side for fact in facts if fact.kind is Kind.RECEIVED), facts[0].side)


def _about(facts: Sequence[Fact]) -> NoticeFile:
    first = facts[0]
    return {"key": first.key, "transfer": first.transfer, "submitted": stamp(submitted(first.transfer))}


def stamp(at: datetime) -> str:
    """Return a time as it is written in notices: UTC, to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
