"""The trace of one file: everything both regions hold about it, in order of time. Reads only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from customers import names
from ops.cell_manifest import ManifestError
from ops.environment import Environment
from ops.recovery.inventory import Store
from ops.recovery.regions import Regions
from runtime import contract, objects
from runtime.contract import REGION_OF, SIDES
from runtime.executions import Purpose, first
from runtime.facts import Fact, status, submitted
from runtime.history import History
from runtime.tracker import Tracker
from runtime.uploaded_versions import versions_of

#: What an execution's history has of a task that failed or took too long, once for each try:
#: https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
_FAILED_TRIES = {
    "lambdaFunctionFailedEventDetails",
    "lambdaFunctionTimedOutEventDetails",
    "taskFailedEventDetails",
    "taskTimedOutEventDetails",
}

#: Most transfers of one key whose story is told at a time.
MOST_TOLD = 20


@dataclass(frozen=True, kw_only=True)
class FileEvent:
    """Something that happened to a transfer in a region, `after` seconds after its submission.

    `unknown_in` are the regions that answered and do not know of it.
    """

    at: str
    after: float
    region: str
    what: str
    detail: Mapping[str, Any]
    unknown_in: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StoredCopy:
    """An object with the content of a transfer, in the customer's bucket or in the archive.

    `size` is in bytes; `state` is its replication status in S3, empty if it has none.
    """

    transfer: str
    place: str
    region: str
    size: int
    modified: str
    state: str


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """What happened to one transfer of the file, in order of time, and where its content is.

    `missing` are the places without a copy, among those that were looked at.
    """

    transfer: str
    status: str
    events: tuple[FileEvent, ...]
    copies: tuple[StoredCopy, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FileStory:
    """One file across both regions.

    `leases` says for each region who may send it, `others` are transfers of it that were seen and have no
    chapter, and `unknowns` says what was not looked at.
    """

    customer: str
    key: str
    chapters: tuple[Chapter, ...]
    leases: Mapping[str, str]
    others: tuple[str, ...]
    unknowns: tuple[str, ...]


class Trace:
    """Traces one customer's files."""

    def __init__(self, environment: Environment, regions: Regions, customer: str) -> None:
        self._environment, self._regions, self._customer = environment, regions, customer
        self._stores = regions.stores(customer)

    def story(self, key: str, only: str | None = None) -> FileStory:
        """Return the story of a key's newest transfers, MOST_TOLD at most, or of `only` one of them."""
        file, unknowns = contract.file_id(self._customer, key), list(self._regions.unknowns)
        histories = {each.side: each.tracker.newest(file, MOST_TOLD, also=only) for each in self._stores}
        leases, owners = self._leases(file, histories)
        facts: dict[str, dict[str, Fact]] = {}
        for history in histories.values():
            for fact in history.facts:
                facts.setdefault(fact.transfer, {})[fact.sort_key] = fact
        copies = [copy for store in self._stores for copy in self._inbound(store, file, key, only)]
        known = sorted({*facts, *(copy.transfer for copy in copies)})
        wanted = [each for each in known if only in (None, each)][-MOST_TOLD:]
        machines = self._machines(unknowns)
        chapters = []
        for transfer in wanted:
            own = list(facts.get(transfer, {}).values())
            events = [*_facts(own, histories), *_submission(transfer, copies)]
            executions = {fact.writer for fact in own} | owners
            events += self._runs(transfer, machines, executions)
            there = [copy for copy in copies if copy.transfer == transfer]
            there += filter(None, (self._archived(store, transfer, key) for store in self._stores))
            places = [(at, REGION_OF[store.side]) for at in ("inbound", "archive") for store in self._stores]
            had = {(copy.place, copy.region) for copy in there}
            chapters.append(
                Chapter(
                    transfer=transfer,
                    status=status(own).value if own else "unknown to the tracker",
                    events=tuple(sorted(events, key=lambda event: (event.after, event.what))),
                    copies=tuple(there),
                    missing=tuple(f"{at} in {region}" for at, region in places if (at, region) not in had),
                )
            )
        return FileStory(
            customer=self._customer,
            key=key,
            chapters=tuple(chapters),
            leases=leases,
            others=tuple(each for each in known if each not in wanted),
            unknowns=tuple(unknowns),
        )

    def _leases(self, file: str, histories: Mapping[str, History]) -> tuple[dict[str, str], set[str]]:
        """Return the holder of the lease, by region, and the executions that hold one."""
        leases, owners = {}, set()
        for side in SIDES:
            history, source = histories.get(side), ""
            if history is None:  # the lease is replicated like everything else
                other = next(iter(histories))
                table = names.tracker_table(self._environment.cell)
                client = self._regions.client("dynamodb", other)
                history = Tracker(table=table, side=side, client=client).newest(file, 1)
                source = f", according to {REGION_OF[other]}"
            if lease := history.lease:
                until = datetime.fromtimestamp(lease.until, UTC)
                word = "until" if until > datetime.now(UTC) else "which ran out at"
                leases[REGION_OF[side]] = f"{lease.owner}, {word} {until:%Y-%m-%dT%H:%M:%SZ}{source}"
                owners.add(lease.owner)
        return leases, owners

    def _inbound(self, store: Store, file: str, key: str, only: str | None) -> Iterator[StoredCopy]:
        """Yield the newest versions of a key, or the one of a transfer; S3 lists the newest first."""
        for number, entry in enumerate(versions_of(store.s3, store.inbound, key)):
            is_behind = entry["LastModified"] < submitted(only) if only else number == MOST_TOLD
            if is_behind:
                return
            transfer = contract.transfer_id(file, entry["VersionId"], entry["LastModified"])
            if only in (None, transfer):
                where = {"Bucket": store.inbound, "Key": key, "VersionId": entry["VersionId"]}
                yield _copy(transfer, "inbound", store, store.s3.head_object(**where))

    def _archived(self, store: Store, transfer: str, key: str) -> StoredCopy | None:
        archived = contract.archive_key(self._customer, transfer, key)
        head = objects.head(store.s3, store.archive, archived)
        return None if head is None else _copy(transfer, "archive", store, head)

    def _machines(self, unknowns: list[str]) -> dict[str, str]:
        """Return the ARN of each region's state machine; those that are not known are added to `unknowns`."""
        machines = {}
        for store in self._stores:
            try:
                machines[store.side] = self._regions.manifest(store.side).state_machine
            except (ManifestError, ClientError, BotoCoreError) as error:
                unknowns.append(f"executions in {REGION_OF[store.side]} are not looked at: {error}")
        return machines

    def _runs(self, transfer: str, machines: Mapping[str, str], known: set[str]) -> Iterator[FileEvent]:
        """Yield when a transfer's executions began and ended: the `known`, and those with the next names."""
        for side, machine in machines.items():
            seen = {name for name in known if name.startswith(f"{transfer}-")} | {first(transfer)}
            for purpose in Purpose:
                for generation in count(1):
                    name = f"{transfer}-{purpose}-{generation}"
                    if name not in seen and self._run(side, machine, name) is None:
                        break
                    seen.add(name)
            for name in sorted(seen):
                if run := self._run(side, machine, name):
                    about = {"execution": name.removeprefix(f"{transfer}-")}
                    yield _event(transfer, run["startDate"], REGION_OF[side], "execution began", about)
                    yield from self._attempts(transfer, side, run["executionArn"], about)
                    if "stopDate" in run:
                        about = {**about, "ended": run["status"].lower()}
                        yield _event(transfer, run["stopDate"], REGION_OF[side], "execution ended", about)

    def _attempts(
        self, transfer: str, side: str, execution: str, about: Mapping[str, Any]
    ) -> Iterator[FileEvent]:
        """Yield the tries of an execution that failed, of which the tracker knows nothing."""
        workflow = self._regions.client("stepfunctions", side)
        pages = workflow.get_paginator("get_execution_history").paginate(executionArn=execution)
        for event in (event for page in pages for event in page["events"]):
            for field in _FAILED_TRIES & event.keys():
                detail = {**about, **_failure(event[field])}
                yield _event(transfer, event["timestamp"], REGION_OF[side], "attempt failed", detail)

    def _run(self, side: str, machine: str, name: str) -> dict[str, Any] | None:
        workflow = self._regions.client("stepfunctions", side)
        arn = f"{machine.replace(':stateMachine:', ':execution:')}:{name}"
        try:
            run: dict[str, Any] = workflow.describe_execution(executionArn=arn)
        except workflow.exceptions.ExecutionDoesNotExist:
            return None
        return run


