"""The schedules that the tests simulate, in shares: each worker takes whole files."""

from __future__ import annotations

from tests.simulation import hunt

#: Schedules that every run of the tests simulates, those of `make test-all`, and files that share them.
SCHEDULES, EXHAUSTIVE, SHARES = 1000, 20_000, 2

#: What has to happen at least once in every share: a simulation in which little happens finds little.
_SEEN = {
    "delivered",
    "duplicates",
    "events lost",
    "executions aborted",
    "facts in audit chains",
    "failed",
    "held: something newer was delivered",
    "notices",
    "released",
    "repaired: replay",
    "sweep: restarted",
    "sweep: taken",
    "sent again as a notice said",
    "twice: a region was lost",
    "twice: an operator sent it again",
    "twice: the partner's answer was lost",
    "upload events lost",
    "waited for a slot",
}


def check(share: int) -> None:
    """Simulate one share; raise AssertionError with the failing seeds, and how to replay and shrink them."""
    _simulate(_share(share, range(SCHEDULES)))


def check_the_rest(share: int) -> None:
    """Simulate one share of the schedules that `make test` leaves out; raise as `check` does."""
    _simulate(_share(share, range(SCHEDULES, EXHAUSTIVE)))


def _share(share: int, seeds: range) -> range:
    size = len(seeds) // SHARES
    return seeds[share * size : (share + 1) * size]


def _simulate(seeds: range) -> None:
    tally = hunt.run(seeds)
    failures = [
        f"seed {seed}: {broken[0]}; replay: python -m tests.simulation --seed {seed} 1; "
        f"shrink: python -m tests.simulation --seed {seed} 2"
        for seed, broken in tally.failures.items()
    ]
    assert not failures, "\n".join(failures)
    assert tally.schedules == len(seeds)
    assert {kind for kind, number in tally.counts.items() if number} >= _SEEN
