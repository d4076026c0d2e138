"""The schedules that every run of the tests simulates, in shares: each worker takes whole files."""

from __future__ import annotations

from tests.simulation import hunt

#: Schedules in all, and files that share them.
SCHEDULES, SHARES = 2000, 4

#: What a share goes through at least once: a simulation in which little happens would find little.
_SEEN = {
    "customers who needed the lost region for nothing",
    "delivered",
    "duplicates",
    "facts in audit chains",
    "failed",
    "held: something newer was delivered",
    "notices",
    "released",
    "repaired: replay",
    "repaired: take in",
    "sent again as a notice said",
    "twice: a region was lost",
    "twice: an operator sent it again",
    "twice: the partner's answer was lost",
    "upload events lost",
}


def check(share: int) -> None:
    """Simulate one share; AssertionError with the failing seeds, and how to replay and shrink them."""
    size = SCHEDULES // SHARES
    tally = hunt.run(range(share * size, (share + 1) * size))
    told = [
        f"seed {seed}: {broken[0]}; replay: python -m tests.simulation --seed {seed} 1; "
        f"shrink: python -m tests.simulation --seed {seed} 2"
        for seed, broken in tally.failures.items()
    ]
    assert not told, "\n".join(told)
    assert tally.schedules == size
    assert tally.counts.keys() >= _SEEN
