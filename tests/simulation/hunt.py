"""Running schedules, one or many: on this core or on all of them."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.simulation import edge
from tests.simulation.schedule import Schedule, generate
from tests.simulation.shrink import shrink
from tests.simulation.world import Outcome, simulate

#: Schedules after which what they left behind is collected; in between nothing is searched for it.
_COLLECT = 50

#: Schedules that a process is given at a time.
_CHUNK = 50


@dataclass
class Tally:
    """What many schedules came to."""

    schedules: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    known: dict[str, int] = field(default_factory=dict)
    failures: dict[int, list[str]] = field(default_factory=dict)

    def add(self, seed: int, outcome: Outcome) -> None:
        """Add one schedule's outcome."""
        self.schedules += 1
        _sum(self.counts, outcome.counts)
        _sum(self.known, outcome.known)
        if outcome.violations:
            self.failures[seed] = [str(each) for each in outcome.violations]

    def join(self, other: Tally) -> None:
        """Add another tally."""
        self.schedules += other.schedules
        _sum(self.counts, other.counts)
        _sum(self.known, other.known)
        self.failures |= other.failures


def run(seeds: Iterable[int]) -> Tally:
    """Run the schedules of some seeds in this process."""
    tally = Tally()
    with edge.attached():
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            for seed in seeds:
                tally.add(seed, simulate(generate(seed)))
                if tally.schedules % _COLLECT == 0:
                    gc.collect()
                    gc.freeze()  # what is left is not a schedule's, and need not be searched again
        finally:
            if was_enabled:
                gc.enable()
    return tally


def run_everywhere(first: int, number: int) -> Iterator[Tally]:
    """Run schedules of `number` seeds from `first` on all cores; yield tallies as they come in."""
    chunks = [range(at, min(first + number, at + _CHUNK)) for at in range(first, first + number, _CHUNK)]
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(len(chunks), os.cpu_count() or 1), initializer=_quiet) as pool:
        yield from pool.imap_unordered(run, chunks)


def replay(schedule: Schedule) -> Outcome:
    """Run one schedule and record everything about it."""
    with edge.attached():
        return simulate(schedule, traced=True)


def smallest(schedule: Schedule, rule: str) -> Schedule:
    """Return a schedule from which nothing more can be taken, and which breaks the same rule."""
    with edge.attached():
        return shrink(schedule, lambda each: rule in {v.rule for v in simulate(each).violations})


def _quiet() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _sum(total: dict[str, int], more: dict[str, int]) -> None:
    for name, number in more.items():
        total[name] = total.get(name, 0) + number
