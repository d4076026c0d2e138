"""The inventory: everything the regions hold of a customer's transfers, one transfer after another.

All sources are streamed and merged in the order of transfer ids, which is that of time. The tracker's index
and the archive's keys have this order; the customer's buckets are ordered by key, so their listings are first
sorted on disk. Memory does not grow with the number of files.
"""

from __future__ import annotations

import heapq
import re
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, TypeVar

from ops.recovery.reconcile import Gap, GapKind, Seen, Stored
from runtime import contract, objects
from runtime.arrival import is_folder
from runtime.facts import Fact
from runtime.intake import RENAME_WAIT
from runtime.routing import RoutingDocument
from runtime.tracker import Tracker

_T = TypeVar("_T")
#: One item that a region holds of a transfer: the transfer's id, the side, and the item.
_Part = tuple[str, str, Any]

_TRANSFER = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{20}")
#: How many entries are read ahead from each source: the most that a page of S3 has.
_BATCH = 1000


@dataclass(frozen=True, kw_only=True)
class Store:
    """Where one region keeps a customer's files and the facts about them."""

    side: str
    inbound: str
    archive: str
    tracker: Tracker
    s3: Any


def is_pending(gap: Gap, seen: Seen, *, customer: str, stores: Sequence[Store]) -> bool:
    """Return whether S3 is still to replicate what a gap lacks, according to the copy in the other region."""
    for store in stores:
        if store.side == gap.side:
            continue
        if gap.finding is GapKind.ARCHIVE_MISSING:
            head = objects.head(
                store.s3, store.archive, contract.archive_key(customer, seen.transfer, seen.key)
            )
        elif stored := seen.inbound.get(store.side):
            head = objects.head(store.s3, store.inbound, seen.key, stored.version_id)
        else:
            continue
        if head is not None and head.get("ReplicationStatus") == "PENDING":
            return True
    return False


class Inventory:
    """One customer's transfers, as these regions hold them."""

    def __init__(
        self,
        *,
        customer: RoutingDocument,
        stores: Sequence[Store],
        now: datetime,
        listed: Callable[[int], None] = lambda count: None,
    ) -> None:
        """`listed` is called with the number of further objects that were listed."""
        self._customer, self._stores, self._listed = customer, stores, listed
        self._unrenamed = now - RENAME_WAIT

    def transfers(self, since: datetime, until: datetime) -> Iterator[Seen]:
        """Yield every transfer submitted from `since` until before `until`, in the order of their ids.

        Of uploads under a temporary name, only those are included that have waited for their rename for
        longer than RENAME_WAIT, and those that have facts.
        """
        window = (_stamp(since), _stamp(until))
        # A private temporary file, deleted when the connection is closed.
        with closing(sqlite3.connect("", check_same_thread=False)) as disk:
            self._sort_inbound(disk, window)
            sources: list[Iterable[_Part]] = [_sorted_inbound(disk)]
            for store in self._stores:
                facts = _facts(self._customer.id, store.tracker, window)
                sources += [_ahead(facts), _ahead(self._archived(store, window))]
            parts = heapq.merge(*sources, key=itemgetter(0))
            for transfer, found in groupby(parts, key=itemgetter(0)):
                seen = self._seen(transfer, found)
                if seen.facts or not self._customer.is_temporary(seen.key) or self._waits(seen):
                    yield seen

    def _waits(self, seen: Seen) -> bool:
        """Return whether an upload under a temporary name still waits for its rename.

        A rename removes the old name only in the region where it happens, for deletions are not replicated.
        """
        return all(stored.is_latest for stored in seen.inbound.values()) and any(
            _is_original(store, seen.key, seen.inbound[store.side].version_id)
            for store in self._stores
            if store.side in seen.inbound
        )

    def _sort_inbound(self, disk: sqlite3.Connection, window: tuple[str, str]) -> None:
        disk.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA cache_size = -8192; PRAGMA temp_store = FILE;"
            "CREATE TABLE inbound (transfer, side, key, version, size, latest)"
        )
        writing = threading.Lock()

        def read(store: Store) -> None:
            for batch in _batches(self._inbound(store, window)):
                with writing:
                    disk.executemany("INSERT INTO inbound VALUES (?, ?, ?, ?, ?, ?)", batch)

        with ThreadPoolExecutor(len(self._stores)) as readers:
            list(readers.map(read, self._stores))

    def _inbound(
        self, store: Store, window: tuple[str, str]
    ) -> Iterator[tuple[str, str, str, str, int, bool]]:
        first, end = window
        pages = store.s3.get_paginator("list_object_versions").paginate(
            Bucket=store.inbound, Prefix=contract.INBOUND
        )
        for page in pages:
            entries = page.get("Versions", ())
            self._listed(len(entries))
            for entry in entries:
                key, version, modified = entry["Key"], entry["VersionId"], entry["LastModified"]
                if not first <= _stamp(modified) < end or is_folder(key, entry["Size"]):
                    continue
                if self._customer.is_temporary(key) and modified > self._unrenamed:
                    continue
                file = contract.file_id(self._customer.id, key)
                transfer = contract.transfer_id(file, version, entry["LastModified"])
                yield transfer, store.side, key, version, entry["Size"], entry["IsLatest"]

    def _archived(self, store: Store, window: tuple[str, str]) -> Iterator[_Part]:
        first, end = window
        prefix = f"{self._customer.id}/"
        pages = store.s3.get_paginator("list_objects_v2").paginate(
            Bucket=store.archive, Prefix=prefix, StartAfter=prefix + first
        )
        for page in pages:
            entries = page.get("Contents", ())
            self._listed(len(entries))
            for entry in entries:
                transfer, _, below = entry["Key"].removeprefix(prefix).partition("/")
                if transfer >= end:
                    return
                if _TRANSFER.fullmatch(transfer):
                    yield transfer, store.side, (contract.INBOUND + below, entry["Size"])

    def _seen(self, transfer: str, parts: Iterable[_Part]) -> Seen:
        facts: dict[str, dict[str, Fact]] = {store.side: {} for store in self._stores}
        inbound, archived, key = {}, {}, ""
        for _, side, part in parts:
            match part:
                case Fact():
                    facts[side][part.sort_key], key = part, part.key
                case Stored(), at:
                    inbound[side], key = part[0], at
                case at, size:
                    archived[side], key = size, key or at
        union = {name: fact for its in facts.values() for name, fact in its.items()}
        unrecorded = {
            side: tuple(fact for name, fact in union.items() if name not in its)
            for side, its in facts.items()
            if len(its) < len(union)
        }
        return Seen(
            transfer=transfer,
            key=key,
            facts=tuple(union.values()),
            unrecorded=unrecorded,
            inbound=inbound,
            archived=archived,
        )


