"""The account of acknowledged files: each was delivered exactly once, or there is a reason.

What the tracker says is compared with what the partners have and with the receipts that customers got.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator
from typing import Any, assert_never

from local.drill.acknowledged_files import Account, AcknowledgedFiles, SentFile
from local.drill.observations import Observations
from local.world import World
from runtime.contract import Kind
from runtime.facts import Fact, Status, by_transfer, status

#: Lines of what is explained, or wrong, that are kept; there may be any number.
_LINES = 20


class Balance:
    """Totals over all files that were added, and the last lines of what is explained and of what is wrong."""

    def __init__(self, world: World, observations: Observations) -> None:
        self._world, self._observations = world, observations
        self._receipts: defaultdict[str, set[str]] = defaultdict(set)
        self.files = 0
        self.fates: Counter[str] = Counter()
        self.explained: deque[str] = deque(maxlen=_LINES)
        self.faults: deque[str] = deque(maxlen=_LINES)

    @property
    def document(self) -> dict[str, Any]:
        """The totals, ready for JSON."""
        return {
            "files": self.files,
            "fates": dict(sorted(self.fates.items())),
            "explained": list(self.explained),
            "faults": list(self.faults),
        }

    @property
    def line(self) -> str:
        """The totals as a sentence."""
        fates = ", ".join(f"{count} {fate}" for fate, count in sorted(self.fates.items()))
        return f"{self.files} acknowledged files: {fates or 'none'}"

    def add(self, files: Iterable[SentFile], acknowledged: AcknowledgedFiles, side: str) -> None:
        """Add files of which nothing is under way any more, by what one region's tracker says."""
        self._take_receipts()
        for account in acknowledged.accounts(side, files):
            self.files += 1
            self.fates[account.fate().fate or "unknown"] += 1
            for problem in self._problems(account):
                self.faults.append(f"{account.file}: {problem}")

    def _problems(self, account: Account) -> Iterator[str]:
        """Yield what is wrong with a file. What is not delivered and has a reason is noted as explained."""
        transfers = by_transfer(account.facts)
        if not transfers:
            yield "no fact is about it"
        for transfer, facts in transfers.items():
            match end := status(facts):
                case Status.UNDER_WAY:
                    yield "it is still under way"
                case Status.DELIVERED | Status.DUPLICATE:
                    pass
                case Status.FAILED | Status.HELD | Status.REJECTED:
                    if reasons := _reasons(facts):
                        self.explained.append(f"{account.file}: {end}: {reasons}")
                    else:
                        yield f"it is {end}, and no fact says why"
                case _:
                    assert_never(end)
            if not self._receipts.pop(transfer, None):
                yield f"the customer got no receipt for its transfer {transfer}"
        if (sent := account.fate().sent) > 1:
            yield f"it was sent {sent} times to one destination"
        if Status.DELIVERED in account.ends:
            yield from self._missing(account)

    def _missing(self, account: Account) -> Iterator[str]:
        """Yield the destinations that do not have the bytes of a delivered file."""
        sent = {
            (fact.destination, fact.detail["sha256"]) for fact in account.facts if fact.kind is Kind.DELIVERED
        }
        for destination, name in account.file.destinations.items():
            there = self._observations.delivered(account.file.sender.customer, destination, name)
            if there is None:
                yield f"{destination} does not have it"
            elif (destination, hashlib.sha256(there).hexdigest()) not in sent:
                yield f"{destination} has other bytes"

    def _take_receipts(self) -> None:
        for customer, side in self._world.external_parties.receipts:
            for receipt in self._world.external_parties.take_receipts(customer, side):
                if receipt["outcome"] != "notice":  # it is about no file
                    self._receipts[receipt["transfer"]].add(receipt["outcome"])


def _reasons(facts: Iterable[Fact]) -> str:
    """Return why a transfer was not delivered."""
    return "; ".join(
        dict.fromkeys(
            str(fact.detail["reason"])
            for fact in facts
            if fact.kind in (Kind.FAILED, Kind.HELD, Kind.REJECTED) and fact.detail.get("reason")
        )
    )
