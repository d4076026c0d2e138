"""Replays: planning which transfers are carried again, and carrying out exactly what was planned."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ops.plan import RefusedError, digest
from ops.plan_store import outdated
from ops.recovery.inventory import recorded
from ops.recovery.regions import Regions
from ops.recovery.replay import FactsChangedError, ReplayVerdict
from ops.recovery.window import Window
from runtime.contract import below_inbound, file_id
from runtime.facts import Fact, Status, lacks, status
from runtime.patterns import matches

#: What operators call the states of transfers. One that failed at one destination and is held by another is
#: in both.
STATES = {
    "failed": frozenset({Status.FAILED}),
    "held": frozenset({Status.HELD}),
    "undelivered": frozenset({Status.FAILED, Status.HELD, Status.UNDER_WAY}),
    "delivered": frozenset({Status.DELIVERED, Status.DUPLICATE}),
}
_SCHEMA = 2
_AT_ONCE = 8


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which transfers of a customer are looked at; empty filters let everything through.

    `state` is one of STATES, `key` a pattern on the key below `inbound/`.
    """

    customer: str
    window: Window
    state: str = ""
    key: str = ""
    transfers: Collection[str] = ()

    def __contains__(self, facts: Sequence[Fact]) -> bool:
        """Return whether a transfer, by its facts, is looked at."""
        one = facts[0]
        return (
            (not self.transfers or one.transfer in self.transfers)
            and (not self.key or matches(self.key, below_inbound(one.key)))
            and (not self.state or bool({status(facts), *lacks(facts)} & STATES[self.state]))
        )


@dataclass(frozen=True, kw_only=True)
class ReplayPlan:
    """What is to be carried again. `planned` is when the plan was made: no two plans are the same."""

    customer: str
    planned: str
    force: bool
    steps: tuple[ReplayVerdict, ...]

    @cached_property
    def document(self) -> dict[str, dict[str, Any]]:
        """The plan by transfer, and by customer what holds for all of it; the digest stands for it."""
        whole = {self.customer: {"planned": self.planned, "force": self.force}}
        return whole | {step.transfer: asdict(step) for step in self.steps}

    @cached_property
    def digest(self) -> str:
        """The digest of the plan."""
        return digest(self.document)

    def why(self, reason: str) -> str:
        """Return the reason as it is recorded, with the plan."""
        return f"{reason} (plan {self.digest}{', forced' if self.force else ''})"

    def write(self, path: Path) -> None:
        """Write the plan to a file; RefusedError when that cannot be written."""
        try:
            path.write_text(f"{json.dumps(self._file(), indent=1)}\n")
        except OSError as error:
            raise RefusedError(f"{path} cannot be written: {error.strerror}") from error

    @classmethod
    def read(cls, path: Path) -> ReplayPlan:
        """Return the plan in a file; RefusedError when there is none."""
        try:
            document = json.loads(path.read_text())
        except OSError as error:
            raise RefusedError(f"{path} cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise RefusedError(f"{path} is no plan of `mft-ops replay plan`: {error}") from error
        try:
            if document.pop("schema") != _SCHEMA:
                raise RefusedError(f"{path} was written by another version of this tool: plan again")
            return cls(**{**document, "steps": tuple(map(ReplayVerdict.parse, document["steps"]))})
        except (AttributeError, KeyError, TypeError) as error:
            raise RefusedError(f"{path} is no plan of `mft-ops replay plan`: {error!r}") from error

    def _file(self) -> dict[str, Any]:
        return {
            "schema": _SCHEMA,
            "customer": self.customer,
            "planned": self.planned,
            "force": self.force,
            "steps": [asdict(step) for step in self.steps],
        }


def look(regions: Regions, wanted: Wanted, *, force: bool) -> Iterator[ReplayVerdict]:
    """Yield the verdict on each transfer that is wanted, in the order of time."""
    trackers = [store.tracker for store in regions.stores(wanted.customer)]
    for facts in recorded(wanted.customer, trackers, wanted.window.since, wanted.window.until):
        if facts in wanted:
            yield regions.replay.verdict(facts, force=force)


@dataclass(frozen=True, kw_only=True)
class StartPace:
    """So many starts a second; `sleep` and `clock` are those of the machine."""

    rate: float
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def of(self, steps: Sequence[ReplayVerdict]) -> Iterator[ReplayVerdict]:
        """Yield steps no faster than the rate, the first at once."""
        due = self.clock()
        for step in steps:
            if (wait := due - self.clock()) > 0:
                self.sleep(wait)
            due = max(due, self.clock()) + 1 / self.rate
            yield step


class Application:
    """Carrying out a plan for a reason, which may be done again until all of it is done."""

    def __init__(self, regions: Regions, plan: ReplayPlan, *, reason: str) -> None:
        self._regions, self._plan, self._why = regions, plan, plan.why(reason)

    def confirm(self, checked: Callable[[], None]) -> None:
        """Raise RefusedError, which says what has changed, unless everything is as it was planned.

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
        """Carry out each step; yield it, its execution's name or what changed, and whether it is done."""
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
