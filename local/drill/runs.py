"""The records of scenarios that were played, from which the report and the tables are made.

All times are in seconds of this machine, on which the platform's own time runs faster: see `Run.scale`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class TimelineEvent:
    """Something that happened; `at` is in seconds after the scenario began."""

    at: float
    who: str  # operator, platform, client, partner or dns
    what: str


@dataclass(frozen=True, kw_only=True)
class AnswerChange:
    """A name that changed its answer to `side`; `at` is in seconds after the scenario began."""

    name: str
    type: str  # CNAME or TXT
    at: float
    side: str  # east, west, or none


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What became of one acknowledged file, who delivered it, and how often at most to one destination."""

    file: str
    acknowledged_in: str
    fate: str
    delivered_by: str
    sent: int


@dataclass(frozen=True, kw_only=True)
class Measures:
    """Times in seconds after the operator's decision; None where it did not come to that.

    `decision_at` is in seconds after the scenario began. `rpo_files` counts the acknowledged files whose
    object or RECEIVED fact had not replicated when the region died; `rpo_ages` are their ages then.
    """

    decision_at: float | None = None
    dns_moved: float | None = None
    first_delivered: float | None = None
    all_accounted: float | None = None
    rpo_files: int | None = None
    rpo_ages: list[float] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class ClientCounts:
    """The uploads that clients of one kind tried, and where they were acknowledged.

    `reached_survivor_after` is when the survivor first acknowledged a file, in seconds after the operator's
    decision; None if it has not.
    """

    kind: str
    asked: int
    failed: int
    acknowledged: int
    by_side: dict[str, int]
    reached_survivor_after: float | None


@dataclass(frozen=True, kw_only=True)
class Run:
    """One scenario, played once. `calls` counts the AWS calls of each `ops` verb, by operation."""

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
    clients: list[ClientCounts]
    calls: dict[str, dict[str, int]]

    def document(self) -> dict[str, Any]:
        """Return the record as plain data for JSON."""
        return asdict(self)
