"""Replay: carrying transfers again that did not reach their destinations, as an operator decided.

For each transfer there is a verdict: skip it, deliver it, or ask, because nobody but a person can tell. What
is delivered again is first opened by a REPLAYED fact, which says who decided and why; then an execution of
its own carries it, which asks each destination before it sends anything (runtime/release.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Any

from runtime import objects
from runtime.contract import REGION_OF, Kind, peer_of
from runtime.executions import TAKEOVER, Executions, first
from runtime.facts import Fact, Status, lacks, standing, status, told
from runtime.release import Release, ReleaseDecision
from runtime.tracker import History, Tracker
from runtime.transfer import Transfer

_ENDS = frozenset({Kind.DELIVERED, Kind.DUPLICATE, Kind.FAILED, Kind.HELD})


class Choice(StrEnum):
    """What is to become of a transfer."""

    SKIP = "skip"
    DELIVER = "deliver"
    ASK = "ask"


class FactsChangedError(RuntimeError):
    """What was decided on is no longer so; the message says what changed."""


class NoRegionError(LookupError):
    """No region can carry a transfer again; the message says why."""


@dataclass(frozen=True, kw_only=True)
class ReplayVerdict:
    """What is to become of a transfer, and why; `side` is the region that would do it.

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
        """Return the verdict of which a document was made with `asdict` and JSON."""
        about = {name: tuple(document[name]) for name in ("destinations", "over")}
        return cls(**{**document, **about, "choice": Choice(document["choice"])})


@dataclass(frozen=True, kw_only=True)
class ReplayRegion:
    """One region's tracker, files and workflow."""

    tracker: Tracker
    executions: Executions
    s3: Any


class Replay:
    """Replays through `regions`, by side: those that answer and are in."""

    def __init__(self, regions: Mapping[str, ReplayRegion], *, out: Collection[str] = ()) -> None:
        """`out` are the sides that an operator has declared lost: their peers replay what was theirs."""
        self.regions, self._out = regions, out

    def verdict(self, facts: Sequence[Fact], *, force: bool = False) -> ReplayVerdict:
        """Return the verdict on one transfer, of which these are all facts. Reads; changes nothing.

        With `force` what was delivered or is held is delivered again. What has not arrived whole, and what an
        execution carries at this moment, is not.
        """
        said = _Facts(facts)
        if said.status is Status.REJECTED:
            return said.verdict(Choice.SKIP, "it was rejected; the customer sends it again")
        if said.received is None:
            return said.verdict(Choice.ASK, "no fact tells what was submitted, and where it should go")
        if said.status in (Status.DELIVERED, Status.DUPLICATE) and not force:
            return said.verdict(Choice.SKIP, f"{said.status} to {', '.join(said.wanted)}")
        if not (force or said.failed or said.open):
            return said.verdict(Choice.ASK, f"held by {', '.join(said.held)}; decide with mft-ops release")
        if said.open and (running := self._running(said)):
            return said.verdict(Choice.SKIP, f"{running} is carrying it")
        try:
            side = self.side(said.received)
        except NoRegionError as error:
            return said.verdict(Choice.ASK, str(error))
        chosen = said.wanted if force else said.failed + said.open
        over = tuple(sorted(fact.sort_key for fact in said.ends if fact.destination in chosen))
        why = f"{said.status}: {', '.join(chosen)}" if force else told(said.waiting)
        return said.verdict(Choice.DELIVER, why, side=side, destinations=chosen, over=over)

    def change(self, verdict: ReplayVerdict, *, file: str, force: bool, why: str) -> str | None:
        """Return in words what has changed since a verdict, or None: what its own plan began is no change."""
        return self._change(verdict, self._facts(file, verdict.transfer), force, why)

    def carry_out(self, verdict: ReplayVerdict, *, file: str, force: bool, who: str, why: str) -> str:
        """Do what a verdict to deliver says; return the name of the execution.

        May be repeated: `why`, which is unique to the plan, tells what of it was done. Raises ChangedError
        when the facts, or the regions that are in, have changed since the verdict.
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
            history=History(facts=tuple(facts), lease=region.tracker.history(file).lease),
            who=who,
            why=why,
            name=_begun(facts, why),
        )

    def _change(self, was: ReplayVerdict, facts: Sequence[Fact], force: bool, why: str) -> str | None:
        if was.side not in self.regions:
            return f"{was.key} ({was.transfer}): {REGION_OF[was.side]} is out, or silent"
        if _begun(facts, why):
            return None
        if not facts:
            return f"{was.key} ({was.transfer}): no fact tells of it any more"
        now = self.verdict(facts, force=force)
        return None if now == was else _difference(was, now)

    def side(self, received: Fact) -> str:
        """Return who carries a transfer again: the region that received it, or its peer.

        The peer does it when the region is out, or has lost the file. Raises NoRegionError.
        """
        owner = received.side
        if owner not in self.regions and owner not in self._out:
            raise NoRegionError(f"{REGION_OF[owner]} received it, does not answer, and is not declared lost")
        for side in (owner, peer_of(owner)):
            region = self.regions.get(side)
            if region and _has(region.s3, Transfer.here(received, side)):
                return side
        raise NoRegionError("no copy of it is left in inbound; the customer sends it again")

    def _facts(self, file: str, transfer: str) -> list[Fact]:
        """Return what the regions know of a transfer, each from its own replica."""
        known = {
            fact.sort_key: fact
            for region in self.regions.values()
            for fact in region.tracker.history(file).facts
            if fact.transfer == transfer
        }
        return [known[name] for name in sorted(known)]

    def _running(self, said: _Facts) -> str | None:
        """Return the execution that carries a transfer at this moment, if one does."""
        transfer = said.facts[0].transfer
        names = [first(transfer), f"{transfer}-{TAKEOVER}-1", *sorted({f.writer for f in said.replayed})]
        for region, name in product(self.regions.values(), names):
            run = region.executions.find(name)
            if run is not None and run.ended is None:
                return name
        return None


class _Facts:
    """What the facts of one transfer say."""

    def __init__(self, facts: Sequence[Fact]) -> None:
        self.facts = facts
        self.status = status(facts)
        self.received = next((fact for fact in facts if fact.kind is Kind.RECEIVED), None)
        self.replayed = [fact for fact in facts if fact.kind is Kind.REPLAYED]
        self.ends = [fact for fact in standing(facts) if fact.kind in _ENDS]
        self.wanted: tuple[str, ...] = tuple(self.received.detail["destinations"]) if self.received else ()
        self.waiting = lacks(facts)
        self.held = self.waiting.pop(Status.HELD, ())
        self.failed = self.waiting.get(Status.FAILED, ())
        self.open = self.waiting.get(Status.UNDER_WAY, ())

    def verdict(self, choice: Choice, why: str, **about: Any) -> ReplayVerdict:
        one = self.facts[0]
        return ReplayVerdict(transfer=one.transfer, key=one.key, choice=choice, why=why, **about)


def _begun(facts: Iterable[Fact], why: str) -> str | None:
    """Return the name of the execution that the plan named in `why` has decided on, if there is one."""
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
