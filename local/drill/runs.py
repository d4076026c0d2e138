"""What a scenario leaves when it has been played: a record that the report and the tables are made of.

All times are seconds of this machine, in which the platform's own time runs faster: see `Run.scale`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class TimelineEvent:
    """Something that happened, seconds after the scenario began."""

    at: float
    who: str  # operator, platform, client, partner or dns
    what: str


@dataclass(frozen=True, kw_only=True)
class AnswerChange:
    """A name that changed its answer: what it answers from then on, seconds after the scenario began."""

    name: str
    type: str  # CNAME or TXT
    at: float
    side: str  # east, west, or none


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What became of one acknowledged file: who delivered it, and how often to one destination."""

    file: str
    acknowledged_in: str
    fate: str
    delivered_by: str
    sent: int


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What the operator's decision led to, in seconds after it; None where it did not come to that.

    `decision_at` is in seconds after the scenario began. `rpo_files` are the acknowledged files of which a
    fact or the object had not replicated when the region died, `rpo_ages` their ages then.
    """

    decision_at: float | None = None
    dns_moved: float | None = None
    first_delivered: float | None = None
    all_accounted: float | None = None
    rpo_files: int | None = None
    rpo_ages: list[float] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Fared:
    """How the clients of one kind fared: uploads that they tried, and where those were acknowledged.

    `reached_survivor_after` is in seconds after the operator's decision, of the last of them to get there;
    None while one of them has not.
    """

    kind: str
    asked: int
    failed: int
    acknowledged: int
    by_side: dict[str, int]
    reached_survivor_after: float | None


@dataclass(frozen=True, kw_only=True)
class Run:
    """One scenario, played once. `calls` counts the calls of each operators' verb, by what was called."""

    scenario: str
    title: str
    held: bool
    seconds: float
    scale: dict[str, int]
    expectations: list[tuple[str, bool]]
    timeline: list[TimelineEvent]
    measures: Measures
    answers: list[AnswerChange]
    transfers: list[Fate]
    clients: list[Fared]
    calls: dict[str, dict[str, int]]

    def document(self) -> dict[str, Any]:
        """Return it as the JSON document tells it."""
        return asdict(self)