def recorded(
    customer: str, trackers: Iterable[Tracker], since: datetime, until: datetime
) -> Iterator[tuple[Fact, ...]]:
    """Yield the facts of each transfer that a customer submitted in a window: the union of the trackers'."""
    window = (_stamp(since), _stamp(until))
    parts = heapq.merge(
        *(_ahead(_facts(customer, tracker, window)) for tracker in trackers), key=itemgetter(0)
    )
    for _, found in groupby(parts, key=itemgetter(0)):
        yield tuple({fact.sort_key: fact for _, _, fact in found}.values())


def _facts(customer: str, tracker: Tracker, window: tuple[str, str]) -> Iterator[_Part]:
    first, end = window
    day, last = _day(first), _day(end)
    while day <= last:
        for fact in tracker.outline(customer, day.isoformat()):
            if first <= fact.transfer < end:
                yield fact.transfer, tracker.side, fact
        day += timedelta(days=1)


def _sorted_inbound(disk: sqlite3.Connection) -> Iterator[_Part]:
    rows = disk.execute("SELECT transfer, side, key, version, size, latest FROM inbound ORDER BY transfer")
    for transfer, side, key, version, size, latest in rows:
        yield transfer, side, (Stored(version_id=version, size=size, is_latest=bool(latest)), key)


def _is_original(store: Store, key: str, version_id: str) -> bool:
    head = objects.head(store.s3, store.inbound, key, version_id)
    return head is not None and head.get("ReplicationStatus") != "REPLICA"


def _stamp(when: datetime) -> str:
    """Return a time as it is written at the beginning of a transfer id."""
    return when.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _day(stamp: str) -> Any:
    return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).date()


def _batches(items: Iterator[_T]) -> Iterator[list[_T]]:
    while batch := list(islice(items, _BATCH)):
        yield batch


def _ahead(items: Iterator[_T]) -> Iterator[_T]:
    """Yield `items`, read one batch ahead by a thread of their own."""
    batches = _batches(items)
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, batches, None)
        while batch := coming.result():
            coming = reader.submit(next, batches, None)
            yield from batch
