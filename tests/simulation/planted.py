"""Bugs planted into the runtime on purpose: the simulator finds each of them from a known seed."""

from __future__ import annotations

import copy
import importlib
import json
import multiprocessing
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from runtime import contract, timing, upload_evidence, workflow
from runtime.contract import Kind, Position
from runtime.delivery import TransientDeliveryError
from runtime.delivery.errors import DeliveryError, DeliveryUnknownError
from runtime.facts import Fact, Status, status, submitted
from runtime.history import Lease
from runtime.inbound_sweep import Swept
from runtime.restarts import Restarted
from runtime.transfer import Transfer
from tests.simulation import edge
from tests.simulation.schedule import generate
from tests.simulation.world import Outcome, simulate

#: The first seed that finds each planted bug, and the rule that is broken then. Written by this module.
SEEDS = Path(__file__).with_name("planted.json")

#: Seeds that are tried for a bug at most.
_TRIES = 10_000

#: From a real function to the broken one.
Breaking = Callable[[Any], Any]


@dataclass(frozen=True)
class Planted:
    """A planted bug. `places` pairs `module:name` or `module:Class.name` with what breaks it."""

    name: str
    places: tuple[tuple[str, Breaking], ...]


@contextmanager
def plant(bug: Planted) -> Iterator[None]:
    """Plant a bug in the runtime for the duration of a block. The runtime must already be attached."""
    undo: list[tuple[Any, str, Any]] = []
    try:
        for place, breaking in bug.places:
            module, _, path = place.partition(":")
            holder: Any = importlib.import_module(module)
            *outer, name = path.split(".")
            for each in outer:
                holder = getattr(holder, each)
            real = vars(holder)[name]
            undo.append((holder, name, real))
            is_of_class = isinstance(real, classmethod)
            setattr(holder, name, classmethod(breaking(real.__func__)) if is_of_class else breaking(real))
        yield
    finally:
        for holder, name, real in reversed(undo):
            setattr(holder, name, real)


class _Without:
    """A client that omits an argument of its calls."""

    def __init__(self, client: Any, **left_out: Any) -> None:
        self._client, self._left_out = client, left_out

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._client, name)
        if name not in self._left_out:
            return real

        def call(*given: Any, **request: Any) -> Any:
            request.pop(self._left_out[name], None)
            return real(*given, **request)

        return call


def _with_client(name: str, **left_out: str) -> Breaking:
    """Replace a method's client by one that omits an argument of some calls."""

    def breaking(real: Any) -> Any:
        def method(self: Any, *given: Any, **named: Any) -> Any:
            other = copy.copy(self)
            setattr(other, name, _Without(getattr(self, name), **left_out))
            return real(other, *given, **named)

        return method

    return breaking


def _wrap(breaking: Callable[..., Any]) -> Breaking:
    """Return a broken function, made from one whose first argument is the real function."""
    return lambda real: lambda *given, **named: breaking(real, *given, **named)


def _always(answer: Any) -> Breaking:
    return lambda real: lambda *given, **named: answer


# --- What goes wrong -----------------------------------------------------------------------------------


def _claims_without_lease(real: Any, self: Any, *given: Any, **named: Any) -> bool:
    return True


def _takes_back(real: Any, self: Any, transfer: Transfer, owner: str, history: Any) -> None:
    """Keep a lease, even a lost one."""
    lease = history.lease
    if lease is None or lease.owner != owner:
        wanted = Lease(owner=owner, transfer=transfer.id, until=int(self._now()) + workflow.LEASE)
        self._tracker.claim(transfer.file, wanted, seen=lease, seen_ended=True, expires=transfer.expires)


def _ignores_replica(real: Any, self: Any, *given: Any) -> Any:
    version = real(self, *given)
    return replace(version, is_replica=False) if version else None


def _one_key(real: Any) -> property:
    return property(lambda self: "#".join((self.transfer, self.kind, "", self.side, "")))


def _delivered_first(real: Any, self: Any, transfer: Transfer, destination: str, *given: Any) -> None:
    real(self, transfer, destination, *given)
    sha256 = self._destinations.source(transfer).sha256()
    detail = {"sha256": sha256, "size": transfer.size, "path": "", "sent": True, "after_unknown": False}
    self._record(transfer, Kind.DELIVERED, "early", destination, **detail)


