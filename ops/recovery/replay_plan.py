"""Replay plans: which transfers are to be delivered again, and doing exactly that."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, assert_never

from ops.plan import RefusedError, digest
from ops.plan_store import outdated
from ops.recovery.inventory import recorded
from ops.recovery.regions import Regions
from ops.recovery.replay import FactsChangedError, ReplayVerdict
from ops.recovery.window import Window
from runtime.contract import below_inbound, file_id
from runtime.facts import Fact, Status, lacks, status
from runtime.patterns import matches

_SCHEMA = 2
_AT_ONCE = 8


class State(StrEnum):
    """How operators select transfers. One may be in several: failed at one destination, held by another."""

    FAILED = "failed"
    HELD = "held"
    UNDELIVERED = "undelivered"
    DELIVERED = "delivered"


def states(status: Status) -> tuple[State, ...]:
    """Return the states of a transfer with this status; a rejected one has none."""
    match status:
        case Status.FAILED:
            return State.FAILED, State.UNDELIVERED
        case Status.HELD:
            return State.HELD, State.UNDELIVERED
        case Status.UNDER_WAY:
            return (State.UNDELIVERED,)
        case Status.DELIVERED | Status.DUPLICATE:
            return (State.DELIVERED,)
        case Status.REJECTED:
            return ()
        case _:
            assert_never(status)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which transfers of a customer are considered; an empty filter excludes nothing.

    `key` is a pattern for the key below `inbound/`.
    """

    customer: str
    window: Window
    state: State | None = None
    key: str = ""
    transfers: Collection[str] = ()

    def __contains__(self, facts: Sequence[Fact]) -> bool:
        """Return whether the transfer with these facts is considered."""
        one = facts[0]
        return (
            (not self.transfers or one.transfer in self.transfers)
            and (not self.key or matches(self.key, below_inbound(one.key)))
            and (not self.state or self.state in _states(facts))
        )


def _states(facts: Sequence[Fact]) -> set[State]:
    """Return the states of a transfer: those of its status, and of its state at each destination."""
    return {state for is_so in (status(facts), *lacks(facts)) for state in states(is_so)}


@dataclass(frozen=True, kw_only=True)
class ReplayPlan:
    """What is to be delivered again. `planned` is when the plan was made: no two plans are the same."""

    customer: str
    planned: str
    force: bool
    steps: tuple[ReplayVerdict, ...]

    @cached_property
    def document(self) -> dict[str, dict[str, Any]]:
        """The plan by transfer, and by customer what applies to all of it; the digest is made of it."""
        whole = {self.customer: {"planned": self.planned, "force": self.force}}
        return whole | {step.transfer: asdict(step) for step in self.steps}

    @cached_property
    def digest(self) -> str:
        """The digest of the plan."""
        return digest(self.document)

    def why(self, reason: str) -> str:
        """Return the reason as it is recorded, with the digest of the plan."""
        return f"{reason} (plan {self.digest}{', forced' if self.force else ''})"

    def write(self, path: Path) -> None:
        """Write the plan to a file; RefusedError if it cannot be written."""
        try:
            path.write_text(f"{json.dumps(self._file(), indent=1)}\n")
        except OSError as error:
            raise RefusedError(f"{path} cannot be written: {error.strerror}") from error

    @classmethod
    def read(cls, path: Path) -> ReplayPlan:
        """Return the plan in a file; RefusedError if it has none."""
        try:
            document = json.loads(path.read_text())
        except OSError as error:
            raise RefusedError(f"{path} cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise RefusedError(f"{path} is not a plan of `mft-ops replay plan`: {error}") from error
        try:
            if document.pop("schema") != _SCHEMA:
                raise RefusedError(f"{path} was written by another version of this tool: plan again")
            return cls(**{**document, "steps": tuple(map(ReplayVerdict.parse, document["steps"]))})
        except (AttributeError, KeyError, TypeError) as error:
            raise RefusedError(f"{path} is not a plan of `mft-ops replay plan`: {error!r}") from error

    def _file(self) -> dict[str, Any]:
        return {
            "schema": _SCHEMA,
            "customer": self.customer,
            "planned": self.planned,
            "force": self.force,
            "steps": [asdict(step) for step in self.steps],
        }


def look(regions: Regions, wanted: Wanted, *, force: bool) -> Iterator[ReplayVerdict]:
    """Yield the verdict on each transfer to be considered, in the order of time."""
    trackers = [store.tracker for store in regions.stores(wanted.customer)]
    for facts in recorded(wanted.customer, trackers, wanted.window.since, wanted.window.until):
        if facts in wanted:
            yield regions.replay.verdict(facts, force=force)


@dataclass(frozen=True, kw_only=True)
class StartPace:
    """A limit of `rate` starts a second."""

    rate: float
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def of(self, steps: Sequence[ReplayVerdict]) -> Iterator[ReplayVerdict]:
        """Yield the steps no faster than the rate, the first one immediately."""
        due = self.clock()
        for step in steps:
            if (wait := due - self.clock()) > 0:
                self.sleep(wait)
            due = max(due, self.clock()) + 1 / self.rate
            yield step


class Application:
    """Carries out a plan for a reason. This may be repeated until all of it is done."""

    def __init__(self, regions: Regions, plan: ReplayPlan, *, reason: str) -> None:
        self._regions, self._plan, self._why = regions, plan, plan.why(reason)

    def confirm(self, checked: Callable[[], None]) -> None:
        """Check that nothing has changed since the plan; RefusedError, naming the changes, otherwise.

        `checked` is called after each step.
        """

        def change(step: ReplayVerdict) -> str | None:
            changed = self._regions.replay.change(step, **self._how(step))
            checked()
            return changed

        with ThreadPoolExecutor(_AT_ONCE) as workers:
            changes = [changed for changed in workers.map(change, self._plan.steps) if changed]
        if changes:
            raise outdated(self._plan.digest, changes)

    def run(self, pace: StartPace) -> Iterator[tuple[ReplayVerdict, str, bool]]:
        """Carry out each step; yield it, its execution's name or what has changed, and whether it is done."""
        who = self._regions.who()
        for step in pace.of(self._plan.steps):
            try:
                name = self._regions.replay.carry_out(step, who=who, **self._how(step))
            except FactsChangedError as error:
                yield step, str(error), False
            else:
                yield step, name, True

    def _how(self, step: ReplayVerdict) -> dict[str, Any]:
        plan = self._plan
        return {"file": file_id(plan.customer, step.key), "force": plan.force, "why": self._why}
