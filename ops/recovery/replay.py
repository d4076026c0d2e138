"""Replay: delivering transfers again that did not reach their destinations, by an operator's decision.

There is a verdict on each transfer: skip it, deliver it, or ask a person. A transfer to be delivered again is
first reopened by a REPLAYED fact, which says who decided and why. Then an execution of its own delivers it,
after asking each destination whether it has the file (runtime/release.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Any, assert_never

from runtime import objects
from runtime.contract import REGION_OF, Kind, peer_of
from runtime.executions import Executions, Purpose, first
from runtime.facts import Fact, Status, describe, lacks, settles, standing, status, unknown_kinds
from runtime.history import History
from runtime.overtaken import UNCLEAR
from runtime.release import Release, ReleaseDecision
from runtime.tracker import Tracker
from runtime.transfer import Transfer


class Choice(StrEnum):
    """What is to be done with a transfer."""

    SKIP = "skip"
    DELIVER = "deliver"
    ASK = "ask"


class FactsChangedError(RuntimeError):
    """The facts that were decided on have changed; the message says how."""


class NoRegionError(LookupError):
    """No region can deliver a transfer again; the message says why."""


@dataclass(frozen=True, kw_only=True)
class ReplayVerdict:
    """What is to be done with a transfer, and why; `side` is that of the region that would do it.

    `over` are the sort keys of the facts that would be set aside at `destinations`.
    """

    transfer: str
    key: str
    choice: Choice
    why: str
    side: str = ""
    destinations: tuple[str, ...] = ()
    over: tuple[str, ...] = ()

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> ReplayVerdict:
        """Return the verdict from a document that was made with `asdict` and JSON."""
        about = {name: tuple(document[name]) for name in ("destinations", "over")}
        return cls(**{**document, **about, "choice": Choice(document["choice"])})


@dataclass(frozen=True, kw_only=True)
class ReplayRegion:
    """One region's tracker, files and workflow."""

    tracker: Tracker
    executions: Executions
    s3: Any


class Replay:
    """Replays through `regions`, by side: those that answer and are not declared lost."""

    def __init__(self, regions: Mapping[str, ReplayRegion], *, out: Collection[str] = ()) -> None:
        """`out` are the sides that an operator has declared lost: their peers replay for them."""
        self.regions, self._out = regions, out

    def verdict(self, facts: Sequence[Fact], *, force: bool = False) -> ReplayVerdict:
        """Return the verdict on the transfer with these facts. Changes nothing.

        With `force`, transfers that were delivered or are held are delivered again; but never one that was
        rejected, or that an execution is delivering at this moment.
        """
        said = _Facts(facts)
        match said.status:
            case Status.REJECTED:
                return said.verdict(Choice.SKIP, "it was rejected; the customer must send it again")
            case Status.DELIVERED | Status.DUPLICATE:
                is_served = True
            case Status.UNDER_WAY | Status.FAILED | Status.HELD:
                is_served = False
            case _:
                assert_never(said.status)
        if said.received is None or not said.wanted:
            return said.verdict(Choice.ASK, "no fact says what was submitted and where it should go")
        if is_served and not force:
            return said.verdict(Choice.SKIP, f"{said.status} to {', '.join(said.wanted)}")
        if cell := next((fact.carried_from for fact in facts if fact.carried_from), None):
            return said.verdict(
                Choice.ASK,
                f"cell {cell} received it, before the customer moved here, and its file cannot be read here;"
                " the customer must send it again",
            )
        if not (force or said.failed or said.open):
            return said.verdict(Choice.ASK, f"held by {', '.join(said.held)}; decide with mft-ops release")
        if said.unknown and not is_served:
            kinds = ", ".join(said.unknown)
            return said.verdict(
                Choice.ASK, f"{UNCLEAR.format(kinds)}; replay it with the tools of that version"
            )
        if said.open and (running := self._running(said)):
            return said.verdict(Choice.SKIP, f"{running} is delivering it")
        try:
            side = self.side(said.received)
        except NoRegionError as error:
            return said.verdict(Choice.ASK, str(error))
        chosen = said.wanted if force else said.failed + said.open
        over = tuple(sorted(fact.sort_key for fact in said.ends if fact.destination in chosen))
        why = f"{said.status}: {', '.join(chosen)}" if force else describe(said.waiting)
        return said.verdict(Choice.DELIVER, why, side=side, destinations=chosen, over=over)

    def change(self, verdict: ReplayVerdict, *, file: str, force: bool, why: str) -> str | None:
        """Return in words what has changed since a verdict, or None; its own plan's start is not a change."""
        return self._change(verdict, self._facts(file, verdict.transfer), force, why)

    def carry_out(self, verdict: ReplayVerdict, *, file: str, force: bool, who: str, why: str) -> str:
        """Deliver as a verdict says; return the name of the execution.

        May be repeated: `why`, which is unique to the plan, identifies what was already started. Raises
        FactsChangedError if the facts, or the regions that can deliver, have changed since the verdict.
        """
        facts = self._facts(file, verdict.transfer)
        if changed := self._change(verdict, facts, force, why):
            raise FactsChangedError(changed)
        region = self.regions[verdict.side]
        received = next(fact for fact in facts if fact.kind is Kind.RECEIVED)
        release = Release(tracker=region.tracker, executions=region.executions)
        return release.reopen(
            Transfer.here(received, verdict.side),
            verdict.destinations,
            [fact for fact in facts if fact.sort_key in verdict.over],
            ReleaseDecision.RESEND,
            history=History(facts=tuple(facts), lease=region.tracker.history(file, verdict.transfer).lease),
            who=who,
            why=why,
            name=_begun(facts, why),
        )

    def _change(self, was: ReplayVerdict, facts: Sequence[Fact], force: bool, why: str) -> str | None:
        if was.side not in self.regions:
            return f"{was.key} ({was.transfer}): {REGION_OF[was.side]} is out, or does not answer"
        if _begun(facts, why):
            return None
        if not facts:
            return f"{was.key} ({was.transfer}): there are no facts about it any more"
        now = self.verdict(facts, force=force)
        return None if now == was else _difference(was, now)

    def side(self, received: Fact) -> str:
        """Return the side that delivers a transfer again: the one that received it, or its peer.

        The peer does if the region is declared lost or no longer has the file. Raises NoRegionError.
        """
        owner = received.side
        if owner not in self.regions and owner not in self._out:
            raise NoRegionError(f"{REGION_OF[owner]} received it, does not answer, and is not declared lost")
        for side in (owner, peer_of(owner)):
            region = self.regions.get(side)
            if region and _has(region.s3, Transfer.here(received, side)):
                return side
        raise NoRegionError("no copy is left in inbound; the customer must send it again")

    def _facts(self, file: str, transfer: str) -> list[Fact]:
        """Return the union of the facts about a transfer in the regions' replicas."""
        known = {
            fact.sort_key: fact
            for region in self.regions.values()
            for fact in region.tracker.facts_of(file, transfer)
        }
        return [known[name] for name in sorted(known)]

    def _running(self, said: _Facts) -> str | None:
        """Return the name of an execution that is delivering a transfer at this moment, or None."""
        transfer = said.facts[0].transfer
        names = [
            first(transfer),
            f"{transfer}-{Purpose.TAKEOVER}-1",
            *sorted({f.writer for f in said.replayed}),
        ]
        for region, name in product(self.regions.values(), names):
            run = region.executions.find(name)
            if run is not None and run.ended is None:
                return name
        return None


