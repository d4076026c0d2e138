"""Gaps: where the records, the copies and the deliveries of a transfer disagree. Pure: no clock, no I/O.

Whatever is missing 15 minutes after it was due is a gap; before that it counts as replicating. S3 replicates
within that time, with Replication Time Control
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-time-control.html), DynamoDB within
seconds. Objects that lifecycle rules have removed, and facts that have expired, are no gaps.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from ops.acceptance_names import is_of_acceptance
from runtime.contract import REGION_OF, Kind
from runtime.facts import Fact, Status, describe, lacks, status, submitted, unknown_kinds
from runtime.routing import RoutingDocument
from runtime.timing import REPLICATION_MINUTES

#: For this long a missing copy or fact counts as replicating.
GRACE = timedelta(minutes=REPLICATION_MINUTES)


class GapKind(StrEnum):
    """What is wrong with a transfer, or that it is merely too young to judge."""

    REPLICATING = "replicating"
    ARCHIVE_MISSING = "archive missing"
    INBOUND_MISSING = "inbound missing"
    RECORD_MISSING = "record missing"
    UNDELIVERED = "undelivered"
    UNKNOWN = "unknown to the tracker"
    UNRENAMED = "waits for its rename"

    @property
    def closes_by_itself(self) -> bool:
        """Whether such a gap needs nothing but time, or nothing but what its customer has been told to do."""
        match self:
            case GapKind.REPLICATING | GapKind.UNRENAMED:
                return True
            case GapKind.ARCHIVE_MISSING | GapKind.INBOUND_MISSING | GapKind.RECORD_MISSING:
                return False
            case GapKind.UNDELIVERED | GapKind.UNKNOWN:
                return False
            case _:
                assert_never(self)


@dataclass(frozen=True, kw_only=True)
class Stored:
    """One submitted version of a file in a customer's bucket; `size` is in bytes.

    It is not the latest if it was overwritten, or if the file was removed, as a rename does.
    """

    version_id: str
    size: int
    is_latest: bool = True


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Everything that the regions that were asked hold of one transfer, by side.

    `facts` is the union of the regions' facts, and `unrecorded` has those that a side lacks. `archived` is
    the size in bytes of the copy in the archive.
    """

    transfer: str
    key: str
    facts: tuple[Fact, ...] = ()
    unrecorded: Mapping[str, tuple[Fact, ...]] = field(default_factory=dict)
    inbound: Mapping[str, Stored] = field(default_factory=dict)
    archived: Mapping[str, int] = field(default_factory=dict)

    @property
    def received(self) -> Fact | None:
        """The fact that says what was submitted and where it should go, or None."""
        return next((fact for fact in self.facts if fact.kind is Kind.RECEIVED), None)

    @property
    def size(self) -> int | None:
        """The size of the submitted file in bytes, or None if it is not known."""
        if self.received is not None:
            return int(self.received.detail["size"])
        return next((stored.size for stored in self.inbound.values()), None)

    def archives(self) -> set[str]:
        """Return the sides whose archive has the complete file."""
        size = self.size
        return {side for side, its in self.archived.items() if size in (None, its)}


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Something that is not as it should be: what, where, and since when.

    `side` is that of the region that lacks something, empty if the gap is not about a single region.
    """

    finding: GapKind
    transfer: str
    key: str
    where: str
    since: datetime
    side: str = ""


def gaps(seen: Seen, *, customer: RoutingDocument, sides: Collection[str], now: datetime) -> list[Gap]:
    """Return the gaps of one transfer; none if it is complete. Only `sides` were asked."""
    if is_of_acceptance(seen.key) and not (seen.inbound or seen.archived):
        return []  # it has removed its files itself
    if any(fact.carried_from for fact in seen.facts):
        return []  # the cell that its customer has moved out of has its files, and has settled it
    return list(_Judgement(seen, customer, sides, now).gaps())


class _Judgement:
    def __init__(self, seen: Seen, customer: RoutingDocument, sides: Collection[str], now: datetime) -> None:
        self._seen, self._customer, self._sides, self._now = seen, customer, sorted(sides), now

    def gaps(self) -> Iterator[Gap]:
        seen, became = self._seen, status(self._seen.facts)
        is_latest = all(stored.is_latest for stored in seen.inbound.values())
        if seen.inbound and is_latest and self._customer.is_temporary(seen.key):
            yield self._unrenamed()
        if not seen.facts:
            if not self._customer.is_temporary(seen.key):
                yield from self._unknown()
            return
        yield from self._records()
        is_archived = self._latest(Kind.ARCHIVED) is not None
        match became:
            case Status.REJECTED:
                return
            case Status.DELIVERED | Status.DUPLICATE:
                is_archived = True
            case Status.FAILED | Status.HELD:
                is_archived = True
                # Nothing will come of it by itself, however young it is.
                yield self._undelivered(may_be_young=False)
            case Status.UNDER_WAY:
                yield self._undelivered(may_be_young=True)
            case _:
                assert_never(became)
        yield from self._copies_of_what_came()
        if is_archived:
            yield from self._copies_in_the_archive()

    def _unknown(self) -> Iterator[Gap]:
        """Yield the gap of a file without facts; none if they may have expired before its archived copies."""
        seen, since = self._seen, submitted(self._seen.transfer)
        if not seen.inbound and since + timedelta(days=self._customer.tracker_days) <= self._now:
            return
        places = [f"inbound in {REGION_OF[side]}" for side in sorted(seen.inbound)]
        places += [f"archive in {REGION_OF[side]}" for side in sorted(seen.archived)]
        yield self._gap(GapKind.UNKNOWN, ", ".join(places), since)

    def _unrenamed(self) -> Gap:
        was_told = any(fact.kind is Kind.RECEIPT for fact in self._seen.facts)
        told = "its customer has a receipt" if was_told else "its customer has no receipt yet"
        places = ", ".join(f"inbound in {REGION_OF[side]}" for side in sorted(self._seen.inbound))
        return self._gap(GapKind.UNRENAMED, f"{places}; {told}", submitted(self._seen.transfer))

    def _records(self) -> Iterator[Gap]:
        for side in self._sides:
            if missing := self._seen.unrecorded.get(side):
                kinds = ", ".join(sorted({fact.kind for fact in missing}))
                where = f"{kinds} in {REGION_OF[side]}"
                yield self._gap(GapKind.RECORD_MISSING, where, min(map(_at, missing)), side)

    def _undelivered(self, *, may_be_young: bool) -> Gap:
        received = self._seen.received
        # Without RECEIVED no destination is known, and the transfer is under way.
        lacking = lacks(self._seen.facts) or {Status.UNDER_WAY: ("no fact names its destinations",)}
        since = _at(received) if received else submitted(self._seen.transfer)
        where = describe(lacking)
        if kinds := unknown_kinds(self._seen.facts):
            where = f"{where}; recorded by a newer version: {', '.join(kinds)}"
        return self._gap(GapKind.UNDELIVERED, where, since, may_be_young=may_be_young)

    def _copies_of_what_came(self) -> Iterator[Gap]:
        received = self._seen.received
        if received is None:
            return
        since = _at(received)
        if submitted(received.transfer) + timedelta(days=self._customer.inbound_days) <= self._now:
            return
        for side in self._sides:
            if side not in self._seen.inbound:
                yield self._gap(GapKind.INBOUND_MISSING, f"inbound in {REGION_OF[side]}", since, side)

    def _copies_in_the_archive(self) -> Iterator[Gap]:
        since = self._latest(Kind.ARCHIVED) or max(map(_at, self._seen.facts))
        if since + timedelta(days=self._customer.archive_days) <= self._now:
            return
        there = self._seen.archives()
        for side in self._sides:
            if side not in there:
                yield self._gap(GapKind.ARCHIVE_MISSING, f"archive in {REGION_OF[side]}", since, side)

    def _latest(self, kind: Kind) -> datetime | None:
        return max((_at(fact) for fact in self._seen.facts if fact.kind is kind), default=None)

    def _gap(
        self, finding: GapKind, where: str, since: datetime, side: str = "", *, may_be_young: bool = True
    ) -> Gap:
        if may_be_young and self._now - since < GRACE:
            where = f"{finding}: {where}"
            finding = GapKind.REPLICATING
        return Gap(
            finding=finding,
            transfer=self._seen.transfer,
            key=self._seen.key,
            where=where,
            since=since,
            side=side,
        )


def _at(fact: Fact) -> datetime:
    return datetime.fromisoformat(fact.at)
