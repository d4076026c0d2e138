"""What each gap means for a restore: the whole table, kind by kind and cause by cause."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ops.recovery.causes import CATCHES_UP, Bearing, Cause, bearing, cause_of
from ops.recovery.reconcile import Gap, GapKind, Seen
from runtime.contract import Kind, Outcome
from runtime.facts import Fact

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TRANSFER = "20260302T060000Z-0123456789abcdef0123"

PASSES, OVERRIDABLE, WAITS = Bearing.PASSES, Bearing.OVERRIDABLE, Bearing.WAITS


def fact(kind: Kind, destination: str = "", **detail: object) -> Fact:
    at = NOW.isoformat()
    return Fact(
        file="f",
        transfer=TRANSFER,
        kind=kind,
        customer="c",
        key="inbound/sdk/a.csv",
        side="west",
        writer=f"{kind}{destination}",
        at=at,
        expires=2**31,
        destination=destination,
        detail=dict(detail),
    )


RECEIVED = fact(Kind.RECEIVED, destinations=["one", "two"])
DELIVERED, FAILED, HELD = (fact(kind, "one") for kind in (Kind.DELIVERED, Kind.FAILED, Kind.HELD))
TWO_FAILED, TWO_HELD = fact(Kind.FAILED, "two"), fact(Kind.HELD, "two")
TOLD, TOLD_HELD = (fact(Kind.RECEIPT, outcome=each.value) for each in (Outcome.FAILED, Outcome.HELD))
TOLD_LATER, TOLD_HELD_LATER = (replace(each, at=(NOW + HOUR).isoformat()) for each in (TOLD, TOLD_HELD))
#: For a gap of this kind: its facts, whether S3 is still to replicate it, its age, its cause.
ROWS = [
    (GapKind.REPLICATING, (RECEIVED,), True, 0, Cause.YOUNG),
    (GapKind.RECORD_MISSING, (RECEIVED,), False, 1, Cause.REPLICATION),
    (GapKind.RECORD_MISSING, (RECEIVED,), True, 25, Cause.NO_REPLICATION),
    (GapKind.INBOUND_MISSING, (RECEIVED,), True, 1, Cause.REPLICATION),
    (GapKind.INBOUND_MISSING, (RECEIVED,), False, 1, Cause.NO_REPLICATION),
    (GapKind.INBOUND_MISSING, (RECEIVED,), True, 25, Cause.NO_REPLICATION),
    (GapKind.ARCHIVE_MISSING, (RECEIVED,), True, 1, Cause.REPLICATION),
    (GapKind.ARCHIVE_MISSING, (RECEIVED,), False, 1, Cause.NO_REPLICATION),
    (GapKind.ARCHIVE_MISSING, (RECEIVED,), True, 25, Cause.NO_REPLICATION),
    (GapKind.UNKNOWN, (), True, 1, Cause.NOT_TAKEN_IN),
    (GapKind.UNDELIVERED, (TOLD,), True, 1, Cause.UNFINISHED),  # no fact names its destinations
    (GapKind.UNDELIVERED, (RECEIVED, DELIVERED, TOLD), True, 1, Cause.UNFINISHED),
    (GapKind.UNDELIVERED, (RECEIVED, DELIVERED, TWO_FAILED, TOLD), True, 1, Cause.TOLD),
    (GapKind.UNDELIVERED, (RECEIVED, FAILED, TWO_FAILED, TOLD_LATER, TOLD_HELD), True, 25, Cause.TOLD),
    (GapKind.UNDELIVERED, (RECEIVED, FAILED, TWO_FAILED, TOLD, TOLD_HELD_LATER), True, 1, Cause.UNTOLD),
    (GapKind.UNDELIVERED, (RECEIVED, FAILED, TWO_FAILED), True, 1, Cause.UNTOLD),
    (GapKind.UNDELIVERED, (RECEIVED, FAILED, TWO_FAILED, TOLD_HELD), True, 1, Cause.UNTOLD),
    (GapKind.UNDELIVERED, (RECEIVED, FAILED, TWO_HELD, TOLD), True, 1, Cause.HELD),
    (GapKind.UNDELIVERED, (RECEIVED, HELD), True, 1, Cause.HELD),
    (GapKind.UNRENAMED, (RECEIVED, TOLD), True, 25, Cause.TOLD),
    (GapKind.UNRENAMED, (), True, 25, Cause.UNTOLD),
]
BEARINGS = {
    Cause.YOUNG: PASSES,
    Cause.TOLD: PASSES,
    Cause.REPLICATION: WAITS,
    Cause.NO_REPLICATION: OVERRIDABLE,
    Cause.UNTOLD: OVERRIDABLE,
    Cause.HELD: OVERRIDABLE,
    Cause.UNFINISHED: OVERRIDABLE,
    Cause.NOT_TAKEN_IN: OVERRIDABLE,
}


@pytest.mark.parametrize(("kind", "facts", "is_pending", "hours", "cause"), ROWS)
def test_the_cause_of_a_gap(kind, facts, is_pending, hours, cause):
    since = NOW - timedelta(hours=hours)
    gap = Gap(finding=kind, transfer=TRANSFER, key="k", where="w", since=since, side="east")
    seen = Seen(transfer=TRANSFER, key="k", facts=facts)
    assert cause_of(gap, seen, is_pending=lambda: is_pending, now=NOW) is cause


def test_every_kind_and_every_cause_is_in_the_table():
    assert {kind for kind, *_ in ROWS} == set(GapKind)
    assert {cause for *_, cause in ROWS} == set(Cause)
    assert {cause: bearing(cause) for cause in Cause} == BEARINGS
    assert timedelta(days=1) == CATCHES_UP
