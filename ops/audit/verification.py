"""Verification of one audit chain: that it is unbroken, and holds what the tracker holds. Reads only.

The chain is read once, from its first link to its last; memory does not grow with its length. Someone who
can write to the bucket can add another version of a link, or a delete marker, but cannot remove the first
version: that is the one that is read, and everything added later is reported.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import Any

from botocore.exceptions import ClientError

from ops.audit.comparison import ChainedFacts
from ops.cell import DeployedCell
from ops.recovery.regions import Regions
from runtime import chain
from runtime.audit import ChainIndex
from runtime.chain import BrokenLinkError, Head, Reading
from runtime.tracker import Tracker

#: How many findings of one chain are listed; further ones are only counted.
LISTED = 100

#: How many links are fetched ahead of the one that is read.
_AHEAD = 10
_IN_PRODUCTION = timedelta(days=913)


@dataclass(kw_only=True)
class ChainResult:
    """The result of verifying one customer's chain in one region; without findings, the chain is sound.

    `links` and `facts` count what was read; `seal` is that of the last link. `unproven` counts the facts of
    the tracker that are in no link and too young to be missed. `more` counts the findings that are not listed
    in `findings`.
    """

    customer: str
    region: str
    links: int = 0
    facts: int = 0
    unproven: int = 0
    seal: str = ""
    findings: list[str] = field(default_factory=list)
    more: int = 0

    def add(self, finding: str) -> None:
        """Add a finding."""
        if len(self.findings) < LISTED:
            self.findings.append(finding)
        else:
            self.more += 1


class Trail:
    """One region's audit chains, and the tracker against which they are verified."""

    def __init__(self, cell: DeployedCell, regions: Regions) -> None:
        self.cell, self.bucket = cell, cell.bucket("audit")
        self.s3, self.dynamodb = (regions.client(service, cell.side) for service in ("s3", "dynamodb"))

    @cached_property
    def kept(self) -> timedelta:
        """How long nobody can remove a link, by the bucket's own lock; without a lock, as in production."""
        try:
            lock = self.s3.get_object_lock_configuration(Bucket=self.bucket)["ObjectLockConfiguration"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "ObjectLockConfigurationNotFoundError":
                raise
            return _IN_PRODUCTION
        return timedelta(days=int(lock["Rule"]["DefaultRetention"]["Days"]))

    def customers(self) -> set[str]:
        """Return the customers that have a chain here, including former ones."""
        listing = self.s3.get_paginator("list_objects_v2")
        pages = listing.paginate(Bucket=self.bucket, Prefix=chain.PREFIX, Delimiter="/")
        return {each["Prefix"].split("/")[1] for page in pages for each in page.get("CommonPrefixes", ())}

    def verify(
        self,
        customer: str,
        *,
        tracker_days: int,
        grace: timedelta,
        readers: Executor,
        read: Callable[[], None],
    ) -> ChainResult:
        """Return the result of verifying a customer's chain.

        Facts are kept for `tracker_days` (0: not known any more), and a fact younger than `grace` may still
        be missing from the chain. `readers` fetch the links; `read` is called after each.
        """
        start, cell = datetime.now(UTC), self.cell
        tracker = Tracker(table=cell.table, side=cell.side, client=self.dynamodb, now=start.timestamp)
        with closing(sqlite3.connect("")) as disk:  # a private file, gone with the connection
            facts = ChainedFacts(
                tracker, customer, tracker_days=tracker_days, grace=grace, start=start, disk=disk
            )
            return _Verification(self, customer, facts, readers, read).run()


@dataclass(frozen=True, kw_only=True)
class _Place:
    """The objects under one key of the chain: versions, newest first, and delete markers that hide them."""

    key: str
    versions: list[dict[str, Any]]
    markers: list[dict[str, Any]]


class _Verification:
    def __init__(
        self, trail: Trail, customer: str, facts: ChainedFacts, readers: Executor, read: Callable[[], None]
    ) -> None:
        self._trail, self._customer, self._facts = trail, customer, facts
        self._readers, self._read = readers, read
        self._result = ChainResult(customer=customer, region=trail.cell.region)

    def run(self) -> ChainResult:
        cell = self._trail.cell
        ledger = ChainIndex(table=cell.table, side=cell.side, client=self._trail.dynamodb)
        noted = ledger.head(self._customer)  # before the links: each that it names must then be found
        last = self._walk(noted)
        after = ledger.head(self._customer)
        if last < noted.number and not (last == 0 and _is_over(noted.at, self._trail.kept)):
            self._say(
                f"{_links(last + 1, noted.number)} missing at the end: according to the tracker the last one"
                f" is link {noted.number}, sealed {noted.seal}"
            )
        elif last > after.number + 1:  # a pass notes each link before it writes the next
            self._say(f"the chain goes on to link {last}, but the tracker knows of none after {after.number}")
        for finding in self._facts.compared():
            self._say(finding)
        self._result.unproven = self._facts.unproven
        return self._result

    def _say(self, finding: str) -> None:
        self._result.add(finding)

    def _walk(self, noted: Head) -> int:
        """Read the chain from link to link; return the last one's number."""
        last = 0
        tip: Head | None = Head()
        for place, text in self._texts():
            number = chain.number_in(place.key)
            if number is None:
                self._say(f"{place.key} is not a link of a chain")
            elif text is not None:
                self._look_at(place, number)
                reading = self._reading(number, text)
                tip = self._follow(last, tip, number, reading)
                last = number
                if reading and number == noted.number and reading.seal != noted.seal:
                    seals = f"its seal is {reading.seal}, and {noted.seal} in the tracker"
                    self._say(f"link {number} was replaced: {seals}")
        return last

    def _texts(self) -> Iterator[tuple[_Place, bytes | None]]:
        """Yield the objects under each key, and the text that was first written there, if it still exists."""
        waiting: deque[tuple[_Place, Future[bytes] | None]] = deque()
        for place in self._places():
            waiting.append((place, self._readers.submit(self._fetch, place) if place.versions else None))
            if len(waiting) > _AHEAD:
                yield _arrived(*waiting.popleft())
        while waiting:
            yield _arrived(*waiting.popleft())

    def _places(self) -> Iterator[_Place]:
        listing = self._trail.s3.get_paginator("list_object_versions")
        pages = listing.paginate(Bucket=self._trail.bucket, Prefix=f"{chain.PREFIX}{self._customer}/")
        entries = (
            entry
            for page in pages
            for entry in sorted(
                [*page.get("Versions", ()), *page.get("DeleteMarkers", ())], key=itemgetter("Key")
            )
        )
        for key, group in groupby(entries, key=itemgetter("Key")):
            found = list(group)
            yield _Place(
                key=key,
                versions=[entry for entry in found if "Size" in entry],
                markers=[entry for entry in found if "Size" not in entry],
            )

    def _fetch(self, place: _Place) -> bytes:
        where = {"Bucket": self._trail.bucket, "Key": place.key}
        answer = self._trail.s3.get_object(**where, VersionId=place.versions[-1]["VersionId"])
        return bytes(answer["Body"].read())

    def _look_at(self, place: _Place, number: int) -> None:
        """Report changes to an object, but not the lifecycle rule's delete marker, once retention is over."""
        written = place.versions[-1]["LastModified"]
        for marker in place.markers:
            if marker["LastModified"] - written < self._trail.kept:
                self._say(f"link {number} was deleted on {marker['LastModified']:%Y-%m-%d at %H:%M:%S}")
        if len(place.versions) > 1:
            self._say(f"link {number} was written {len(place.versions)} times; the first version counts")

    def _reading(self, number: int, text: bytes) -> Reading | None:
        self._result.links += 1
        self._read()
        try:
            reading = chain.read(text)
        except BrokenLinkError as error:
            self._say(f"link {number} was altered: {error}")
            return None
        for problem in reading.problems:
            self._say(f"link {number} was altered: {problem}")
        self._result.facts += len(reading.link.facts)
        self._result.seal = reading.seal
        for finding in self._facts.keep(number, reading.link):
            self._say(finding)
        return reading

    def _follow(self, last: int, tip: Head | None, number: int, reading: Reading | None) -> Head | None:
        """Report breaks between a link and the one before; return the new head, None if it is not known."""
        if number > last + 1:
            tip = None
            # The oldest links expire; the first one left says when the one before it was made.
            if last or reading is None or not _is_over(reading.link.previous_at, self._trail.kept):
                self._say(f"{_links(last + 1, number - 1)} missing")
        if reading is None:
            return None
        link = reading.link
        before = tip or Head(number=number - 1, seal=link.previous, at=link.previous_at)
        region = self._result.region
        for problem in chain.breaks(before, link, customer=self._customer, region=region, number=number):
            self._say(f"link {number} is not the original: {problem}")
        return Head(number=number, seal=reading.seal, at=link.at)


def _arrived(place: _Place, coming: Future[bytes] | None) -> tuple[_Place, bytes | None]:
    return place, coming.result() if coming else None


def _is_over(at: str, kept: timedelta) -> bool:
    """Return whether a link made at this time may have expired."""
    try:
        return datetime.now(UTC) - datetime.fromisoformat(at) > kept
    except (ValueError, TypeError):
        return False


def _links(first: int, last: int) -> str:
    return f"link {first} is" if first == last else f"links {first} to {last} are"