def _must_be_there(real: Any, self: Any, *given: Any) -> Any:
    """Copy, and take a copy that is gone by then for one that may not have been made."""
    other = copy.copy(self)

    def look() -> Any:
        if (there := self.look()) is None:
            raise DeliveryUnknownError(self._place, "verify", "it is not there")
        return there

    other.look = look
    return real(other, *given)


def _with_retries(real: Any, service: str, region: str) -> Any:
    return edge.world().client(service, region)


def _under_way_is_delivered(real: Any, facts: Any) -> Status:
    found = real(facts)
    return Status.DELIVERED if found is Status.UNDER_WAY else found


def _out_is_lost(real: Any, self: Any) -> Position:
    position = real(self)
    return Position.LOST if position is Position.OUT else position


def _expires_apart(real: Any, self: Any, kind: Kind, **about: Any) -> Fact:
    fact = real(self, kind, **about)
    return replace(fact, expires=fact.expires - 86400) if kind is Kind.RECEIVED else fact


def _swallows(real: Any, record: Any) -> None:
    try:
        real(record)
    except Exception:
        return


def _recorded_first(
    real: Any, self: Any, customer: Any, transfer: Transfer, outcome: Any, **about: Any
) -> None:
    fact = transfer.fact(Kind.RECEIPT, side=self._side, writer=about["writer"], outcome=outcome.value)
    if self._tracker.record(fact):
        real(_Recorded(self), customer, transfer, outcome, **about)


class _Recorded:
    """A tracker without receipts, which records none."""

    def __init__(self, real: Any) -> None:
        self._topics, self._side = real._topics, real._side
        self._tracker = self

    def facts_of(self, file: str, transfer: str) -> list[Fact]:
        return []

    def record(self, fact: Fact) -> bool:
        return True


def _receipt_at_claim(real: Any, self: Any, transfer: Transfer, *, owner: str, seen: Any) -> Any:
    decision = real(self, transfer, owner=owner, seen=seen)
    if decision.action == "deliver":
        customer = self._directory.customer(transfer.customer)
        self._receipts.send(customer, transfer, contract.Outcome.DELIVERED, writer=owner)
    return decision


def _same_size_is_same(real: Any, facts: Any, *, sha256: str, **about: Any) -> Any:
    facts = tuple(
        replace(fact, detail={**fact.detail, "sha256": sha256}) if fact.kind is Kind.DELIVERED else fact
        for fact in facts
    )
    return real(facts, sha256=sha256, **about)


def _newest_version(real: Any, self: Any, transfer: Transfer, *, owner: str) -> str:
    self = copy.copy(self)
    self._s3 = _Newest(self._s3)
    return real(self, transfer, owner=owner)


class _Newest:
    """S3 that copies the newest version, whichever was asked for."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def copy(self, source: dict[str, str], *given: Any, **named: Any) -> None:
        self._client.copy({name: source[name] for name in ("Bucket", "Key")}, *given, **named)


def _one_name(real: Any, basename: str, attempt: str, *, pattern: str) -> str:
    return pattern.replace("*", basename)


def _never_unknown(real: Any, self: Any, *given: Any, **named: Any) -> Any:
    return real(self, *given, **{**named, "after_unknown": False})


def _sure_of_rename(real: Any) -> Any:
    async def rename(self: Any, *given: Any) -> None:
        try:
            await real(self, *given)
        except DeliveryUnknownError as error:
            raise TransientDeliveryError(error.place, error.step, error.reason) from error

    return rename


def _judged_before(real: Any, self: Any, transfer: Transfer, **about: Any) -> Any:
    """Claim, and decide by the facts that were read before the lease was taken."""
    history = self._history(transfer)
    stale = copy.copy(self)
    stale._decide = lambda transfer, _: workflow.Workflow._decide(self, transfer, history)
    return real(stale, transfer, **about)


def _not_asked(real: Any, *given: Any, **about: Any) -> Transfer:
    return replace(real(*given, **about), taken_over=False)


def _inverted(real: Any, self: Any, transfer: Transfer) -> bool:
    return not real(self, transfer)


def _age_of_lease(real: Any, self: Any, transfer: Transfer) -> bool:
    """Return whether a transfer is late by the time at which its lease was taken or renewed."""
    lease = self._tracker.history(transfer.file, transfer.id).lease
    return self._now() - workflow._taken(lease) > timing.FACTS_SECONDS


def _forgets_thaw(real: Any, self: Any, owner: str, lease: Any, seen: float = 0.0) -> bool:
    return real(self, owner, lease and replace(lease, thawed=False), seen)


def _seen_now(real: Any, self: Any, transfer: Transfer, *, owner: str, seen: Any = None) -> Any:
    """Claim as if the execution had been at work until now."""
    return real(self, transfer, owner=owner, seen=datetime.fromtimestamp(self._now(), UTC))


def _seen_to_wait(real: Any, transfer: Transfer, decision: Any) -> Any:
    """Answer as if the execution had been at work until now."""
    return real(transfer, replace(decision, thawed=False))


def _no_failure(real: Any, event: Any) -> Any:
    return replace(real(event), failure=None)


def _any_version(real: Any, self: Any, arrived: Any, *given: Any) -> list[str]:
    return real(self, replace(arrived, etag=None, size=None, ended=None), *given)


def _stale(real: Any, self: Any, *given: Any, **named: Any) -> Any:
    other = copy.copy(self)
    other.client = _Stale(self.client)
    return real(other, *given, **named)


class _Stale:
    """A client whose queries are not consistent."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def get_paginator(self, operation: str) -> Any:
        return _Without(self._client.get_paginator(operation), paginate="ConsistentRead")


