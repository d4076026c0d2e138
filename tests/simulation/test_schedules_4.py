"""The fourth quarter of the simulated schedules."""

from tests.simulation import shares


def test_no_rule_is_broken() -> None:
    shares.check(3)
