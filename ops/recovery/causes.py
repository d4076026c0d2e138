"""What a gap came of, and whether it keeps a region out of DNS. Pure.

Only what the outage caused, and replication may still bring, keeps a region out: if customers were sent there
before it arrived, the region would not know what its peer has delivered. What a partner refused and the
customer was told does not. Everything else waits for a person, so an operator may leave it open
(docs/adr/0036-restoring.md).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from ops.recovery.reconcile import Gap, GapKind, Seen
from runtime.contract import Kind, Outcome
from runtime.facts import Status, lacks
from runtime.receipts import told

#: For this long after it was due, replication may still bring what is missing. AWS promises no time for
#: catching up after an outage.
CATCHES_UP = timedelta(days=1)


class Cause(StrEnum):
    """What a gap came of."""

    YOUNG = "due only minutes ago"
    REPLICATION = "replication may still bring it"
    NO_REPLICATION = "replication does not bring it any more"
    TOLD = "not delivered, and the customer was told"
    UNTOLD = "not delivered, and the customer was not told"
    HELD = "held until a person decides"
    UNFINISHED = "not finished by any execution"
    NOT_TAKEN_IN = "not taken in"


class Bearing(StrEnum):
    """What a gap means for the restore of a region: nothing, an operator's sentence, or that it must wait."""

    PASSES = "passes"
    OVERRIDABLE = "overridable"
    WAITS = "waits"


def bearing(cause: Cause) -> Bearing:
    """Return what a gap of this cause means for a restore."""
    match cause:
        case Cause.YOUNG | Cause.TOLD:
            return Bearing.PASSES
        case Cause.REPLICATION:
            return Bearing.WAITS
        case Cause.NO_REPLICATION | Cause.UNTOLD | Cause.HELD | Cause.UNFINISHED | Cause.NOT_TAKEN_IN:
            return Bearing.OVERRIDABLE
        case _:
            assert_never(cause)


def cause_of(gap: Gap, seen: Seen, *, is_pending: Callable[[], bool], now: datetime) -> Cause:
    """Return what a gap of a transfer came of.

    `is_pending` asks S3 whether it is still to replicate the copy that exists of what is missing.
    """
    is_recent = now - gap.since < CATCHES_UP
    match gap.finding:
        case GapKind.REPLICATING:
            return Cause.YOUNG
        case GapKind.RECORD_MISSING:
            return Cause.REPLICATION if is_recent else Cause.NO_REPLICATION
        case GapKind.INBOUND_MISSING | GapKind.ARCHIVE_MISSING:
            return Cause.REPLICATION if is_recent and is_pending() else Cause.NO_REPLICATION
        case GapKind.UNKNOWN:
            return Cause.NOT_TAKEN_IN
        case GapKind.UNDELIVERED:
            return _undelivered(seen)
        case GapKind.UNRENAMED:
            return Cause.TOLD if any(fact.kind is Kind.RECEIPT for fact in seen.facts) else Cause.UNTOLD
        case _:
            assert_never(gap.finding)


def _undelivered(seen: Seen) -> Cause:
    lacking = lacks(seen.facts)
    if Status.HELD in lacking:
        return Cause.HELD
    if Status.UNDER_WAY in lacking or not lacking:
        return Cause.UNFINISHED
    return Cause.TOLD if told(seen.facts) == Outcome.FAILED else Cause.UNTOLD
