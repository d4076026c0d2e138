"""Repair: what to do about a gap, and doing it. Everything may be repeated: existing copies are kept.

A copy that is missing from an archive is made by S3 from another copy. What is missing from a customer's
bucket is replicated again, for a copy would be another version, and so another transfer
(docs/adr/0036-restoring.md).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from enum import StrEnum
from itertools import chain
from typing import Any, assert_never

from boto3.s3.transfer import TransferConfig

from ops.plan import command
from ops.recovery.inventory import Store
from ops.recovery.reconcile import Gap, GapKind, Seen
from ops.recovery.replay import Choice, Replay, ReplayVerdict
from ops.recovery.window import Window
from runtime import objects
from runtime.arrival import Arrival
from runtime.contract import INBOUND_SDK, REGION_OF, Kind, archive_key, peer_of
from runtime.facts import submitted
from runtime.intake import Intake
from runtime.routing import RoutingDocument
from runtime.transfer import Transfer

#: S3 copies an object of up to 5 GB in one request; above, in parts.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/copy-object.html
_COPY = TransferConfig(multipart_threshold=5 * 1000**3, multipart_chunksize=64 * 1024**2)


class Deed(StrEnum):
    """What is done about a gap; ASK is for what only a person or AWS can do."""

    COPY = "copy"
    REPLICATE = "replicate"
    REPLAY = "replay"
    TAKE_IN = "take in"
    ASK = "ask"

    @property
    def acts(self) -> bool:
        """Whether an operator who approves it has something done."""
        match self:
            case Deed.COPY | Deed.REPLICATE | Deed.REPLAY | Deed.TAKE_IN:
                return True
            case Deed.ASK:
                return False
            case _:
                assert_never(self)


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """What is to be done about a gap, where, and why; `about` has what the deed needs, ready for JSON."""

    deed: Deed
    customer: str
    transfer: str
    key: str
    why: str
    side: str = ""
    about: dict[str, Any] = field(default_factory=dict)


def planned_by(gap: Mapping[str, Any]) -> str | None:
    """Return the command that plans the repair of a gap of the report; None if it closes by itself."""
    if GapKind(gap["finding"]).closes_by_itself:
        return None
    since = submitted(gap["transfer"])
    ends = Window(since=since, until=since + timedelta(seconds=1)).document()
    times = chain.from_iterable((f"--{end}", time) for end, time in ends.items())
    return command("gaps", gap["customer"], *times, "--repair")


class Repair:
    """Repairs one customer's gaps through the regions that answer."""

    def __init__(
        self,
        *,
        customer: RoutingDocument,
        stores: Sequence[Store],
        replay: Replay,
        intakes: Mapping[str, Intake],
        out: Collection[str],
        confirmed: Collection[str] = (),
    ) -> None:
        """`out` are the sides that an operator has declared lost.

        `confirmed` are transfers whose upload by SFTP was complete, as the customer says.
        """
        self._customer, self._stores = customer, {store.side: store for store in stores}
        self._replay, self._intakes, self._out, self._confirmed = replay, intakes, out, confirmed

    def remedies(self, seen: Seen, gaps: Sequence[Gap]) -> Iterator[Remedy]:
        """Yield the remedies for the gaps of one transfer. Changes nothing."""
        lacking = [gap.side for gap in gaps if gap.finding is GapKind.ARCHIVE_MISSING]
        if lacking:
            yield from self._copies(seen, lacking)
        for gap in gaps:
            match gap.finding:
                case GapKind.UNDELIVERED:
                    yield self._replayed(seen)
                case GapKind.UNKNOWN:
                    yield self._taken_in(seen)
                case GapKind.INBOUND_MISSING:
                    yield self._replicated(seen, gap)
                case GapKind.RECORD_MISSING:
                    yield self._ask(
                        seen, f"{gap.where}: DynamoDB replicates it; see the table's ReplicationLatency"
                    )
                case GapKind.ARCHIVE_MISSING | GapKind.REPLICATING | GapKind.UNRENAMED:
                    pass  # the first is copied, above; the others close without an operator
                case _:
                    assert_never(gap.finding)

    def carry_out(self, remedy: Remedy, *, who: str, why: str, plan: str) -> str:
        """Apply a remedy; return its result in a word or two. `plan` is the digest of the reviewed plan.

        What is to be replicated is not done here, but in one job for each bucket (RepairPlan). Raises
        FactsChangedError if the facts have changed since.
        """
        about = remedy.about
        match remedy.deed:
            case Deed.COPY:
                return self._copy(remedy, who=who, why=why, plan=plan)
            case Deed.REPLAY:
                verdict = ReplayVerdict.parse(about["verdict"])
                mark = f"{why} (plan {plan})"
                self._replay.carry_out(verdict, file=about["file"], force=False, who=who, why=mark)
                return "replayed"
            case Deed.TAKE_IN:
                arrived = Arrival(bucket=about["bucket"], key=remedy.key, version_id=about["version_id"])
                intake = self._intakes[remedy.side]
                return intake.adopt(arrived) if about["replica"] else intake.accept(arrived)
            case Deed.REPLICATE | Deed.ASK:
                return "nothing"
            case _:
                assert_never(remedy.deed)

    def _copies(self, seen: Seen, lacking: Sequence[str]) -> Iterator[Remedy]:
        there, received = seen.archives(), seen.received
        assert received is not None
        if there:
            for side in lacking:
                yield self._copied(seen, side, min(there), self._archived(seen, min(there)))
            return
        # One copy is enough, for S3 replicates it: in the region that received the file.
        side = received.side if received.side in lacking else lacking[0]
        for other in (side, peer_of(side)):
            if other in seen.inbound:
                source = {"Bucket": self._stores[other].inbound, "Key": seen.key}
                source |= {"VersionId": seen.inbound[other].version_id}
                yield self._copied(seen, side, other, source)
                return
        yield self._ask(seen, "no copy is left anywhere; the customer must send it again")

    def _copied(self, seen: Seen, side: str, other: str, source: dict[str, str]) -> Remedy:
        assert seen.received is not None
        return self._remedy(
            seen,
            Deed.COPY,
            f"from {source['Bucket']} to {self._stores[side].archive}",
            side=side,
            source=source,
            source_side=other,
            transfer=Transfer.here(seen.received, side).document(),
        )

    def _archived(self, seen: Seen, side: str) -> dict[str, str]:
        key = archive_key(self._customer.id, seen.transfer, seen.key)
        return {"Bucket": self._stores[side].archive, "Key": key}

    def _replicated(self, seen: Seen, gap: Gap) -> Remedy:
        other = peer_of(gap.side)
        if other not in seen.inbound:
            return self._ask(seen, f"{gap.where}: no copy is left of what was submitted")
        about = {"source_side": other, "bucket": self._stores[other].inbound}
        about |= {"to": self._stores[gap.side].inbound, "version_id": seen.inbound[other].version_id}
        return self._remedy(
            seen, Deed.REPLICATE, f"from {about['bucket']} to {about['to']}", side=gap.side, **about
        )

    def _replayed(self, seen: Seen) -> Remedy:
        verdict = self._replay.verdict(seen.facts)
        match verdict.choice:
            case Choice.DELIVER:
                about = {"verdict": asdict(verdict), "file": seen.facts[0].file}
                return self._remedy(seen, Deed.REPLAY, verdict.why, side=verdict.side, **about)
            case Choice.SKIP | Choice.ASK:
                return self._ask(seen, verdict.why)
            case _:
                assert_never(verdict.choice)

    def _taken_in(self, seen: Seen) -> Remedy:
        if not seen.inbound:
            return self._ask(seen, "only the archive has it; whether it was delivered is not known")
        if not seen.key.startswith(INBOUND_SDK) and seen.transfer not in self._confirmed:
            return self._ask(
                seen, "the upload by SFTP may be incomplete: ask the customer, then use --confirmed"
            )
        for side in sorted(seen.inbound):
            if not self._is_replica(seen, side):
                return self._take_in(seen, side, replica=False)
        side = min(seen.inbound)
        if peer_of(side) not in self._out:
            return self._ask(seen, f"{REGION_OF[peer_of(side)]} has the original, and is not declared lost")
        return self._take_in(seen, side, replica=True)

    def _take_in(self, seen: Seen, side: str, *, replica: bool) -> Remedy:
        bucket, version_id = self._stores[side].inbound, seen.inbound[side].version_id
        about = {"bucket": bucket, "version_id": version_id, "replica": replica}
        return self._remedy(seen, Deed.TAKE_IN, f"from {bucket}", side=side, **about)

    def _is_replica(self, seen: Seen, side: str) -> bool:
        store = self._stores[side]
        version = seen.inbound[side].version_id
        head = store.s3.head_object(Bucket=store.inbound, Key=seen.key, VersionId=version)
        return bool(head.get("ReplicationStatus") == "REPLICA")

    def _ask(self, seen: Seen, why: str) -> Remedy:
        return self._remedy(seen, Deed.ASK, why)

    def _remedy(self, seen: Seen, deed: Deed, why: str, *, side: str = "", **about: Any) -> Remedy:
        return Remedy(
            deed=deed,
            customer=self._customer.id,
            transfer=seen.transfer,
            key=seen.key,
            why=why,
            side=side,
            about=about,
        )

    def _copy(self, remedy: Remedy, *, who: str, why: str, plan: str) -> str:
        store, source = self._stores[remedy.side], remedy.about["source"]
        transfer = Transfer.parse(remedy.about["transfer"])
        key = archive_key(transfer.customer, transfer.id, transfer.key)
        done = "is there"
        if not objects.holds(store.s3, store.archive, key, transfer.size):
            other = self._stores[remedy.about["source_side"]].s3
            more = _metadata(other, source) if transfer.size >= _COPY.multipart_threshold else {}
            store.s3.copy(source, store.archive, key, SourceClient=other, ExtraArgs=more, Config=_COPY)
            done = "copied"
        detail = {
            "bucket": store.archive,
            "archive_key": key,
            "source": source["Bucket"],
            "who": who,
            "why": why,
        }
        store.tracker.record(transfer.fact(Kind.ARCHIVED, side=store.side, writer=f"repair-{plan}", **detail))
        return done


def _metadata(s3: Any, source: dict[str, str]) -> dict[str, Any]:
    """Return what S3 does not copy by itself when an object is copied in parts."""
    head = s3.head_object(**source)
    return {"Metadata": head["Metadata"], "ContentType": head["ContentType"]}
