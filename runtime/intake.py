"""Intake: turns an arrival into a transfer that the workflow carries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from runtime import contract, objects
from runtime.arrival import Arrival, IntakeResult
from runtime.contract import Kind, Outcome
from runtime.executions import Executions, first
from runtime.facts import Fact, submitted
from runtime.receipts import Receipts
from runtime.routing import Directory, RoutingDocument
from runtime.tracker import Tracker
from runtime.transfer import Transfer

#: The writer of ingest's facts. It is constant, so a repeated event adds no second fact of a kind.
WRITER = "ingest"

#: An event that comes later than this after its object was delayed by a fault, such as the loss of a region.
#: The peer may have taken the object over meanwhile, so the destination is asked before anything is sent.
LATE = timedelta(minutes=15)


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version of an object, as S3 holds it."""

    id: str
    size: int
    etag: str
    modified: datetime
    is_replica: bool


#: A version written within this time before the end of a rename may be the one that the rename made.
_RENAMING = timedelta(minutes=1)


class Intake:
    """Turns arrivals into RECEIVED facts and running workflows, or into REJECTED facts and receipts.

    Every step may be repeated: the transfer's id, its RECEIVED fact and the name of its execution follow from
    the object version alone.
    """

    def __init__(
        self,
        *,
        namespace: str,
        state_machine: str,
        tracker: Tracker,
        directory: Directory,
        client: Callable[[str], Any],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Everything given belongs to the tracker's region.

        `state_machine` is the ARN of the workflow; `client` returns the region's client of an AWS service.
        """
        self._namespace, self._side, self._now = namespace, tracker.side, now
        self._tracker, self._directory, self._s3 = tracker, directory, client("s3")
        self._receipts = Receipts(tracker=tracker, topics=client("sns"), side=tracker.side)
        self._executions = Executions(state_machine=state_machine, workflow=client("stepfunctions"))

    def accept(self, arrived: Arrival, *, is_late: bool | None = None) -> IntakeResult:
        """Take an arrival in and return the result.

        `is_late` says whether the peer may have taken the object over meanwhile; by default it follows from
        the object's age. Raises what AWS and the directory raise; the queue then delivers the event again.
        """
        name = contract.customer_of(arrived.bucket, self._namespace, self._side)
        if arrived.key.endswith("/"):
            return IntakeResult.FOLDER
        customer = self._directory.customer(name)
        if customer.is_temporary(arrived.key):
            return IntakeResult.TEMPORARY
        taken: Version | None = None
        result = IntakeResult.GONE
        # Uploads of the same bytes have one event each; two concurrent ones may have picked one version.
        while (version := self._version(arrived, customer)) and (taken is None or version.id != taken.id):
            if version.is_replica:
                return result if taken else IntakeResult.REPLICA
            late = self._now() - version.modified > LATE if is_late is None else is_late
            result, is_new = self._take_in(customer, arrived, version, is_late=late)
            if is_new or arrived.version_id is not None:
                break
            taken = version
        return result

    def adopt(self, arrived: Arrival) -> IntakeResult:
        """Take in an object of a lost region that has no facts, and return the result.

        The lost region may have delivered it nevertheless, because facts and objects replicate separately.
        """
        customer = self._directory.customer(contract.customer_of(arrived.bucket, self._namespace, self._side))
        version = self._version(arrived, customer)
        if version is None:
            return IntakeResult.GONE
        if not version.is_replica:
            return IntakeResult.OURS
        file = contract.file_id(customer.id, arrived.key)
        name = contract.transfer_id(file, version.id, version.modified)
        if self._tracker.history(file).of(name):
            return IntakeResult.KNOWN
        return self._take_in(customer, arrived, version, is_late=True)[0]

    def _take_in(
        self, customer: RoutingDocument, arrived: Arrival, version: Version, *, is_late: bool
    ) -> tuple[IntakeResult, bool]:
        """Take in a version; return the result, and whether this call was the first to take it in."""
        route = customer.route(arrived.key)
        transfer = self._transfer(customer, arrived, version, route.to if route else (), is_late)
        refusal = arrived.failure
        if refusal is None and route is None:
            refusal = f"no route matches {contract.below_inbound(arrived.key)}"
        if refusal is None and self._tracker.record(self._received(transfer)):
            self._start(transfer)
            return IntakeResult.RECEIVED, True
        # A repeated event: the destinations were decided on receipt, whatever the registry says now.
        before = self._as_received(transfer)
        if refusal is not None and before is None:
            return self._reject(transfer, customer, refusal), True
        self._start(before or transfer)
        return IntakeResult.RECEIVED, False

    def _version(self, arrived: Arrival, customer: RoutingDocument) -> Version | None:
        """Return the version that the event is about, or None if it no longer exists.

        A Transfer Family event names no version. Its version is the newest one with the event's etag and size
        that existed when the event's command ended, because a client may have overwritten it since, and that
        was written in this region. The event of an upload that failed before it left an object has no etag;
        an object under its name comes from another upload.
        """
        if arrived.version_id is not None:
            return self._head(arrived, arrived.version_id)
        if arrived.failure is not None and arrived.etag is None:
            return None
        replica = None
        for version_id in self._alike(arrived, self._now() - timedelta(days=customer.inbound_days)):
            version = self._head(arrived, version_id)
            if version and not version.is_replica:
                return version
            replica = replica or version
        return replica

    def _alike(self, arrived: Arrival, since: datetime) -> list[str]:
        """Return the versions with the event's etag and size, newest first, those after the event last.

        Versions that were already taken in come after the others, because uploads of the same bytes have one
        event each. Versions from before `since` are left out: their facts may have expired, so it is unknown
        whether they were taken in, and S3 is about to remove them.

        The event of a rename has no etag. The result is then empty if the first version may have been written
        after the rename and another one just before it, because the first may be half a file. S3's own event
        of the rename names the version.
        """
        listing = self._s3.get_paginator("list_object_versions").paginate(
            Bucket=arrived.bucket, Prefix=arrived.key
        )
        alike = []
        for page in listing:
            for entry in page.get("Versions", ()):
                same_etag = arrived.etag in (None, entry["ETag"].strip('"'))
                same_size = arrived.failure is not None or arrived.size in (None, entry["Size"])
                is_kept = entry["LastModified"] >= since
                if entry["Key"] == arrived.key and same_etag and same_size and is_kept:
                    is_after = arrived.ended is not None and entry["LastModified"] > arrived.ended
                    alike.append((is_after, entry["VersionId"], entry["LastModified"]))
        alike.sort(key=lambda each: each[0])
        if arrived.etag is None and _is_unclear(arrived.ended, [modified for *_, modified in alike]):
            return []
        taken = self._taken_in(arrived) if arrived.etag is not None and len(alike) > 1 else set()
        alike.sort(key=lambda each: (each[0], each[1] in taken))
        return [version_id for _, version_id, _ in alike]

    def _taken_in(self, arrived: Arrival) -> set[str]:
        """Return the ids of a file's versions that were received or rejected."""
        customer = contract.customer_of(arrived.bucket, self._namespace, self._side)
        facts = self._tracker.history(contract.file_id(customer, arrived.key)).facts
        return {fact.detail["version_id"] for fact in facts if fact.kind in (Kind.RECEIVED, Kind.REJECTED)}

    def _head(self, arrived: Arrival, version_id: str) -> Version | None:
        head = objects.head(self._s3, arrived.bucket, arrived.key, version_id)
        if head is None:
            return None
        return Version(
            id=version_id,
            size=head["ContentLength"],
            etag=head["ETag"].strip('"'),
            modified=head["LastModified"],
            is_replica=head.get("ReplicationStatus") == "REPLICA",
        )

    def _transfer(
        self,
        customer: RoutingDocument,
        arrived: Arrival,
        version: Version,
        destinations: tuple[str, ...],
        is_late: bool,
    ) -> Transfer:
        file = contract.file_id(customer.id, arrived.key)
        name = contract.transfer_id(file, version.id, version.modified)
        expires = submitted(name) + timedelta(days=customer.tracker_days)
        return Transfer(
            id=name,
            file=file,
            customer=customer.id,
            bucket=arrived.bucket,
            key=arrived.key,
            version_id=version.id,
            size=version.size,
            etag=version.etag,
            destinations=destinations,
            expires=int(expires.timestamp()),
            taken_over=is_late,
        )

    def _received(self, transfer: Transfer) -> Fact:
        return transfer.fact(
            Kind.RECEIVED,
            side=self._side,
            writer=WRITER,
            bucket=transfer.bucket,
            version_id=transfer.version_id,
            size=transfer.size,
            etag=transfer.etag,
            destinations=list(transfer.destinations),
        )

    def _as_received(self, transfer: Transfer) -> Transfer | None:
        """Return the transfer with the destinations of its RECEIVED fact, or None without such a fact."""
        for fact in self._tracker.history(transfer.file).of(transfer.id):
            if fact.kind is Kind.RECEIVED:
                return replace(transfer, destinations=tuple(fact.detail["destinations"]))
        return None

    def _reject(self, transfer: Transfer, customer: RoutingDocument, reason: str) -> IntakeResult:
        rejected = transfer.fact(
            Kind.REJECTED, side=self._side, writer=WRITER, version_id=transfer.version_id, reason=reason
        )
        self._tracker.record(rejected)
        self._receipts.send(customer, transfer, Outcome.REJECTED, writer=WRITER, reason=reason)
        return IntakeResult.REJECTED

    def _start(self, transfer: Transfer) -> None:
        self._executions.start(transfer, first(transfer.id))


def _is_unclear(ended: datetime | None, modified: Sequence[datetime]) -> bool:
    """Return whether the first version may be newer than the end of a command that wrote another one.

    `modified` are the times of the versions, which S3 reports to the second.
    """
    if ended is None or not modified or modified[0] < ended.replace(microsecond=0):
        return False
    return any(timedelta(0) <= modified[0] - other <= _RENAMING for other in modified[1:])
