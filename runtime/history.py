"""What the local replica knows about a file, as far as a decision about one of its transfers needs it.

A name may have been used every minute for years. The sort keys of its facts begin with the time of
submission, so what is read is a stretch around the transfer, and never the whole
(docs/adr/0042-bounded-reads.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from typing import Any, Protocol

from runtime.contract import TRACKER_SK, Kind
from runtime.facts import ENDED, Fact, by_transfer, of_transfer, standing, status, submitted
from runtime.tracker_items import facts

#: Items of one request, most of them facts of about ten transfers: usually all that is needed.
PAGE = 50

#: A file's newest submissions that are read to find one of them, before it is looked for by its id.
NEWER = 8

#: Submissions that served a destination, before the one in question, which are enough to know what the
#: destination holds: the last of them, and others that two regions may have delivered in another order.
SERVED = 4

#: Most submissions before the one in question that are read, where few or none served a destination.
MOST_BEFORE = 100

#: Most transfers that a lease remembers as delivered out of order.
MOST_LATE = 8


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The execution that may send a file in this region, and until when (seconds since the epoch).

    `thawed` means that its holder stood still for longer than it ever waits, so the other region may have
    delivered meanwhile. It stays for as long as the same execution holds the lease. `late` are the transfers
    that held the lease before and are not where a reader looks for what a destination received last, because
    newer submissions had been delivered before them.
    """

    owner: str
    transfer: str
    until: int
    thawed: bool = False
    late: tuple[str, ...] = ()

    @classmethod
    def parse(cls, item: dict[str, Any]) -> Lease:
        """Return the lease of an item with plain values."""
        return cls(
            owner=item["owner"],
            transfer=item["transfer"],
            until=int(item["until"]),
            thawed=item.get("thawed", False),
            late=tuple(item.get("late", ())),
        )


@dataclass(frozen=True, kw_only=True)
class History:
    """What was read about one file: facts, oldest transfer first, and its leases.

    Of each transfer, all facts were read or none. `peers` is the other region's lease, as far as it has
    replicated. It shows what is being sent there, and excludes no sender here.
    """

    facts: tuple[Fact, ...]
    lease: Lease | None
    peers: Lease | None = None

    def of(self, transfer: str) -> list[Fact]:
        """Return the facts of one of the file's transfers, by its id; empty when there are none."""
        return of_transfer(self.facts, transfer)

    def late(self) -> tuple[str, ...]:
        """Return the transfers that the next holder of the lease has to remember as `late`.

        They are those that held the lease and delivered last, or still may deliver, although newer ones were
        delivered before.
        """
        if self.lease is None:
            return ()
        groups = by_transfer(self.facts)
        delivered = [fact for fact in self.facts if fact.kind is Kind.DELIVERED]
        last = {fact.destination: fact.transfer for fact in sorted(delivered, key=lambda each: each.at)}
        newest = {fact.destination: fact.transfer for fact in delivered}
        out_of_order = {its for name, its in last.items() if its != newest[name]}

        def is_late(name: str) -> bool:
            return name in groups and (name in out_of_order or status(groups[name]) not in ENDED)

        held = dict.fromkeys((*self.lease.late, self.lease.transfer))
        return tuple(name for name in held if is_late(name))[-MOST_LATE:]


class Pages(Protocol):
    """Reads one file's items, a page after the other, without those that have expired."""

    def __call__(
        self, *, below: str = "", above: str = "", backwards: bool = False, size: int | None = None
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield the pages of the sort keys `below` one, or `above` one; `size` items each at most."""


@dataclass
class Leases:
    """The leases among the items that were read, for the region that reads them."""

    own_key: str
    own: Lease | None = None
    peers: Lease | None = None

    def pick(self, pages: Iterable[list[dict[str, Any]]]) -> Iterator[list[dict[str, Any]]]:
        """Yield the pages, and keep the leases among their items."""
        for page in pages:
            for item in page:
                if item[TRACKER_SK] == self.own_key:
                    self.own = Lease.parse(item)
                elif item[TRACKER_SK].startswith(f"{Kind.CLAIM}#"):
                    self.peers = Lease.parse(item)
            yield page


def transfers(pages: Iterable[list[dict[str, Any]]]) -> Iterator[tuple[str, list[Fact]]]:
    """Yield the transfers of some pages, each with all its facts, in the order in which they are read."""
    every = (fact for page in pages for fact in facts(page))
    for name, its in groupby(every, key=lambda fact: fact.transfer):
        yield name, list(its)


@dataclass
class Stretch:
    """The stretch of a file's transfers that a decision about one of them is based on.

    Without a `window`, other submissions do not matter. Otherwise the stretch has what `destinations` have
    received last before the transfer, and whether they have received a newer submission.
    """

    transfer: str
    destinations: tuple[str, ...]
    window: timedelta | None
    found: dict[str, list[Fact]] = field(default_factory=dict)

    def read(self, pages: Pages, newest: Iterable[list[dict[str, Any]]]) -> None:
        """Read as far as necessary, from the file's `newest` transfers on."""
        newer = 0
        for name, its in transfers(newest):
            self.found[name] = its
            newer += name > self.transfer
            if newer == NEWER:
                break
            if self._is_enough_before():
                return
        else:
            return
        if self.window is not None:
            self._read_newer(pages)
        for name, its in transfers(pages(below=_end(self.transfer), backwards=True, size=PAGE)):
            self.found[name] = its
            if self._is_enough_before():
                return

    def wanted(self, leases: Leases) -> set[str]:
        """Return the other transfers that matter, by what was found, and were not read.

        They are those of the leases, and those that delivered what a duplicate was a duplicate of.
        """
        named = {self.transfer}
        for lease in filter(None, (leases.own, leases.peers)):
            named.update((lease.transfer, *lease.late))
        if self.window is not None:
            for its in self.found.values():
                named.update(fact.detail["of"] for fact in its if fact.kind is Kind.DUPLICATE)
        return named - self.found.keys()

    def _read_newer(self, pages: Pages) -> None:
        """Read the submissions after the transfer, until each destination has received one of them."""
        for name, its in transfers(pages(above=_end(self.transfer))):
            if name in self.found or not self._without_newer():
                return
            self.found[name] = its

    def _without_newer(self) -> set[str]:
        newer = {name: its for name, its in self.found.items() if name > self.transfer}
        return {
            name for name in self.destinations if not any(_is_delivered(its, name) for its in newer.values())
        }

    def _is_enough_before(self) -> bool:
        """Return whether enough was read of what was submitted before the transfer."""
        before = {name: its for name, its in self.found.items() if name < self.transfer}
        if not before:
            return self.window is None and self.transfer in self.found
        if self.window is None or len(before) >= MOST_BEFORE:
            return True
        if submitted(self.transfer) - submitted(min(before)) > self.window:
            return True
        served = [_served(its) for its in before.values()]
        return all(sum(name in its for its in served) >= SERVED for name in self.destinations)


def _end(transfer: str) -> str:
    """Return a sort key behind all facts of a transfer, which are `transfer#...`, and before the next."""
    return f"{transfer}{chr(ord('#') + 1)}"


def _served(its: Iterable[Fact]) -> set[str]:
    stood = standing(its)
    return {fact.destination for fact in stood if fact.kind in (Kind.DELIVERED, Kind.DUPLICATE)}


def _is_delivered(its: Iterable[Fact], destination: str) -> bool:
    return any(fact.kind is Kind.DELIVERED and fact.destination == destination for fact in its)