class _Facts:
    """What follows from the facts of one transfer."""

    def __init__(self, facts: Sequence[Fact]) -> None:
        self.facts = facts
        self.status = status(facts)
        received = (fact for fact in facts if fact.kind is Kind.RECEIVED)
        self.received = min(received, key=lambda fact: fact.sort_key, default=None)
        self.replayed = [fact for fact in facts if fact.kind is Kind.REPLAYED]
        self.ends = [fact for fact in standing(facts) if settles(fact.kind)]
        self.wanted: tuple[str, ...] = tuple(self.received.detail["destinations"]) if self.received else ()
        self.unknown = unknown_kinds(facts)
        self.held: tuple[str, ...] = ()
        self.failed: tuple[str, ...] = ()
        self.open: tuple[str, ...] = ()
        #: What a replay is for: the destinations that failed, and those that are still open.
        self.waiting: dict[Status, tuple[str, ...]] = {}
        for is_so, names in lacks(facts).items():
            match is_so:
                case Status.HELD:
                    self.held = names
                case Status.FAILED:
                    self.failed = self.waiting[is_so] = names
                case Status.UNDER_WAY:
                    self.open = self.waiting[is_so] = names
                case Status.DELIVERED | Status.DUPLICATE | Status.REJECTED:
                    pass  # nothing is lacking
                case _:
                    assert_never(is_so)

    def verdict(self, choice: Choice, why: str, **about: Any) -> ReplayVerdict:
        one = self.facts[0]
        return ReplayVerdict(transfer=one.transfer, key=one.key, choice=choice, why=why, **about)


def _begun(facts: Iterable[Fact], why: str) -> str | None:
    """Return the name of the execution that the plan named in `why` has started, or None."""
    plan = _plan_of(why)
    return next(
        (
            fact.writer
            for fact in facts
            if fact.kind is Kind.REPLAYED and _plan_of(fact.detail["why"]) == plan
        ),
        None,
    )


def _plan_of(why: str) -> str:
    """Return what names the plan at the end of a recorded reason: it may be resumed for another reason."""
    return why.rpartition(" (plan ")[2]


def _difference(was: ReplayVerdict, now: ReplayVerdict) -> str:
    """Return in words how a verdict has changed."""
    if (was.choice, was.why) != (now.choice, now.why):
        return f"{was.key} ({was.transfer}): was {was.choice} ({was.why}), is {now.choice} ({now.why})"
    if was.side != now.side:
        there = f"{REGION_OF[was.side]} would have done it, now {REGION_OF[now.side]} would"
        return f"{was.key} ({was.transfer}): {there}"
    more = sorted(set(now.over) ^ set(was.over))
    return f"{was.key} ({was.transfer}): its facts changed: {', '.join(more)}"


def _has(s3: Any, transfer: Transfer) -> bool:
    return objects.head(s3, transfer.bucket, transfer.key, transfer.version_id) is not None
