"""Releases: an operator's decision about destinations that hold a file, planned and carried out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from ops.plan import RefusedError, digest
from ops.recovery.lookup import FoundFile
from ops.recovery.regions import Regions
from ops.recovery.replay import NoRegionError
from runtime.contract import Kind, UnknownKind, file_id
from runtime.decision import held_for
from runtime.facts import Fact, Status, by_transfer, standing, status, submitted
from runtime.release import NotHeldError, Release, ReleaseDecision
from runtime.transfer import Transfer


@dataclass(frozen=True, kw_only=True)
class ReleasePlan:
    """What is to become of a transfer at the destinations that hold it, and through which region.

    `held` has the reason of each destination; `over` are the sort keys of the facts that are decided on.
    `waiting` are other submissions of the same size, which wait for this decision; `since` are newer ones
    that these destinations have received, with the destination: one of the same size may be the same file.
    """

    customer: str
    key: str
    transfer: str
    decision: ReleaseDecision
    side: str
    held: Mapping[str, str]
    over: tuple[str, ...]
    waiting: tuple[str, ...] = ()
    since: tuple[tuple[str, str], ...] = ()

    @property
    def document(self) -> dict[str, dict[str, Any]]:
        """The plan by transfer, of which the digest is made."""
        return {self.transfer: vars(self)}

    @property
    def digest(self) -> str:
        """The digest of the plan."""
        return digest(self.document)


class Releases:
    """Releases of one transfer, through the regions that answer and are not declared lost."""

    def __init__(self, regions: Regions, file: FoundFile) -> None:
        """`file` must have been found by its transfer."""
        assert file.transfer is not None
        self._regions, self._file, self._transfer = regions, file, file.transfer
        self._file_facts = {fact.sort_key: fact for fact in self._known()}
        self._facts = {
            name: fact for name, fact in self._file_facts.items() if fact.transfer == file.transfer
        }

    def plan(self, decision: ReleaseDecision, destinations: Collection[str]) -> ReleasePlan:
        """Return the plan for these destinations, or for all that hold it; RefusedError if one does not."""
        received = next((fact for fact in self._facts.values() if fact.kind is Kind.RECEIVED), None)
        if received is None:
            raise RefusedError(f"no fact says what was submitted as {self._transfer}")
        try:
            side = self._regions.replay.side(received)
        except NoRegionError as error:
            raise RefusedError(f"{self._transfer} cannot be released: {error}") from error
        held = self._held(decision, side)
        wanted = destinations or held
        if not held or set(wanted) - held.keys():
            by = ", ".join(sorted(held)) or "no destination"
            raise RefusedError(f"{self._transfer} is held by {by}: there is nothing else to release")
        return ReleasePlan(
            customer=self._file.customer,
            key=self._file.key,
            transfer=received.transfer,
            decision=decision,
            side=side,
            held={name: held[name][-1].detail["reason"] for name in sorted(wanted)},
            over=tuple(fact.sort_key for name in sorted(wanted) for fact in held[name]),
            waiting=self._waiting(received, wanted),
            since=self._since(received, wanted),
        )

    def apply(self, plan: ReleasePlan, *, why: str) -> Iterator[tuple[str, str]]:
        """Release each destination; yield it and the execution's name. RefusedError if facts have changed."""
        region, who = self._regions.replay.regions[plan.side], self._regions.who()
        release = Release(tracker=region.tracker, executions=region.executions)
        received = next(fact for fact in self._facts.values() if fact.kind is Kind.RECEIVED)
        transfer = Transfer.here(received, plan.side)
        for destination in plan.held:
            try:
                yield destination, release.release(transfer, destination, plan.decision, who=who, why=why)
            except NotHeldError as error:
                raise RefusedError(f"the facts have changed: {error}") from error

    def _waiting(self, received: Fact, wanted: Collection[str]) -> tuple[str, ...]:
        """Return the other submissions of the file that wait for this one."""
        size = received.detail["size"]
        window = self._regions.customer(received.customer).window
        by_id = by_transfer(self._file_facts.values())
        return tuple(
            other
            for other, its in by_id.items()
            if other != received.transfer
            and status(its) is Status.UNDER_WAY
            and any(fact.kind is Kind.RECEIVED and fact.detail["size"] == size for fact in its)
            and received.transfer
            in held_for(self._file_facts.values(), other, wanted, size=size, window=window)
        )

    def _since(self, received: Fact, wanted: Collection[str]) -> tuple[tuple[str, str], ...]:
        """Return the newer submissions of the same size, within the window, that these destinations have."""
        return tuple(
            (fact.destination, fact.transfer)
            for _, fact in sorted(self._file_facts.items())
            if fact.kind is Kind.DELIVERED
            and fact.destination in wanted
            and submitted(fact.transfer) >= submitted(received.transfer)
            and fact.transfer != received.transfer
            and fact.detail["size"] == received.detail["size"]
        )

    def _held(self, decision: ReleaseDecision, side: str) -> dict[str, list[Fact]]:
        """Return the facts that hold it, by destination, with those that an interrupted release set aside."""
        region, everything = self._regions.replay.regions[side], sorted(self._facts.items())
        served, holding = set(), set()
        for fact in standing(self._facts.values()):
            match fact.kind:
                case UnknownKind():
                    pass
                case Kind.DELIVERED | Kind.DUPLICATE:
                    served.add(fact.destination)
                case Kind.HELD:
                    holding.add(fact.sort_key)
                case Kind.REPLAYED:
                    is_this = fact.detail["decision"] == decision and fact.side == side
                    if is_this and region.executions.find(fact.writer) is None:
                        holding |= set(fact.detail["over"])
                case Kind.RECEIVED | Kind.FAILED | Kind.REJECTED | Kind.ARCHIVED:
                    pass
                case Kind.CONFLICT | Kind.RECEIPT | Kind.CLAIM:
                    pass
                case _:
                    assert_never(fact.kind)
        held: dict[str, list[Fact]] = {}
        for name, fact in everything:
            if name in holding and fact.kind is Kind.HELD and fact.destination not in served:
                held.setdefault(fact.destination, []).append(fact)
        return held

    def _known(self) -> Iterator[Fact]:
        """Yield the facts of the submissions within the window before and after the transfer."""
        file = file_id(self._file.customer, self._file.key)
        window, when = self._regions.customer(self._file.customer).window, submitted(self._transfer)
        for store in self._regions.stores(self._file.customer):
            yield from store.tracker.submitted_between(file, when - window, when + window)
