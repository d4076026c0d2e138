"""What is committed for the loss of a region, computed from the constants that the program deploys.

Pure, and at production settings. What a drill measures in scaled time is never compared with it.
"""

from __future__ import annotations

from dataclasses import dataclass

from runtime import canary
from runtime.timing import (
    FACTS_SECONDS,
    REPLICATION_MINUTES,
    SWITCH_INTERVAL,
    SWITCH_LOOKS,
    SWITCH_MINUTES,
    SWITCH_PERIOD,
    SWITCH_PERIODS,
    TTL_LIMIT,
)

#: Seconds allowed for Route 53 to evaluate what it sees and to have all its name servers answer accordingly:
#: the standard interval of health checks. Route 53 publishes no figure and promises none
#: (https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html).
EVALUATION = 30


@dataclass(frozen=True, kw_only=True)
class Commitment:
    """One measure: the terms of its formula, each with its seconds, and what the figure is based on."""

    measure: str
    terms: tuple[tuple[str, int], ...]
    basis: str

    @property
    def seconds(self) -> int:
        """The figure, in seconds."""
        return sum(seconds for _, seconds in self.terms)

    @property
    def formula(self) -> str:
        """The sum in words, e.g. `60 s metric period + 30 s evaluation`."""
        return " + ".join(f"{seconds} s {term}" for term, seconds in self.terms)

    @property
    def figure(self) -> str:
        """The figure with its unit, e.g. `150 s`, or `15 min` from ten minutes on."""
        whole, rest = divmod(self.seconds, 60)
        return f"{whole} min" if whole >= 10 and not rest else f"{self.seconds} s"


_BY_METRIC = ("metric period", SWITCH_PERIOD * SWITCH_PERIODS)
_BY_OBJECT = ("checkers' interval", SWITCH_INTERVAL * SWITCH_LOOKS)
#: `ops evacuate` changes the parameter; the object follows when the switch's function next reads that.
_PUBLISHED = ("publication", SWITCH_MINUTES * 60)
_JUDGED = ("evaluation", EVALUATION)
_KEPT = ("TTL", TTL_LIMIT)
_CARRIED = ("delivery of a small file", canary.LIMIT)
_OURS = "committed"

#: Every measure, in the order in which it matters in an incident. RTO counts from the operator's decision.
COMMITMENTS = (
    Commitment(measure="RTO, decision to DNS moved", terms=(_BY_METRIC, _JUDGED, _KEPT), basis=_OURS),
    Commitment(
        measure="RTO, decision to DNS moved, where an object says it",
        terms=(_PUBLISHED, _BY_OBJECT, _JUDGED, _KEPT),
        basis=_OURS,
    ),
    Commitment(
        measure="RTO, decision to first file delivered by the survivor",
        terms=(_BY_METRIC, _JUDGED, _KEPT, _CARRIED),
        basis=_OURS,
    ),
    Commitment(
        measure="Decision to takeover begun, of a region declared lost",
        terms=(("takeover interval", SWITCH_MINUTES * 60),),
        basis=_OURS,
    ),
    Commitment(
        measure="RPO, objects",
        terms=(("S3 Replication Time Control", REPLICATION_MINUTES * 60),),
        basis="S3: 99.99 % of objects",
    ),
    Commitment(
        measure="RPO, facts of the tracker",
        terms=(("global table", FACTS_SECONDS),),
        basis="typical; AWS has no SLA",
    ),
)