async def _unverified(self: Any, size: int) -> bool:
    """Check nothing before the rename."""
    return True


@contextmanager
def _sure(error: Any) -> Iterator[None]:
    """Take a look that fails for an answer."""
    with suppress(DeliveryError):
        yield


def _half(real: Any) -> Any:
    async def upload(source: Any, file: Any, **how: Any) -> Any:
        try:
            return await real(source, file, **how)
        except TransientDeliveryError:
            return source.sha256(), source.size

    return upload


def _saved_before(real: Any, self: Any, customer: Any, was: Any, uploads: Any, remaining: Any) -> Any:
    """Save the checkpoint behind each page before the page is settled."""
    late = _Late(uploads)
    try:
        return real(self, customer, was, late, remaining)
    finally:
        late.settle_all()


class _Late:
    """Uploads that are settled only when the pass is over."""

    def __init__(self, uploads: Any) -> None:
        self._uploads, self._waiting = uploads, list[Any]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._uploads, name)

    def settle(self, unknown: list[Any]) -> bool:
        self._waiting += unknown
        return True

    def settle_all(self) -> None:
        self._uploads.settle(self._waiting)


def _skips_a_page(real: Any, self: Any, *given: Any) -> Any:
    """Go on behind the page that follows the checkpoint."""
    other = copy.copy(self)
    other._s3 = _Skipping(self._s3)
    return real(other, *given)


