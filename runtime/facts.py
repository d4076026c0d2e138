"""Facts about transfers, and what follows from them. Pure: no clock, no I/O."""

from __future__ import annotations

from collections.abc import Iterable
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
    kinds: dict[Kind, list[Fact]] = {}
    for fact in standing(facts):
        kinds.setdefault(fact.kind, []).append(fact)
    if Kind.REJECTED in kinds:
        return Status.REJECTED
    served = _destinations(kinds, Kind.DELIVERED)
    settled = served | _destinations(kinds, Kind.DUPLICATE)
    wanted = {name for fact in kinds.get(Kind.RECEIVED, ()) for name in fact.detail["destinations"]}
    held, failed = _destinations(kinds, Kind.HELD), _destinations(kinds, Kind.FAILED)
    if not wanted or wanted - settled - held - failed:
        return Status.UNDER_WAY
    if wanted <= settled:
        return Status.DELIVERED if served else Status.DUPLICATE
    return Status.HELD if (wanted - settled) & held else Status.FAILED


def _destinations(kinds: dict[Kind, list[Fact]], kind: Kind) -> set[str]:
    return {fact.destination for fact in kinds.get(kind, ())}


def standing(facts: Iterable[Fact]) -> list[Fact]:
    """Return the facts without those that an operator has set aside.

    A REPLAYED fact opens a destination again: its `over` names, by their sort keys, the ends that the
    operator knew when deciding. An end that the operator did not know, or that came later, stands.
    """
    facts = list(facts)
    over = {key for fact in facts if fact.kind is Kind.REPLAYED for key in fact.detail.get("over", ())}
    return [fact for fact in facts if fact.sort_key not in over]


def by_transfer(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    """Return the facts of a file, grouped by transfer, oldest transfer first."""
    groups: dict[str, list[Fact]] = {}
    for fact in facts:
        groups.setdefault(fact.transfer, []).append(fact)
    return dict(sorted(groups.items()))
