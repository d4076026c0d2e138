"""The trace of one file: everything both regions hold about it, in order of time. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from customers import names
from ops.environment import Environment
from ops.recovery.attempts import Attempts, FileEvent, event_of
from ops.recovery.inventory import Store
from ops.recovery.regions import Regions
from runtime import contract, objects
from runtime.contract import REGION_OF, SIDES
from runtime.facts import Fact, status, submitted
from runtime.history import History
from runtime.tracker import Tracker
from runtime.uploaded_versions import versions_of

#: Most transfers of one key whose story is told at a time.
MOST_TOLD = 20


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
        runs = Attempts(self._regions, [store.side for store in self._stores], unknowns)
        chapters = []
        for transfer in wanted:
            own = list(facts.get(transfer, {}).values())
            events = [*_facts(own, histories), *_submission(transfer, copies)]
            executions = {fact.writer for fact in own} | owners
            events += runs.of(transfer, executions)
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


def _facts(facts: Sequence[Fact], histories: Mapping[str, History]) -> Iterator[FileEvent]:
    """Yield facts as events, each with the regions whose replica lacks it or has another version of it."""
    replicas = {side: {fact.sort_key: fact for fact in each.facts} for side, each in histories.items()}
    for fact in facts:
        lacking = [side for side, its in replicas.items() if its.get(fact.sort_key) != fact]
        about = {"destination": fact.destination} if fact.destination else {}
        detail = {**about, **fact.detail, "writer": fact.writer}
        yield event_of(
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
            yield event_of(
                transfer, datetime.fromisoformat(copy.modified), copy.region, "uploaded", {"size": copy.size}
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
