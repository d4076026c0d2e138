"""Intake: turns an arrival into a transfer that the workflow carries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from runtime import contract
from runtime.arrival import Arrival, IntakeResult, is_folder
from runtime.contract import Kind, Outcome
from runtime.executions import Executions, first
from runtime.facts import Fact, submitted
from runtime.hourly_quota import HourlyQuota, QuotaUsedError
from runtime.limits import LONGEST_KEY
from runtime.name_segments import segment_problem
from runtime.patterns import literal_prefix
from runtime.receipts import Receipts
from runtime.routing import DestinationKind, Directory, RoutingDocument, RoutingRule
from runtime.tracker import Tracker
from runtime.transfer import Transfer
from runtime.uploaded_versions import UploadedVersions, Version

#: The writer of ingest's facts. It is constant, so a repeated event adds no second fact of a kind.
WRITER = "ingest"

#: An event that comes later than this after its object was delayed by a fault, such as the loss of a region.
#: The peer may have taken the object over meanwhile, so the destination is asked before anything is sent.
LATE = timedelta(minutes=15)


#: For this long an upload under a temporary name may wait for its rename. S3 dates a version from when its
#: upload began, so the time has to be longer than any upload takes.
RENAME_WAIT = timedelta(days=1)

_UNRENAMED = (
    "the file has had the temporary name of an unfinished upload for more than"
    f" {RENAME_WAIT.days * 24} hours; nothing is sent under such a name: rename it, or send it again under"
    " its final name"
)


class Intake:
    """Turns arrivals into RECEIVED facts and running workflows, or into REJECTED facts and receipts.

    Every step may be repeated: the transfer's id, its RECEIVED fact and the name of its execution follow from
    the object version alone.
    """

    def __init__(
        self,
        *,
        stem: str,
        state_machine: str,
        tracker: Tracker,
        directory: Directory,
        client: Callable[[str], Any],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Everything given belongs to the tracker's region.

        `state_machine` is the ARN of the workflow; `client` returns the region's client of an AWS service.
        """
        self._stem, self._side, self._now = stem, tracker.side, now
        self._tracker, self._directory = tracker, directory
        self._versions = UploadedVersions(s3=client("s3"), is_taken_in=self._is_taken_in)
        self._quota = HourlyQuota(tracker=tracker)
        self._receipts = Receipts(tracker=tracker, topics=client("sns"), side=tracker.side)
        self._executions = Executions(state_machine=state_machine, workflow=client("stepfunctions"))

    def accept(self, arrived: Arrival, *, is_late: bool | None = None) -> IntakeResult:
        """Take an arrival in and return the result.

        `is_late` says whether the peer may have taken the object over meanwhile; by default it follows from
        the object's age. Raises what AWS and the directory raise; the queue then delivers the event again.
        """
        name = contract.customer_of(arrived.bucket, self._stem, self._side)
        if arrived.size is not None and is_folder(arrived.key, arrived.size):
            return IntakeResult.FOLDER
        customer = self._directory.customer(name)
        if customer.is_temporary(arrived.key):
            return IntakeResult.TEMPORARY
        taken: Version | None = None
        result = IntakeResult.GONE
        # Uploads of the same bytes have one event each; two concurrent ones may have picked one version.
        while (version := self._find(arrived, customer)) and (taken is None or version.id != taken.id):
            if version.is_replica:
                return result if taken else IntakeResult.REPLICA
            if is_folder(arrived.key, version.size):
                return IntakeResult.FOLDER
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
        customer = self._directory.customer(contract.customer_of(arrived.bucket, self._stem, self._side))
        version = self._find(arrived, customer)
        if version is None:
            return IntakeResult.GONE
        if not version.is_replica:
            return IntakeResult.OURS
        if is_folder(arrived.key, version.size):
            return IntakeResult.FOLDER
        file = contract.file_id(customer.id, arrived.key)
        name = contract.transfer_id(file, version.id, version.modified)
        if self._tracker.facts_of(file, name):
            return IntakeResult.KNOWN
        return self._take_in(customer, arrived, version, is_late=True, is_counted=False)[0]

    def reject_unrenamed(self, arrived: Arrival) -> IntakeResult:
        """Reject an upload that has waited for its rename for too long, and return the result.

        The file that a later rename makes has another key, so it is taken in like any other.
        """
        customer = self._directory.customer(contract.customer_of(arrived.bucket, self._stem, self._side))
        version = self._find(arrived, customer)
        if version is None:
            return IntakeResult.GONE
        if version.is_replica:
            return IntakeResult.REPLICA
        transfer = self._transfer(customer, arrived, version, (), False)
        return self._reject(transfer, customer, _UNRENAMED)

    def _take_in(
        self,
        customer: RoutingDocument,
        arrived: Arrival,
        version: Version,
        *,
        is_late: bool,
        is_counted: bool = True,
    ) -> tuple[IntakeResult, bool]:
        """Take in a version; return the result, and whether this call was the first to take it in.

        What the lost region has acknowledged is not counted against this region's quota.
        """
        route = customer.route(arrived.key)
        transfer = self._transfer(customer, arrived, version, route.to if route else (), is_late)
        refusal = arrived.failure or _refusal(transfer, route, customer.destinations)
        if refusal is None:
            try:
                received = self._received(transfer, arrived, version)
                if self._quota.record(received, customer.files_per_hour if is_counted else None):
                    self._start(transfer)
                    return IntakeResult.RECEIVED, True
            except QuotaUsedError as used:
                refusal = str(used)
        # A repeated event: the destinations were decided on receipt, whatever the registry says now.
        before = self._as_received(transfer)
        if refusal is not None and before is None:
            return self._reject(transfer, customer, refusal), True
        self._start(before or transfer)
        return IntakeResult.RECEIVED, False

    def _find(self, arrived: Arrival, customer: RoutingDocument) -> Version | None:
        return self._versions.find(arrived, self._now() - timedelta(days=customer.inbound_days))

    def _is_taken_in(self, arrived: Arrival, version_id: str, modified: datetime) -> bool:
        """Return whether a version of a file was received or rejected."""
        customer = contract.customer_of(arrived.bucket, self._stem, self._side)
        file = contract.file_id(customer, arrived.key)
        facts = self._tracker.facts_of(file, contract.transfer_id(file, version_id, modified))
        return any(fact.kind in (Kind.RECEIVED, Kind.REJECTED) for fact in facts)

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

    def _received(self, transfer: Transfer, arrived: Arrival, version: Version) -> Fact:
        """Return the RECEIVED fact, with what orders versions of one second (runtime.order)."""
        order: dict[str, Any] = {}
        if arrived.sequencer:
            order["sequencer"] = arrived.sequencer
        elif version.earlier is not None:
            order["earlier"] = [
                contract.transfer_id(transfer.file, each, version.modified) for each in version.earlier
            ]
        return transfer.fact(
            Kind.RECEIVED,
            side=self._side,
            writer=WRITER,
            bucket=transfer.bucket,
            version_id=transfer.version_id,
            size=transfer.size,
            etag=transfer.etag,
            destinations=list(transfer.destinations),
            **order,
        )

    def _as_received(self, transfer: Transfer) -> Transfer | None:
        """Return the transfer with the destinations of its RECEIVED fact, or None without such a fact."""
        for fact in self._tracker.facts_of(transfer.file, transfer.id):
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


