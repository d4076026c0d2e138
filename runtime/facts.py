"""Facts about transfers, and what follows from them. Pure: no clock and no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, assert_never

from runtime.contract import Kind, UnknownKind

#: The time of submission with which a transfer's id begins, for `strftime`.
SUBMITTED = "%Y%m%dT%H%M%SZ"

#: The field, and the attribute in the tracker, with the number of the cell that a fact was carried from.
CARRIED_FROM = "carried_from"


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One thing that happened to one transfer: written once, never changed.

    `writer` names the invocation that wrote it, so that two writers never share a key. `expires` is in
    seconds since the epoch and is the same for all facts of a transfer. `detail` holds what the kind adds.
    `extra` holds the fields that a newer version of the platform has added to facts.

    A fact of an UnknownKind decides nothing; it keeps its destination from being sent anything
    (docs/adr/0029-mixed-versions.md).
    """

    file: str
    transfer: str
    kind: Kind | UnknownKind
    customer: str
    key: str
    side: str
    writer: str
    at: str
    expires: int
    destination: str = ""
    detail: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def sort_key(self) -> str:
        """The fact's sort key below its file: `transfer#KIND#destination#side#writer`."""
        return "#".join((self.transfer, self.kind, self.destination, self.side, self.writer))

    @property
    def carried_from(self) -> str | None:
        """The cell whose tracker this fact comes from, if its customer has moved since; None otherwise."""
        return self.extra.get(CARRIED_FROM)

    @property
    def customer_day(self) -> str:
        """The partition key of the index: the customer and the UTC day of submission."""
        return f"{self.customer}#{submitted(self.transfer):%Y-%m-%d}"


class Status(StrEnum):
    """What the facts say of a transfer as a whole."""

    UNDER_WAY = "under way"
    DELIVERED = "delivered"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    FAILED = "failed"
    HELD = "held"


def submitted(transfer: str) -> datetime:
    """Return when a transfer was submitted, in UTC and to the second: its id begins with that time."""
    return datetime.strptime(transfer[:16], SUBMITTED).replace(tzinfo=UTC)


def is_ended(status: Status) -> bool:
    """Return whether a transfer of this status needs nothing more from the workflow that carried it."""
    match status:
        case Status.UNDER_WAY:
            return False
        case Status.DELIVERED | Status.DUPLICATE | Status.REJECTED | Status.FAILED | Status.HELD:
            return True
        case _:
            assert_never(status)


#: The statuses that end a transfer, as `is_ended` says.
ENDED = frozenset(each for each in Status if is_ended(each))


def settles(kind: Kind | UnknownKind) -> tuple[int, Status] | None:
    """Return the status that a fact of this kind gives its destination, or None if it settles no destination.

    Of several such facts about one destination, the one with the greatest number decides: a destination that
    failed and was served later counts as served.
    """
    match kind:
        case UnknownKind():
            return None
        case Kind.FAILED:
            return 1, Status.FAILED
        case Kind.HELD:
            return 2, Status.HELD
        case Kind.DUPLICATE:
            return 3, Status.DUPLICATE
        case Kind.DELIVERED:
            return 4, Status.DELIVERED
        case Kind.RECEIVED | Kind.REJECTED | Kind.ARCHIVED | Kind.REPLAYED | Kind.CONFLICT:
            return None
        case Kind.RECEIPT | Kind.CLAIM:
            return None
        case _:
            assert_never(kind)


def settling(facts: Iterable[Fact]) -> dict[str, Fact]:
    """Return, by destination, the fact that settles it, among the standing facts of ONE transfer."""
    found: dict[str, tuple[int, Fact]] = {}
    for fact in facts:
        if (settled := settles(fact.kind)) and settled[0] >= found.get(fact.destination, (0,))[0]:
            found[fact.destination] = settled[0], fact
    return {name: fact for name, (_, fact) in found.items()}


def status(facts: Iterable[Fact]) -> Status:
    """Return what the facts of ONE transfer say of it, whatever their order.

    It has ended when it was rejected, or when each of its destinations was served, was spared, holds it or
    has failed. A destination that already had the same content from another transfer is spared (DUPLICATE).
    Facts that an operator has set aside (REPLAYED) do not count. RECEIVED names the destinations: without it
    (the fact may not have replicated yet) it is unknown whether a destination still waits, so the transfer is
    under way. A destination with nothing but facts of unknown kinds is under way too.
    """
    stood = standing(facts)
    if _is_rejected(stood):
        return Status.REJECTED
    return max(by_destination(stood).values(), key=_weight, default=Status.UNDER_WAY)


