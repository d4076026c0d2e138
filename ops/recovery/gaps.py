"""The gap report over all customers: searched concurrently, reported in order, in constant memory."""

from __future__ import annotations

import hashlib
import json
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import IO, Any

from botocore.exceptions import ClientError

from ops.plan import RefusedError, digest
from ops.recovery.causes import Cause, cause_of
from ops.recovery.inventory import Inventory, is_pending
from ops.recovery.reconcile import Gap, GapKind, gaps
from ops.recovery.regions import Regions
from ops.recovery.repair import Deed, Remedy, Repair
from ops.recovery.replay import FactsChangedError
from ops.recovery.window import Window
from runtime import objects
from runtime.contract import REGION_OF, peer_of
from runtime.sweep_notes import SweepNotes

#: How many customers are searched, and how many repairs are made, at once.
_AT_ONCE = 8
_IN_MEMORY = 256 * 1024
#: After how many transfers a search sees that it was given up.
_OFTEN = 100


@dataclass(kw_only=True)
class Counts:
    """How many transfers were seen, how many of them are complete, and how many gaps there are of each kind.

    `silent` says why a region was not looked at, by the region's name. `causes` has the gaps by kind and
    cause, if the report was asked for causes.
    """

    transfers: int = 0
    complete: int = 0
    found: Counter[GapKind] = field(default_factory=Counter)
    silent: dict[str, str] = field(default_factory=dict)
    causes: Counter[tuple[GapKind, Cause]] = field(default_factory=Counter)

    @property
    def remaining(self) -> int:
        """The number of gaps that will not close by themselves."""
        return sum(count for kind, count in self.found.items() if not kind.closes_by_itself)

    def add(self, other: Counts) -> None:
        """Add the counts of another customer."""
        self.transfers += other.transfers
        self.complete += other.complete
        self.found += other.found
        self.causes += other.causes

    def document(self) -> dict[str, int]:
        """Return all counts, by their names in the report."""
        kinds = {finding.value: self.found[finding] for finding in GapKind}
        return {"transfers": self.transfers, "complete": self.complete, **kinds}


@dataclass(frozen=True, kw_only=True)
class ScanListener:
    """Callbacks for progress: `listed` gets the number of further objects, `finished` follows a customer.

    An error that `listed` raises ends the search.
    """

    listed: Callable[[int], None] = lambda count: None
    finished: Callable[[], None] = lambda: None


NO_LISTENER = ScanListener()


class GapReport:
    """A search through all transfers of some customers, or of all, that were submitted in a window."""

    def __init__(
        self,
        regions: Regions,
        customers: Iterable[str],
        window: Window,
        listener: ScanListener = NO_LISTENER,
        *,
        with_causes: bool = False,
    ) -> None:
        """With causes, S3 is asked about each copy that exists of what is missing.

        Raises RefusedError for an unknown customer.
        """
        self._with_causes = with_causes
        self.customers = regions.customers(customers)
        self.counts = Counts(silent={REGION_OF[side]: why for side, why in regions.silent.items()})
        self._regions, self._window, self._listener = regions, window, listener
        self._stopped = threading.Event()

    def lines(self, *, confirmed: Collection[str] | None = None) -> Iterator[dict[str, Any]]:
        """Yield a document for each gap, by customer and in the order of time; `counts` grow meanwhile.

        If `confirmed` is given (transfers whose upload was complete, as the customers say), the remedies for
        each transfer follow its gaps.
        """
        with ExitStack() as files, ThreadPoolExecutor(_AT_ONCE) as workers:
            spools = [files.enter_context(_spool()) for _ in self.customers]

            def look(customer: str, found: IO[str]) -> Counts:
                try:
                    return self._look(customer, confirmed, found)
                except ClientError as error:
                    raise RefusedError(f"{customer} cannot be searched for gaps: {error}") from error

            try:
                for counts, found in zip(workers.map(look, self.customers, spools), spools, strict=True):
                    self.counts.add(counts)
                    found.seek(0)
                    yield from map(json.loads, found)
                    found.close()
                    self._listener.finished()
            except BaseException:
                self._stopped.set()  # ends the searches that still run
                raise

    def _look(self, name: str, confirmed: Collection[str] | None, found: IO[str]) -> Counts:
        regions, customer, counts = self._regions, self._regions.customer(name), Counts()
        stores = regions.stores(name)
        sides = [store.side for store in stores]
        repair = None if confirmed is None else repairer(regions, name, confirmed)
        now = datetime.now(UTC)
        reasons = self._reasons(name)
        inventory = Inventory(customer=customer, stores=stores, now=now, listed=self._listed)
        # The facts of older transfers have expired, so nothing can be said about them.
        kept = now - timedelta(days=customer.tracker_days)
        for seen in inventory.transfers(max(self._window.since, kept), self._window.until):
            if not counts.transfers % _OFTEN:
                self._listed(0)  # reading facts, too, ends when the search is given up
            found_here = gaps(seen, customer=customer, sides=sides, now=now)
            wrong = [_with_reason(gap, reasons) for gap in found_here]
            counts.transfers += 1
            counts.complete += not wrong
            counts.found.update(gap.finding for gap in wrong)
            documents = [_gap(name, gap, now) for gap in wrong]
            for gap, document in zip(wrong, documents, strict=True) if self._with_causes else ():
                pending = partial(is_pending, gap, seen, customer=name, stores=stores)
                cause = cause_of(gap, seen, is_pending=pending, now=now)
                counts.causes[gap.finding, cause] += 1
                document["cause"] = cause.value
            if repair:
                documents += [{"remedy": asdict(remedy)} for remedy in repair.remedies(seen, wrong)]
            found.writelines(f"{json.dumps(document)}\n" for document in documents)
        return counts

    def _reasons(self, customer: str) -> dict[str, str]:
        """Return why the sweep left uploads that no fact knows, by transfer."""
        trackers = [self._regions.tracker(side) for side in self._regions.sides]
        notes = [SweepNotes(table=each.table, side=each.side, client=each.client) for each in trackers]
        return {
            name: f"the sweep of {REGION_OF[tracker.side]} left it: {doubt.why}"
            for tracker, each in zip(trackers, notes, strict=True)
            for name, doubt in each.doubts(customer).items()
        }

    def _listed(self, count: int) -> None:
        if self._stopped.is_set():
            raise CancelledError
        self._listener.listed(count)