class _Skipping:
    """S3 that leaves out the page behind a marker."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def list_object_versions(self, **asked: Any) -> Any:
        page = self._client.list_object_versions(**asked)
        return {**page, "Versions": []} if "KeyMarker" in asked else page


def _whole(real: Any, **about: Any) -> Any:
    return upload_evidence.Verdict.WHOLE, "it is there"


def _last_page_proves(real: Any, was: Any) -> Any:
    """Take everything for proven that is older than the pass, and not only what was old when it began."""
    return replace(real(was), proven=was.began + timedelta(hours=1))


def _by_seconds(real: Any, facts: Any, one: str, other: str) -> bool:
    return submitted(one) > submitted(other)


def _under_way(real: Any, facts: Any) -> bool:
    return status(facts) is Status.UNDER_WAY


#: Nobody looks, just before a file appears, whether it was compared with what was delivered meanwhile. That
#: look alone would make good several of the bugs below, so they are planted together with this.
_UNMEASURED: tuple[str, Breaking] = ("runtime.overtaken:unmeasured", _always(None))

#: Nothing sweeps. The sweep would make good what ingest loses, so such bugs are planted together with this.
_UNSWEPT: tuple[tuple[str, Breaking], ...] = (
    ("runtime.inbound_sweep:InboundSweep.run", _always(Swept())),
    ("runtime.restarts:Restarts.run", _always(Restarted())),
)

PLANTED: tuple[Planted, ...] = (
    Planted(
        "a fact is written without the condition",
        (("runtime.tracker:Tracker.record", _with_client("client", put_item="ConditionExpression")),),
    ),
    Planted(
        "claimed without a lease",
        (
            ("runtime.workflow:Leases.take", _wrap(_claims_without_lease)),
            ("runtime.workflow:Leases.keep", _always(None)),
            _UNMEASURED,
        ),
    ),
    Planted(
        "a lost lease is taken back", (("runtime.workflow:Leases.keep", _wrap(_takes_back)), _UNMEASURED)
    ),
    Planted(
        "a lease is taken whoever holds it",
        (
            ("runtime.tracker:Tracker.claim", _with_client("client", update_item="ConditionExpression")),
            _UNMEASURED,
        ),
    ),
    Planted(
        "replicas are work", (("runtime.uploaded_versions:UploadedVersions._head", _wrap(_ignores_replica)),)
    ),
    Planted("one sort key for two facts", (("runtime.facts:Fact.sort_key", _one_key),)),
    Planted(
        "DELIVERED is written before the rename",
        (("runtime.deliverer:Deliverer._confirm", _wrap(_delivered_first)),),
    ),
    Planted("takeover while the peer lives", (("runtime.switch:Switch.position", _always(Position.LOST)),)),
    Planted(
        "a region that is out and well is taken over",
        (("runtime.switch:Switch.position", _wrap(_out_is_lost)),),
    ),
    Planted("facts of a transfer expire apart", (("runtime.transfer:Transfer.fact", _wrap(_expires_apart)),)),
    Planted(
        "the message is acknowledged though ingest failed",
        (("runtime.handlers.ingest:_accept", _wrap(_swallows)), *_UNSWEPT),
    ),
    Planted(
        "a receipt is recorded before it is sent",
        (("runtime.receipts:Receipts.send", _wrap(_recorded_first)),),
    ),
    Planted(
        "a receipt before the delivery", (("runtime.workflow:Workflow.claim", _wrap(_receipt_at_claim)),)
    ),
    Planted("equal size is a duplicate", (("runtime.workflow:compare", _wrap(_same_size_is_same)),)),
    Planted("the newest version is archived", (("runtime.archive:Archive.store", _wrap(_newest_version)),)),
    Planted(
        "all attempts have one temporary name", (("runtime.delivery.sftp:temporary_name", _wrap(_one_name)),)
    ),
    Planted(
        "an attempt never looks first",
        (("runtime.deliverer:Deliverer.attempt", _wrap(_never_unknown)),),
    ),
    Planted(
        "a rename without an answer did not happen",
        (
            ("runtime.delivery.publish:Publisher._rename", _sure_of_rename),
            ("runtime.delivery.sftp:_unclear_after", lambda real: _sure),
        ),
    ),
    Planted(
        "judged by what was read before the lease",
        (("runtime.workflow:Workflow.claim", _wrap(_judged_before)), _UNMEASURED),
    ),
    Planted(
        "the tracker is read inconsistently",
        (("runtime.tracker:Tracker.history", _wrap(_stale)),),
    ),
    Planted("what was taken over is sent at once", (("runtime.transfer:Transfer.here", _wrap(_not_asked)),)),
    Planted(
        "only what is young is asked about", (("runtime.deliverer:Deliverer._is_late", _wrap(_inverted)),)
    ),
    Planted(
        "the age of a transfer is that of its lease",
        (("runtime.deliverer:Deliverer._is_late", _wrap(_age_of_lease)),),
    ),
    Planted("a thaw is not noticed", (("runtime.workflow:Leases.has_thawed", _always(False)),)),
    Planted(
        "a thaw is forgotten after an attempt",
        (("runtime.workflow:Leases.has_thawed", _wrap(_forgets_thaw)),),
    ),
    Planted(
        "an execution that thaws before its claim seems at work",
        (("runtime.workflow:Workflow.claim", _wrap(_seen_now)),),
    ),
    Planted(
        "a thaw is forgotten by a claim that waits",
        (("runtime.handlers.wiring:answer", _wrap(_seen_to_wait)),),
    ),
    Planted(
        "an execution that begins again minds none of its attempts",
        (("runtime.intent:Intent._change", _always(True)),),
    ),
    Planted(
        "a takeover does not wait for the object",
        (("runtime.takeover:Takeover._has_arrived", _always(True)),),
    ),
    Planted(
        "what a region takes in after its return is taken over",
        (("runtime.takeover:Takeover._is_carried_there", _always(False)),),
    ),
    Planted(
        "a region sends what its peer has taken over and is at work on",
        (("runtime.workflow:Leases.yields", _always(False)),),
    ),
    Planted("half an upload is taken in", (("runtime.handlers.ingest:arrival", _wrap(_no_failure)),)),
    Planted(
        "an SFTP event means any version",
        (("runtime.uploaded_versions:UploadedVersions._alike", _wrap(_any_version)), *_UNSWEPT),
    ),
    Planted(
        "a broken upload is renamed all the same",
        (
            ("runtime.delivery.partial:Partial.measure", lambda real: _unverified),
            ("runtime.delivery.partial:upload", _half),
        ),
    ),
    Planted(
        "a resend does not mind the other region",
        (("runtime.workflow:Leases.waits", _always(False)), _UNMEASURED),
    ),
    Planted(
        "the SDK repeats a copy to a partner by itself",
        (("runtime.handlers.wiring:client_once", _wrap(_with_retries)),),
    ),
    Planted("a slot is not given back", (("runtime.shares:Shares.leave", _always(None)),)),
    Planted(
        "a slot is taken whoever has it",
        (("runtime.shares:Shares._occupy", _with_client("_client", update_item="ConditionExpression")),),
    ),
    Planted(
        "a copy that the partner has taken away was not made",
        (("runtime.delivery.s3:_Copy.send", _wrap(_must_be_there)),),
    ),
    Planted(
        "a notice says of what is under way that it is delivered",
        (("ops.recovery.notice_entries:status", _wrap(_under_way_is_delivered)),),
    ),
    Planted(
        "a client sends nothing again when a notice says so",
        (("mft_client.submissions:Submissions._is_left", _always(False)),),
    ),
    Planted(
        "the checkpoint is saved before the page is taken in",
        (("runtime.inbound_sweep:InboundSweep._sweep", _wrap(_saved_before)),),
    ),
    Planted(
        "the sweep skips the page after a checkpoint",
        (("runtime.inbound_sweep:InboundSweep._sweep", _wrap(_skips_a_page)),),
    ),
    Planted(
        "the sweep takes half an SFTP upload for a file",
        (("runtime.unknown_uploads:judge", _wrap(_whole)),),
    ),
    Planted(
        "a pass proves what was too young for it",
        (("runtime.inbound_sweep:_completed", _wrap(_last_page_proves)),),
    ),
    Planted("nothing is restarted", (("runtime.restarts:Restarts._start", _always(False)),)),
    Planted(
        "what was delivered without a receipt is not restarted",
        (("runtime.handlers.sweep:is_unfinished", _wrap(_under_way)),),
    ),
    Planted("versions of one second have no order", (("runtime.decision:is_newer", _wrap(_by_seconds)),)),
    Planted(
        "an older file replaces a newer one",
        (
            ("runtime.overtaken:newer_delivery", _always(None)),
            ("runtime.decision:newer_delivery", _always(None)),
        ),
    ),
)


def seeds() -> dict[str, tuple[int, str]]:
    """Return, by planted bug, the seed that finds it and the rule that it breaks."""
    return {name: (found["seed"], found["rule"]) for name, found in json.loads(SEEDS.read_text()).items()}


def with_bug(bug: Planted, seed: int) -> Outcome:
    """Simulate a seed's schedule with a bug in the runtime."""
    with edge.attached(), plant(bug):
        return simulate(generate(seed))


