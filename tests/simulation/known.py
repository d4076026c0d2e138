"""Bugs of the runtime that the simulator has found and that are not mended yet: what they look like, and why.

Schedules that show nothing else pass, and each case is counted. An entry goes when its bug does; the test
that expects this list to be empty says so until then.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.world import Outcome


@dataclass(frozen=True, kw_only=True)
class Known:
    """A known bug: the rule that it breaks, the pattern of the detail, and what happens."""

    name: str
    rule: str
    detail: str
    why: str


KNOWN: tuple[Known, ...] = ()


def set_known_apart(outcome: Outcome) -> Outcome:
    """Move the violations that are known bugs to the outcome's counts of them."""
    unknown = []
    for violation in outcome.violations:
        for known in KNOWN:
            if known.rule == violation.rule and re.search(known.detail, violation.detail):
                outcome.known[known.name] = outcome.known.get(known.name, 0) + 1
                break
        else:
            unknown.append(violation)
    outcome.violations = unknown
    return outcome