def _failure(told: Mapping[str, Any]) -> dict[str, str]:
    """Return the error and the reason that Step Functions tells of a failed try."""
    reason = told.get("cause", "")
    with suppress(ValueError):  # of a function, it is JSON
        found = json.loads(reason)
        reason = found.get("errorMessage", reason) if isinstance(found, dict) else reason
    return {"error": told.get("error", ""), "reason": reason}


def _facts(facts: Sequence[Fact], histories: Mapping[str, History]) -> Iterator[FileEvent]:
    """Yield facts as events, each with the regions whose replica lacks it or has another version of it."""
    replicas = {side: {fact.sort_key: fact for fact in each.facts} for side, each in histories.items()}
    for fact in facts:
        lacking = [side for side, its in replicas.items() if its.get(fact.sort_key) != fact]
        about = {"destination": fact.destination} if fact.destination else {}
        detail = {**about, **fact.detail, "writer": fact.writer}
        yield _event(
            fact.transfer,
            datetime.fromisoformat(fact.at),
            REGION_OF[fact.side],
            str(fact.kind),
            detail,
            tuple(REGION_OF[side] for side in lacking),
        )


def _submission(transfer: str, copies: Sequence[StoredCopy]) -> Iterator[FileEvent]:
    """Yield the upload, if there is an object that is not a replica."""
    for copy in copies:
        if copy.transfer == transfer and copy.state != "REPLICA":
            yield _event(
                transfer, datetime.fromisoformat(copy.modified), copy.region, "uploaded", {"size": copy.size}
            )


def _event(
    transfer: str,
    at: datetime,
    region: str,
    what: str,
    detail: Mapping[str, Any],
    unknown_in: tuple[str, ...] = (),
) -> FileEvent:
    return FileEvent(
        at=at.astimezone(UTC).isoformat(timespec="milliseconds"),
        after=round((at - submitted(transfer)).total_seconds(), 3),
        region=region,
        what=what,
        detail=detail,
        unknown_in=unknown_in,
    )


def _copy(transfer: str, place: str, store: Store, head: Mapping[str, Any]) -> StoredCopy:
    return StoredCopy(
        transfer=transfer,
        place=place,
        region=REGION_OF[store.side],
        size=head["ContentLength"],
        modified=head["LastModified"].astimezone(UTC).isoformat(),
        state=head.get("ReplicationStatus", ""),
    )
