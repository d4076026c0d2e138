"""The list of transfers, newest first: what became of each at each destination, and what settles it.

It is read as far as it is printed: a page of each customer's facts and region at a time, never a whole day.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, groupby
from operator import attrgetter
from typing import assert_never

import typer

from ops.plan import command
from ops.recovery.regions import Regions
from ops.recovery.window import Window
from runtime.contract import REGION_OF, below_inbound
from runtime.facts import SUBMITTED, Fact, Status, by_destination, standing, status, submitted
from runtime.patterns import matches
from runtime.tracker import Tracker

#: How many first pages are read at once: there are two for each customer.
_AT_ONCE = 16

_TRANSFER = re.compile("[0-9]{8}T[0-9]{6}Z-[0-9a-f]{20}")

_transfer = attrgetter("transfer")


def state_of(text: str) -> Status:
    """Return the status of text such as `under-way`; typer.BadParameter, which names all, if it is none."""
    try:
        return Status(text.replace("-", " "))
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(map(word_of, Status))}") from error


def word_of(state: Status) -> str:
    """Return a status as one word, as `state_of` reads it."""
    return state.replace(" ", "-")


def cursor_of(text: str) -> str:
    """Return a transfer's id, behind which a list goes on; typer.BadParameter if it is none."""
    try:
        submitted(text)
    except ValueError:
        text = ""
    if not _TRANSFER.fullmatch(text):
        raise typer.BadParameter("is not a transfer's id; give that of the last transfer that was printed")
    return text


@dataclass(frozen=True, kw_only=True)
class ListedTransfer:
    """One transfer. `size` is in bytes, None if no fact that is known has it.

    `region` is that of its earliest fact. `destinations` has the status at each, and is empty if the file was
    rejected or the fact that names them has not replicated. `settle` are commands, of which one is to be run.
    """

    transfer: str
    submitted: str
    customer: str
    key: str
    size: int | None
    region: str
    status: Status
    destinations: Mapping[str, Status]
    settle: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which transfers are wanted: in a state, as a whole or at a destination; with a key like a pattern's."""

    state: Status | None = None
    key: str | None = None

    def takes(self, one: ListedTransfer) -> bool:
        """Return whether a transfer is wanted. The pattern is compared with the key below `inbound/`."""
        is_in = self.state is None or self.state in (one.status, *one.destinations.values())
        return is_in and (self.key is None or matches(self.key, below_inbound(one.key)))

    def of(self, found: Iterator[ListedTransfer], seen: Callable[[], None]) -> Iterator[ListedTransfer]:
        """Yield those that are wanted; `seen` is called for each that is looked at."""
        for each in found:
            seen()
            if self.takes(each):
                yield each

    def words(self) -> tuple[str, ...]:
        """Return the options of a command line that asks for the same."""
        state = ("--state", word_of(self.state)) if self.state else ()
        return (*state, *(("--key", self.key) if self.key else ()))


@dataclass(frozen=True, kw_only=True)
class TransferPage:
    """A part of a list. `after` is the transfer behind which the list goes on, None at its end.

    `looked_at` transfers were read for it, also those that are not wanted.
    """

    transfers: tuple[ListedTransfer, ...]
    looked_at: int
    after: str | None


def page(found: Iterator[ListedTransfer], wanted: Wanted, *, limit: int, most: int) -> TransferPage:
    """Return the next `limit` transfers that are wanted, or those among the next `most` transfers."""
    taken: list[ListedTransfer] = []
    last, looked_at = "", 0
    for each in found:
        if len(taken) == limit or looked_at == most:
            return TransferPage(transfers=tuple(taken), looked_at=looked_at, after=last)
        last, looked_at = each.transfer, looked_at + 1
        if wanted.takes(each):
            taken.append(each)
    return TransferPage(transfers=tuple(taken), looked_at=looked_at, after=None)


def newest(
    regions: Regions, customers: Sequence[str], window: Window, *, after: str = ""
) -> Iterator[ListedTransfer]:
    """Yield the transfers of these customers in a window, newest first, as the regions that answer know them.

    With a transfer as `after`, the list begins behind it.
    """
    since, until = f"{window.since:{SUBMITTED}}", f"{window.until:{SUBMITTED}}"
    below = min(after, until) if after else until
    streams = [
        _backwards(store.tracker, name, window, below) for name in customers for store in regions.stores(name)
    ]
    with ThreadPoolExecutor(_AT_ONCE) as readers:
        first = list(readers.map(lambda stream: next(stream, None), streams))
    begun = (chain([fact], rest) for fact, rest in zip(first, streams, strict=True) if fact)
    for transfer, found in groupby(heapq.merge(*begun, key=_transfer, reverse=True), key=_transfer):
        if transfer < since:
            return
        yield _listed(list({fact.sort_key: fact for fact in found}.values()))


def _backwards(tracker: Tracker, customer: str, window: Window, below: str) -> Iterator[Fact]:
    """Yield the outlines of the facts about the transfers below a transfer or a time, newest first."""
    day = min(submitted(below), window.until).date()
    while day >= window.since.date():
        yield from tracker.outline(customer, day.isoformat(), newest_below=below)
        day -= timedelta(days=1)


def _listed(facts: Sequence[Fact]) -> ListedTransfer:
    earliest, whole = min(facts, key=attrgetter("at")), status(facts)
    its = {} if whole is Status.REJECTED else by_destination(standing(facts))
    return ListedTransfer(
        transfer=earliest.transfer,
        submitted=f"{submitted(earliest.transfer):%Y-%m-%dT%H:%M:%SZ}",
        customer=earliest.customer,
        key=earliest.key,
        size=next((fact.detail["size"] for fact in facts if "size" in fact.detail), None),
        region=REGION_OF[earliest.side],
        status=whole,
        destinations=its,
        settle=tuple(_settling(earliest, set(its.values()))),
    )


def _settling(one: Fact, its: set[Status]) -> Iterator[str]:
    """Yield the commands for what waits for a person: the partner's answer decides which of two."""
    for each in sorted(its):
        match each:
            case Status.HELD:
                for answer in ("--delivered", "--resend"):
                    yield command("release", one.transfer, answer, "--customer", one.customer)
            case Status.FAILED:
                plan = f"replay-{one.transfer}.json"
                words = ("replay", "plan", one.customer, "--transfer", one.transfer)
                yield command(*words, "--state", "failed", "--out", plan)
            case Status.UNDER_WAY | Status.DELIVERED | Status.DUPLICATE | Status.REJECTED:
                continue
            case _:
                assert_never(each)
