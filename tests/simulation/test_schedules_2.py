"""The second half of the simulated schedules."""

import pytest

from tests.simulation import shares


def test_no_rule_is_broken() -> None:
    shares.check(1)


@pytest.mark.exhaustive
def test_no_rule_is_broken_by_many_more() -> None:
    shares.check_the_rest(1)