def _with_reason(gap: Gap, reasons: Mapping[str, str]) -> Gap:
    if gap.finding is not GapKind.UNKNOWN or gap.transfer not in reasons:
        return gap
    return replace(gap, where=f"{gap.where}; {reasons[gap.transfer]}")


def repairer(regions: Regions, customer: str, confirmed: Collection[str] = ()) -> Repair:
    """Return what repairs a customer's gaps through the regions that answer."""
    return Repair(
        customer=regions.customer(customer),
        stores=regions.stores(customer),
        replay=regions.replay,
        intakes={side: regions.intake(side) for side in regions.sides},
        out=regions.out,
        confirmed=confirmed,
    )


class RepairPlan:
    """Remedies on disk, in the report's order; the digest identifies what is to be done."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
        self._hashes: dict[str, Any] = {}
        self._counts: dict[str, Counter[str]] = {}
        self.deeds: Counter[Deed] = Counter()

    def add(self, remedy: dict[str, Any]) -> None:
        """Add a remedy."""
        deed, line = Deed(remedy["deed"]), f"{json.dumps(remedy, sort_keys=True)}\n"
        self.deeds[deed] += 1
        self._file.write(line)
        if deed.acts:
            customer = remedy["customer"]
            self._hashes.setdefault(customer, hashlib.sha256()).update(line.encode())
            self._counts.setdefault(customer, Counter())[deed.value] += 1

    @property
    def document(self) -> dict[str, dict[str, Any]]:
        """How many remedies there are for each customer, and a hash of them; the digest stands for it."""
        return {
            customer: {**self._counts[customer], "remedies": remedies.hexdigest()[:12]}
            for customer, remedies in self._hashes.items()
        }

    @property
    def digest(self) -> str:
        """The digest of the plan: plans that do the same have the same digest."""
        return digest(self.document)

    def remedies(self) -> Iterator[Remedy]:
        """Yield all remedies that were added."""
        self._file.seek(0)
        for line in self._file:
            document = json.loads(line)
            yield Remedy(**{**document, "deed": Deed(document["deed"])})

    def carry_out(self, regions: Regions, *, why: str) -> Iterator[tuple[Remedy, str, bool]]:
        """Apply all remedies but those that ask, several at once.

        Yields each remedy, its result, and whether it is done.
        """
        who = regions.who()
        repairs: dict[str, Repair] = {}

        def do(remedy: Remedy) -> tuple[Remedy, str, bool]:
            try:
                became = repairs[remedy.customer].carry_out(remedy, who=who, why=why, plan=self.digest)
            except FactsChangedError as error:
                return remedy, str(error), False
            return remedy, became, True

        yield from self._replicate(regions, why=why)
        remedies = (each for each in self.remedies() if each.deed.acts and each.deed is not Deed.REPLICATE)
        with ThreadPoolExecutor(_AT_ONCE) as workers:
            while some := list(islice(remedies, 100)):
                for customer in {remedy.customer for remedy in some} - repairs.keys():
                    repairs[customer] = repairer(regions, customer)
                yield from workers.map(do, some)

    def _replicate(self, regions: Regions, *, why: str) -> Iterator[tuple[Remedy, str, bool]]:
        """Replicate again what customers' buckets lack, with one job for each bucket that has it."""
        buckets: dict[tuple[str, str], list[Remedy]] = {}
        for remedy in self.remedies():
            if remedy.deed is Deed.REPLICATE:
                buckets.setdefault((remedy.about["source_side"], remedy.about["bucket"]), []).append(remedy)
        for (side, bucket), remedies in buckets.items():
            versions = [(each.key, each.about["version_id"]) for each in remedies]
            job = regions.replication_jobs(side).run(bucket, versions, plan=self.digest, why=why)
            s3 = regions.client("s3", peer_of(side))
            for each in remedies:
                found = objects.head(s3, each.about["to"], each.key, each.about["version_id"])
                became = "replicated" if found else f"not replicated by job {job.id} ({job.status})"
                yield each, became, found is not None

    def close(self) -> None:
        """Delete the remedies from disk."""
        self._file.close()


def _spool() -> IO[str]:
    """Return a temporary file that stays in memory while it is small."""
    return tempfile.SpooledTemporaryFile(_IN_MEMORY, mode="w+", encoding="utf-8")


def _gap(customer: str, gap: Gap, now: datetime) -> dict[str, Any]:
    return {
        "customer": customer,
        "finding": gap.finding.value,
        "key": gap.key,
        "transfer": gap.transfer,
        "where": gap.where,
        "since": gap.since.isoformat(timespec="seconds"),
        "age_seconds": max(0, int((now - gap.since).total_seconds())),  # or it began during the search
    }
