"""Facts about transfers, and what follows from them. Pure: no clock, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from runtime.contract import Kind


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One thing that happened to one transfer: written once, never changed.

    `writer` names the invocation that wrote it, so that two writers never share a key. `expires` is in
    seconds since the epoch and the same for all facts of a transfer. `detail` is what the kind adds.
    """

    file: str
    transfer: str
    kind: Kind
    customer: str
    key: str
    side: str
    writer: str
    at: str
    expires: int
    destination: str = ""
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def sort_key(self) -> str:
        """Where the fact stands below its file: `transfer#KIND#destination#side#writer`."""
        return "#".join((self.transfer, self.kind, self.destination, self.side, self.writer))

    @property
    def customer_day(self) -> str:
        """The index's partition: customer and the UTC day on which the transfer was submitted."""
        return f"{self.customer}#{submitted(self.transfer):%Y-%m-%d}"


class Status(StrEnum):
    """What the facts say of a transfer as a whole."""

    UNDER_WAY = "under way"
    DELIVERED = "delivered"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    FAILED = "failed"
    HELD = "held"


#: A transfer with one of these needs nothing more from the workflow that carried it.
ENDED = frozenset(Status) - {Status.UNDER_WAY}


def submitted(transfer: str) -> datetime:
    """Return when a transfer was submitted, UTC, to the second: it is the head of its id."""
    return datetime.strptime(transfer[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def status(facts: Iterable[Fact]) -> Status:
    """Return what the facts of ONE transfer say of it, whatever their order.

    It has ended when it was rejected, or when each of its destinations was served, spared, held or given
    up. One that both failed and was served later counts as served; one that had the same content from
    another transfer is spared (DUPLICATE). What an operator has set aside (REPLAYED) counts no more. RECEIVED
    names the destinations: without it (the fact may not have replicated) nobody knows whether one of them
    still waits, and the transfer is under way.
    """
    stood = standing(facts)
    kinds = {fact.kind for fact in stood}
    if Kind.REJECTED in kinds:
        return Status.REJECTED
    lacking = lacks(stood)
    if not _wanted(stood) or Status.UNDER_WAY in lacking:
        return Status.UNDER_WAY
    if not lacking:
        return Status.DELIVERED if Kind.DELIVERED in kinds else Status.DUPLICATE
    return Status.HELD if Status.HELD in lacking else Status.FAILED


def lacks(facts: Iterable[Fact]) -> dict[Status, tuple[str, ...]]:
    """Return the destinations that were not served with ONE transfer, by what is so there.

    That is FAILED, UNDER_WAY or HELD, in this order: one may have failed where another holds, and the status
    of the whole says only the latter. Without RECEIVED nobody knows of any; what was rejected lacks none.
    """
    stood = standing(facts)
    if any(fact.kind is Kind.REJECTED for fact in stood):
        return {}
    served = _destinations(stood, Kind.DELIVERED, Kind.DUPLICATE)
    held, failed = _destinations(stood, Kind.HELD), _destinations(stood, Kind.FAILED)
    found: dict[Status, tuple[str, ...]] = dict.fromkeys((Status.FAILED, Status.UNDER_WAY, Status.HELD), ())
    for name in _wanted(stood):
        if name not in served:
            is_so = Status.HELD if name in held else Status.FAILED if name in failed else Status.UNDER_WAY
            found[is_so] += (name,)
    return {is_so: names for is_so, names in found.items() if names}


def told(lacking: Mapping[Status, Iterable[str]]) -> str:
    """Return in words what `lacks` found: `failed: a, b; held: c`."""
    return "; ".join(f"{is_so}: {', '.join(names)}" for is_so, names in lacking.items())


def _wanted(facts: Iterable[Fact]) -> tuple[str, ...]:
    received = (fact for fact in facts if fact.kind is Kind.RECEIVED)
    return tuple(dict.fromkeys(name for fact in received for name in fact.detail["destinations"]))


def _destinations(facts: Iterable[Fact], *kinds: Kind) -> set[str]:
    return {fact.destination for fact in facts if fact.kind in kinds}


def standing(facts: Iterable[Fact]) -> list[Fact]:
    """Return the facts without those that an operator has set aside.

    A REPLAYED fact opens a destination again: its `over` names, by their sort keys, the ends that the
    operator knew when deciding. An end that the operator did not know, or that came later, stands.
    """
    facts = list(facts)
    over = {key for fact in facts if fact.kind is Kind.REPLAYED for key in fact.detail.get("over", ())}
    return [fact for fact in facts if fact.sort_key not in over]


def of_transfer(facts: Iterable[Fact], transfer: str) -> list[Fact]:
    """Return the facts of one transfer, in the order given; empty when there are none."""
    return [fact for fact in facts if fact.transfer == transfer]


def by_transfer(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    """Return the facts of a file, grouped by transfer, oldest transfer first."""
    groups: dict[str, list[Fact]] = {}
    for fact in facts:
        groups.setdefault(fact.transfer, []).append(fact)
    return dict(sorted(groups.items()))