def lacks(facts: Iterable[Fact]) -> dict[Status, tuple[str, ...]]:
    """Return the destinations that ONE transfer has not served, grouped by their status.

    The statuses are FAILED, UNDER_WAY and HELD, in this order. One destination may have failed while another
    holds the file, and the status of the whole is only HELD then. The result is empty without RECEIVED,
    because no destination is known, and for a rejected transfer.
    """
    stood = standing(facts)
    if _is_rejected(stood):
        return {}
    found: dict[Status, tuple[str, ...]] = dict.fromkeys((Status.FAILED, Status.UNDER_WAY, Status.HELD), ())
    for name, its in by_destination(stood).items():
        match its:
            case Status.FAILED | Status.UNDER_WAY | Status.HELD:
                found[its] += (name,)
            case Status.DELIVERED | Status.DUPLICATE | Status.REJECTED:
                continue
            case _:
                assert_never(its)
    return {its: names for its, names in found.items() if names}


def home_of(facts: Iterable[Fact]) -> str | None:
    """Return the side that received ONE transfer first, or None if no fact says it."""
    received = (fact for fact in facts if fact.kind is Kind.RECEIVED)
    first = min(received, key=lambda fact: fact.at, default=None)
    return first.side if first else None


def describe(lacking: Mapping[Status, Iterable[str]]) -> str:
    """Return the result of `lacks` as text: `failed: a, b; held: c`."""
    return "; ".join(f"{its}: {', '.join(names)}" for its, names in lacking.items())


def _weight(status: Status) -> int:
    """Return how much the status of one destination decides: the greatest is the status of the transfer."""
    match status:
        case Status.DUPLICATE:
            return 1
        case Status.DELIVERED:
            return 2
        case Status.FAILED:
            return 3
        case Status.HELD:
            return 4
        case Status.UNDER_WAY:
            return 5
        case Status.REJECTED:
            return 6
        case _:
            assert_never(status)


def by_destination(stood: Sequence[Fact]) -> dict[str, Status]:
    """Return the status of each destination that RECEIVED names, in its order, from facts that stand."""
    known = settling(stood)
    received = (fact for fact in stood if fact.kind is Kind.RECEIVED)
    wanted = dict.fromkeys(name for fact in received for name in fact.detail["destinations"])
    return {name: _given_by(known.get(name)) for name in wanted}


def _given_by(fact: Fact | None) -> Status:
    settled = settles(fact.kind) if fact else None
    return settled[1] if settled else Status.UNDER_WAY


def _is_rejected(stood: list[Fact]) -> bool:
    return any(fact.kind is Kind.REJECTED for fact in stood)


def standing(facts: Iterable[Fact]) -> list[Fact]:
    """Return the facts without those that an operator has set aside.

    A REPLAYED fact opens a destination again. Its `over` lists the sort keys of the facts that had ended the
    destination when the operator decided; a fact that the operator did not know, or that came later, stands.
    """
    facts = list(facts)
    over = {key for fact in facts if fact.kind is Kind.REPLAYED for key in fact.detail.get("over", ())}
    return [fact for fact in facts if fact.sort_key not in over]


def unknown_kinds(facts: Iterable[Fact], destination: str | None = None) -> tuple[str, ...]:
    """Return the names of the unknown kinds among the standing facts of ONE transfer, sorted.

    With a `destination`, these are the kinds of the facts about it and about the transfer as a whole.
    """
    about = (fact for fact in standing(facts) if destination is None or fact.destination in ("", destination))
    return tuple(sorted({fact.kind for fact in about if isinstance(fact.kind, UnknownKind)}))


def of_transfer(facts: Iterable[Fact], transfer: str) -> list[Fact]:
    """Return the facts of one transfer, in the order given; empty when there are none."""
    return [fact for fact in facts if fact.transfer == transfer]


def by_transfer(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    """Return the facts of a file, grouped by transfer, oldest transfer first."""
    groups: dict[str, list[Fact]] = {}
    for fact in facts:
        groups.setdefault(fact.transfer, []).append(fact)
    return dict(sorted(groups.items()))