def search(bug: Planted, among: range) -> tuple[int, str] | None:
    """Return the first seed that finds a bug, and the broken rule, which holds without the bug."""
    with edge.attached():
        for seed in among:
            with plant(bug):
                outcome = simulate(generate(seed))
            rules = [each.rule for each in outcome.violations]
            if rules and "mistake" not in rules and not simulate(generate(seed)).violations:
                return seed, rules[0]
    return None


def _search(number: int) -> tuple[str, int | None, str]:
    bug = PLANTED[number]
    return bug.name, *(search(bug, range(_TRIES)) or (None, ""))


def main() -> None:
    """Search for the seeds of all planted bugs (or the named ones) on all cores, and store them."""
    wanted = [n for n, bug in enumerate(PLANTED) if not sys.argv[1:] or bug.name in sys.argv[1:]]
    known = json.loads(SEEDS.read_text()) if SEEDS.exists() and sys.argv[1:] else {}
    with multiprocessing.get_context("spawn").Pool(maxtasksperchild=1) as pool:
        for name, seed, rule in pool.imap_unordered(_search, wanted, chunksize=1):
            print(f"{name}: {f'seed {seed}, {rule}' if seed is not None else 'NOT FOUND'}", flush=True)
            if seed is not None:
                known[name] = {"seed": seed, "rule": rule}
    SEEDS.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
