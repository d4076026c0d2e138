"""Gaps: what is wrong with a transfer, judged by what the regions hold of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ops.acceptance_names import ACCEPTANCE, is_of_acceptance
from ops.recovery.reconcile import GRACE, Gap, GapKind, Seen, Stored, gaps
from runtime import contract
from runtime.contract import EAST, SIDES, WEST, Kind, peer_of
from runtime.facts import Fact
from runtime.routing import RoutingDocument
from runtime.transfer import Transfer

SDK = "inbound/sdk/a.csv"
OLD = timedelta(hours=1)


NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
LONG_AGO = NOW - OLD
CUSTOMER = RoutingDocument(
    id="c001",
    routes=(),
    destinations={},
    temporary_names=("*.tmp",),
    policy="content",
    window=timedelta(hours=1),
    inbound_days=14,
    archive_days=30,
    tracker_days=90,
    receipts_topic="",
)


def transfer(at: datetime = LONG_AGO, to: tuple[str, ...] = ("partner",)) -> Transfer:
    file = contract.file_id("c001", SDK)
    return Transfer(
        id=contract.transfer_id(file, "v1", at),
        file=file,
        customer="c001",
        bucket="mft-c001-west",
        key=SDK,
        version_id="v1",
        size=3,
        etag="e",
        destinations=to,
        expires=int((at + timedelta(days=90)).timestamp()),
    )


def fact(kind: Kind, about: Transfer, at: datetime = LONG_AGO, destination: str = "", **detail: Any) -> Fact:
    if kind is Kind.RECEIVED:
        detail = {"destinations": list(about.destinations), "size": about.size}
    made = about.fact(kind, side=WEST, writer="w", destination=destination, **detail)
    return replace(made, at=at.isoformat())


def carried(about: Transfer, *kinds: Kind, at: datetime = LONG_AGO) -> tuple[Fact, ...]:
    """Return the facts of a transfer that was received and had these ends at its one destination."""
    wanted = (Kind.RECEIVED, *kinds, Kind.ARCHIVED)
    return tuple(fact(k, about, at, "" if k in (Kind.RECEIVED, Kind.ARCHIVED) else "partner") for k in wanted)


def seen(*facts: Fact, about: Transfer | None = None, **more: Any) -> Seen:
    """Return a transfer that both regions hold completely, except for what is given."""
    about = about or transfer()
    there = {
        "inbound": dict.fromkeys(SIDES, Stored(version_id="v1", size=3)),
        "archived": dict.fromkeys(SIDES, 3),
    }
    return Seen(transfer=about.id, key=SDK, facts=facts, **{**there, **more})


def judged(one: Seen, *, now: datetime = NOW, sides: tuple[str, ...] = SIDES) -> list[tuple[GapKind, str]]:
    return [(gap.finding, gap.where) for gap in gaps(one, customer=CUSTOMER, sides=sides, now=now)]


@pytest.mark.parametrize("end", [Kind.DELIVERED, Kind.DUPLICATE])
def test_a_delivered_transfer_that_is_everywhere_is_complete(end):
    assert judged(seen(*carried(transfer(), end))) == []


def test_a_rejected_transfer_is_expected_nowhere():
    refused = fact(Kind.REJECTED, transfer())
    assert judged(seen(refused, archived={}, inbound={WEST: Stored(version_id="v1", size=1)})) == []


@pytest.mark.parametrize("side", SIDES)
def test_delivered_and_recorded_but_not_in_the_replicated_archive(side):
    """The edge case from the requirements, in either region."""
    one = seen(*carried(transfer(), Kind.DELIVERED), archived={peer_of(side): 3})
    (gap,) = gaps(one, customer=CUSTOMER, sides=SIDES, now=NOW)
    where = f"archive in {contract.REGION_OF[side]}"
    assert gap == Gap(
        finding=GapKind.ARCHIVE_MISSING,
        transfer=transfer().id,
        key=SDK,
        where=where,
        since=LONG_AGO,
        side=side,
    )


def test_an_archived_copy_of_another_size_counts_as_missing():
    one = seen(*carried(transfer(), Kind.DELIVERED), archived={WEST: 3, EAST: 2})
    assert judged(one) == [(GapKind.ARCHIVE_MISSING, "archive in us-gov-east-1")]


@pytest.mark.parametrize("missing", ["archived", "inbound", "unrecorded"])
def test_a_young_transfer_is_replicating_until_fifteen_minutes_have_passed(missing):
    facts = carried(transfer(), Kind.DELIVERED)
    lack = {"unrecorded": {EAST: facts[:1]}} if missing == "unrecorded" else {missing: {WEST: 3}}
    if missing == "inbound":
        lack = {"inbound": {WEST: Stored(version_id="v1", size=3)}}
    one = seen(*facts, **lack)
    for minutes, finding in ((0, GapKind.REPLICATING), (14, GapKind.REPLICATING), (15, None), (16, None)):
        ((found, _),) = judged(one, now=LONG_AGO + timedelta(minutes=minutes))
        assert (found is GapKind.REPLICATING) == (finding is GapKind.REPLICATING), minutes


def test_the_archives_age_counts_from_when_it_was_archived():
    """Its delivery may have been attempted for hours before that."""
    about = transfer(at=NOW - timedelta(hours=3))
    facts = (*carried(about, at=NOW - timedelta(hours=3))[:1], fact(Kind.DELIVERED, about, NOW, "partner"))
    one = seen(
        *facts, fact(Kind.ARCHIVED, about, NOW - timedelta(minutes=14)), about=about, archived={WEST: 3}
    )
    assert judged(one) == [(GapKind.REPLICATING, "archive missing: archive in us-gov-east-1")]
    late = seen(
        *facts, fact(Kind.ARCHIVED, about, NOW - timedelta(minutes=15)), about=about, archived={WEST: 3}
    )
    assert judged(late) == [(GapKind.ARCHIVE_MISSING, "archive in us-gov-east-1")]


def test_a_file_that_never_reached_the_archive_is_missing_in_both():
    """The workflow sends the receipt first, and fails after that."""
    about = transfer()
    one = seen(*carried(about, Kind.DELIVERED)[:2], archived={})
    assert [found for found, _ in judged(one)] == [GapKind.ARCHIVE_MISSING] * 2


@pytest.mark.parametrize("end", [Kind.FAILED, Kind.HELD])
def test_a_failed_or_held_transfer_is_undelivered_at_once(end):
    """It will not be delivered without a person, however young it is."""
    one = seen(*carried(transfer(), end))
    for now in (LONG_AGO, NOW):
        assert judged(one, now=now) == [(GapKind.UNDELIVERED, f"{end.lower()}: partner")]


def test_only_destinations_that_lack_the_file_are_named():
    about = transfer(to=("first", "second", "third"))
    facts = [fact(Kind.RECEIVED, about), fact(Kind.DELIVERED, about, destination="first")]
    facts += [fact(Kind.HELD, about, destination="second"), fact(Kind.DUPLICATE, about, destination="third")]
    assert judged(seen(*facts)) == [(GapKind.UNDELIVERED, "held: second")]


def test_a_failed_destination_is_not_reported_as_held_because_another_one_holds_the_file():
    about = transfer(to=("first", "second", "third"))
    ends = (("first", Kind.HELD), ("second", Kind.FAILED), ("third", Kind.FAILED))
    facts = [fact(Kind.RECEIVED, about), *(fact(kind, about, destination=name) for name, kind in ends)]
    assert judged(seen(*facts)) == [(GapKind.UNDELIVERED, "failed: second, third; held: first")]


def test_an_old_transfer_under_way_is_undelivered_and_expected_in_no_archive():
    one = seen(*carried(transfer())[:1], archived={})
    assert judged(one) == [(GapKind.UNDELIVERED, "under way: partner")]
    ((finding, _),) = judged(one, now=LONG_AGO + GRACE - timedelta(seconds=1))
    assert finding is GapKind.REPLICATING


def test_without_received_the_other_facts_leave_the_file_undelivered():
    one = seen(fact(Kind.DELIVERED, transfer(), destination="partner"))
    assert judged(one) == [(GapKind.UNDELIVERED, "under way: no fact names its destinations")]


def test_an_inbound_copy_that_a_region_lacks():
    one = seen(*carried(transfer(), Kind.DELIVERED), inbound={WEST: Stored(version_id="v1", size=3)})
    assert judged(one) == [(GapKind.INBOUND_MISSING, "inbound in us-gov-east-1")]


def test_a_fact_that_one_replica_lacks():
    facts = carried(transfer(), Kind.DELIVERED)
    one = seen(*facts, unrecorded={EAST: facts[1:]})
    assert judged(one) == [(GapKind.RECORD_MISSING, "ARCHIVED, DELIVERED in us-gov-east-1")]


def test_a_file_without_facts_is_unknown_once_it_is_old():
    one = seen(inbound={WEST: Stored(version_id="v1", size=3)}, archived={})
    assert judged(one) == [(GapKind.UNKNOWN, "inbound in us-gov-west-1")]
    assert judged(one, now=LONG_AGO + timedelta(minutes=14)) == [
        (GapKind.REPLICATING, "unknown to the tracker: inbound in us-gov-west-1")
    ]
    copied = seen(inbound={}, archived={EAST: 3})
    assert judged(copied) == [(GapKind.UNKNOWN, "archive in us-gov-east-1")]


def test_objects_removed_by_lifecycle_rules_and_expired_facts_are_not_gaps():
    facts = carried(transfer(), Kind.DELIVERED)
    for days, lack, missing in (
        (13, {"inbound": {}}, 2),
        (14, {"inbound": {}}, 0),
        (29, {"inbound": {}, "archived": {}}, 2),
        (30, {"inbound": {}, "archived": {}}, 0),
    ):
        assert len(judged(seen(*facts, **lack), now=LONG_AGO + timedelta(days=days))) == missing, days
    outlived = seen(inbound={})
    assert judged(outlived, now=LONG_AGO + timedelta(days=89))
    assert not judged(outlived, now=LONG_AGO + timedelta(days=90))


def test_a_region_that_was_not_asked_lacks_nothing():
    one = seen(
        *carried(transfer(), Kind.DELIVERED),
        inbound={WEST: Stored(version_id="v1", size=3)},
        archived={WEST: 3},
    )
    assert judged(one, sides=(WEST,)) == []
    assert len(judged(one)) == 2


ACCEPTED = f"inbound/sdk/{ACCEPTANCE}1-west-s3.csv"


@pytest.mark.parametrize("ends", [(Kind.DELIVERED,), (Kind.FAILED,), ()])
def test_what_an_acceptance_has_sent_and_removed_is_no_gap(ends):
    gone = {"inbound": {}, "archived": {}}
    facts = carried(transfer(), *ends)
    assert judged(replace(seen(*facts, **gone), key=ACCEPTED)) == []
    assert judged(seen(*facts, **gone)) != []


@pytest.mark.parametrize("left", [{"inbound": {}}, {"archived": {}}])
def test_what_an_acceptance_has_not_removed_is_a_gap_like_others(left):
    one = replace(seen(*carried(transfer(), Kind.DELIVERED), **left), key=ACCEPTED)
    assert len(judged(one)) == len(SIDES)


def test_only_the_name_of_a_file_says_that_it_is_of_an_acceptance():
    assert is_of_acceptance(ACCEPTED)
    assert not is_of_acceptance(f"inbound/sdk/{ACCEPTANCE}1/report.csv")
    assert not is_of_acceptance(f"inbound/sdk/my-{ACCEPTANCE}1.csv")
