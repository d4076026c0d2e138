"""The ledger of the drill: every file that a client was told is stored, and what became of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from local.evidence import Evidence
from local.sender import Sender
from runtime.contract import EAST, Kind
from runtime.facts import Status, by_transfer, status


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What became of one acknowledged file: the sides that delivered it, and how often to one destination."""

    file: str
    side: str
    by: str
    sent: int
    transfers: str

    @property
    def is_settled(self) -> bool:
        """Return whether it was delivered, or is held for a person to decide."""
        return bool(self.by) or Status.HELD in self.transfers


class Ledger:
    """The acknowledged files, in order."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._entries: list[tuple[Sender, str, str]] = []

    def add(self, sender: Sender, side: str, name: str) -> None:
        """Note that a side acknowledged a file of this name."""
        self._entries.append((sender, side, name))

    def fates(self) -> list[Fate]:
        """Return what the survivor's tracker says of each file."""
        return [self._fate(*entry) for entry in self._entries]

    def _fate(self, sender: Sender, side: str, name: str) -> Fate:
        facts = self._evidence.facts(sender.customer, EAST, sender.key(name))
        delivered = [fact for fact in facts if fact.kind is Kind.DELIVERED]
        sends = Counter((fact.transfer, fact.destination) for fact in delivered if fact.detail["sent"])
        fates = Counter(status(group).value for group in by_transfer(facts).values())
        return Fate(
            file=f"{sender.customer.id}: {name}",
            side=side,
            by=", ".join(sorted({fact.side for fact in delivered})),
            sent=max(sends.values(), default=0),
            transfers=", ".join(f"{count} {fate}" for fate, count in fates.items()),
        )
