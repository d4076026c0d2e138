"""Events that too few schedules have for every share of them to have one: seeds at which they happen."""

import pytest

from tests.simulation import hunt


@pytest.mark.parametrize(
    ("event", "seed"),
    [
        ("customers who needed the lost region for nothing", 658),
        ("twice: sent to both regions at once", 731),
    ],
)
def test_a_rare_event_happens_and_breaks_no_rule(event, seed):
    tally = hunt.run([seed])
    assert tally.counts[event] > 0
    assert tally.failures == {}