def _refusal(
    transfer: Transfer, route: RoutingRule | None, destinations: Mapping[str, dict[str, Any]]
) -> str | None:
    """Return why a complete upload cannot be carried, or None."""
    if transfer.key.endswith("/"):
        return "its name ends in / like that of a folder, but it has content; send it under a name of its own"
    stored = len(contract.archive_key(transfer.customer, transfer.id, transfer.key).encode())
    if (excess := stored - LONGEST_KEY) > 0:
        below = len(contract.below_inbound(transfer.key).encode())
        return (
            f"its path below {contract.INBOUND} has {below} bytes, more than the {below - excess} that the"
            " archive can hold; shorten the name or the folders"
        )
    if route is None:
        return f"no route matches {contract.below_inbound(transfer.key)}"
    name = contract.below_inbound(transfer.key).removeprefix(literal_prefix(route.match))
    for segment in name.split("/"):
        if problem := segment_problem(segment):
            return f"its name {problem}, and no destination takes that; send it under another name"
    for its in (destinations[each] for each in route.to if each in destinations):
        if its["kind"] != DestinationKind.S3:
            continue  # the limits of a server are its own
        if (excess := len(f"{its['prefix'].strip('/')}/{name}".lstrip("/").encode()) - LONGEST_KEY) > 0:
            return (
                f"its name at the destination has {len(name.encode())} bytes, more than the"
                f" {len(name.encode()) - excess} that a partner's bucket can hold; shorten the name or the"
                " folders"
            )
    return None
