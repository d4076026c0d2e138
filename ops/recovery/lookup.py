"""Looking up a file and its customer by a transfer's id, by the id of a file in a log, or by a key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TypeVar

from ops.plan import RefusedError
from ops.recovery.inventory import Store
from ops.recovery.regions import Regions
from runtime import contract
from runtime.facts import Fact

_T = TypeVar("_T")
_FILE = re.compile(r"[0-9a-f]{64}")
_TRANSFER = re.compile(r"([0-9]{8})T[0-9]{6}Z-\S*")

#: Facts among which the nearest transfer is looked for, and what sorts behind everything of a transfer.
_NEAR, _BEHIND = 250, "~"

#: How many look-ups are made at once: without a customer, all customers are searched.
_AT_ONCE = 16


@dataclass(frozen=True, kw_only=True)
class FoundFile:
    """A customer's file, and the transfer of it, if a transfer was looked up."""

    customer: str
    key: str
    transfer: str | None = None


class Lookup:
    """Finds files of these customers in the regions that answer."""

    def __init__(self, regions: Regions, customers: Sequence[str]) -> None:
        self._stores = [(name, store) for name in customers for store in regions.stores(name)]
        self._whose = f"of {customers[0]} " if len(customers) == 1 else ""

    def find(self, wanted: str) -> FoundFile:
        """Return the file with this id, transfer id or key; else RefusedError, with the nearest match."""
        if _FILE.fullmatch(wanted):
            return self._of_file(wanted)
        day = _day(wanted)
        return self._of_transfer(wanted, day) if day else self._of_key(wanted)

    def _of_file(self, wanted: str) -> FoundFile:
        for facts in self._each(lambda _, store: store.tracker.newest(wanted, 1).facts):
            for fact in facts:
                return FoundFile(customer=fact.customer, key=fact.key)
        raise RefusedError(
            f"no fact {self._whose}is about the file {wanted}; if it was never taken in, `mft-ops gaps` lists"
            " it as unknown to the tracker"
        )

    def _of_transfer(self, wanted: str, day: str) -> FoundFile:
        def itself(customer: str, store: Store) -> FoundFile | None:
            return next(_files(store.tracker.outline(customer, day, newest_below=f"{wanted}{_BEHIND}")), None)

        def nearest(customer: str, store: Store) -> list[FoundFile]:
            until_then = store.tracker.outline(customer, day, newest_below=f"{wanted[:16]}{_BEHIND}")
            return list(_files(until_then)) or list(_files(store.tracker.outline(customer, day)))

        for found in self._each(itself):
            if found is not None and found.transfer == wanted:
                return found
        near = {str(each.transfer): each for some in self._each(nearest) for each in some}
        meant = difflib.get_close_matches(wanted, near, n=1, cutoff=0.5)
        hint = (
            f"did you mean {meant[0]}, of {near[meant[0]].key}?" if meant else f"none was submitted on {day}"
        )
        raise RefusedError(f"no transfer {self._whose}has the id {wanted!r}; {hint}")

    def _of_key(self, wanted: str) -> FoundFile:
        def keys(customer: str, store: Store) -> tuple[str, list[str]]:
            file = contract.file_id(customer, wanted)
            if store.tracker.newest(file, 1).facts:
                return customer, [wanted]
            whole = wanted if wanted.startswith(contract.INBOUND) else contract.INBOUND + wanted
            for prefix in (whole, whole[: whole.rfind("/") + 1]):
                listed = store.s3.list_object_versions(Bucket=store.inbound, Prefix=prefix)
                if found := [entry["Key"] for entry in listed.get("Versions", ())]:
                    return customer, found
            return customer, []

        found = list(self._each(keys))
        owners = sorted({customer for customer, listed in found if wanted in listed})
        if len(owners) == 1:
            return FoundFile(customer=owners[0], key=wanted)
        if owners:
            raise RefusedError(f"{wanted!r} is a file of each of {', '.join(owners)}: add --customer")
        near = difflib.get_close_matches(wanted, {key for _, listed in found for key in listed}, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"keys begin with {contract.INBOUND!r}"
        raise RefusedError(f"no file {self._whose}has the key {wanted!r}; {hint}")

    def _each(self, look: Callable[[str, Store], _T]) -> Iterable[_T]:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(lambda each: look(*each), self._stores))


def _files(facts: Iterator[Fact]) -> Iterator[FoundFile]:
    """Yield the files of the first facts, of which there may be a million."""
    for fact in islice(facts, _NEAR):
        yield FoundFile(customer=fact.customer, key=fact.key, transfer=fact.transfer)


def _day(wanted: str) -> str | None:
    """Return the day of submission if the text looks like a transfer's id, otherwise None."""
    found = _TRANSFER.fullmatch(wanted)
    try:
        return f"{datetime.strptime(found[1], '%Y%m%d').replace(tzinfo=UTC):%Y-%m-%d}" if found else None
    except ValueError:
        return None
