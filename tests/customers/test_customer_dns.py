"""The twelve records of a customer, and what Route 53 refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest
from customer_samples import customer
from hypothesis import given
from hypothesis import strategies as st

from customers.dns import Half, Record, halves, violations
from runtime.contract import SIDES, BucketRecord

ZONE = "mft.example.gov"
customers = st.builds(
    lambda id, primary, cell, ttl: customer(id=id, primary=primary, cell=cell, failover={"ttl": ttl}),
    st.sampled_from(["c7k2m", "h4t9q", "r2w6d"]),
    st.sampled_from(SIDES),
    st.sampled_from(["1", "2"]),
    st.integers(1, 60),
)


def both(of) -> list[Half]:
    """Return what the two stacks own together."""
    return [half for side in SIDES for half in halves(of, side, "mft", ZONE)]


def checked(all_halves) -> list[Record]:
    return [Record.of(half, health_check="hc-1") for half in all_halves]


def test_the_six_halves_of_one_side():
    found = {
        (h.name, h.type): (h.failover, h.value) for h in halves(customer(primary="east"), "west", "mft", ZONE)
    }
    host = "sftp.west1.mft.example.gov"
    text = "v=mft1;bucket=mft-c7k2m-west;region=us-gov-west-1"
    assert found == {
        ("east.c7k2m.mft.example.gov", "CNAME"): ("SECONDARY", host),
        ("west.c7k2m.mft.example.gov", "CNAME"): ("PRIMARY", host),
        ("primary.c7k2m.mft.example.gov", "CNAME"): ("SECONDARY", host),
        ("_bucket.east.c7k2m.mft.example.gov", "TXT"): ("SECONDARY", text),
        ("_bucket.west.c7k2m.mft.example.gov", "TXT"): ("PRIMARY", text),
        ("_bucket.primary.c7k2m.mft.example.gov", "TXT"): ("SECONDARY", text),
    }


@given(customers)
def test_both_sides_together_are_whole_pairs(of):
    records = both(of)
    assert len(records) == 12
    assert len({(h.name, h.type, h.set_identifier) for h in records}) == 12
    assert violations(checked(records), ZONE) == []


@given(customers, st.sampled_from(SIDES))
def test_a_half_points_at_its_own_side_whatever_the_role(of, side):
    for half in halves(of, side, "mft", ZONE):
        assert half.set_identifier == side
        assert half.ttl == of.failover.ttl
        if half.type == "TXT":
            record = BucketRecord.parse(half.value)
            assert record.bucket == f"mft-{of.id}-{side}"
            assert record.region == f"us-gov-{side}-1"
        else:
            assert half.value == f"sftp.{side}{of.cell}.{ZONE}"


@given(customers)
def test_a_move_changes_roles_at_primary_and_nothing_else(of):
    moved = of.model_copy(update={"primary": "east" if of.primary == "west" else "west"})
    for before, after in zip(both(of), both(moved), strict=True):
        assert replace(before, failover=after.failover) == after
        assert (before.failover != after.failover) == ("primary." in before.name)


@given(customers)
def test_a_name_and_its_bucket_record_have_the_same_roles(of):
    roles = {(h.name, h.set_identifier): h.failover for h in both(of)}
    for (name, side), role in roles.items():
        if not name.startswith("_bucket."):
            assert roles[f"_bucket.{name}", side] == role


NAME = "primary.c7k2m.mft.example.gov."
WEST = Record(name=NAME, type="CNAME", ttl=60, set_identifier="west", failover="PRIMARY", health_check=True)
EAST = replace(WEST, set_identifier="east", failover="SECONDARY")
REFUSED = {
    "primary without a health check": (
        [replace(WEST, health_check=None), EAST],
        [f"{NAME} CNAME west: A non-alias primary ResourceRecordSet must have an associated health check."],
    ),
    "two primaries": (
        [WEST, replace(EAST, failover="PRIMARY")],
        [
            f"{NAME} CNAME: has 2 PRIMARY records; a failover pair has exactly one",
            f"{NAME} CNAME: has 0 SECONDARY records; a failover pair has exactly one",
        ],
    ),
    "alone": ([WEST], [f"{NAME} CNAME: has 0 SECONDARY records; a failover pair has exactly one"]),
    "one identifier": (
        [WEST, replace(EAST, set_identifier="west")],
        [
            f"{NAME} CNAME: Tried to create resource record set [name='{NAME}', type='CNAME', set"
            " identifier='west'] but it already exists"
        ],
    ),
    "no identifier": (
        [WEST, replace(EAST, set_identifier=None)],
        [f"{NAME} CNAME: Missing field 'SetIdentifier'"],
    ),
    "no TTL": (
        [WEST, replace(EAST, ttl=None)],
        [f"{NAME} CNAME east: has no TTL; every record that is not an alias has one"],
    ),
    "a TXT at the same name": (
        [WEST, EAST, Record(name=NAME, type="TXT", ttl=60)],
        [
            f"{NAME} TXT: RRSet of type TXT with DNS name {NAME} is not permitted because a conflicting"
            " RRSet of"
            " type CNAME with the same DNS name already exists in zone mft.example.gov."
        ],
    ),
    "the same name spelt otherwise": (
        [WEST, EAST, Record(name=NAME.upper().rstrip("."), type="A", ttl=60)],
        [
            f"{NAME} A: RRSet of type A with DNS name {NAME} is not permitted because a conflicting RRSet of"
            " type CNAME with the same DNS name already exists in zone mft.example.gov."
        ],
    ),
    "apex": (
        [Record(name=ZONE, type="CNAME", ttl=60)],
        [
            "mft.example.gov. CNAME: RRSet of type CNAME with DNS name mft.example.gov. is not permitted"
            " at apex in"
            " zone mft.example.gov."
        ],
    ),
    "a plain record beside a pair": (
        [WEST, EAST, Record(name=NAME, type="CNAME", ttl=60)],
        [f"{NAME} CNAME: a record without failover stands beside failover records of the same name and type"],
    ),
    "two plain records": (
        [Record(name="a." + ZONE, type="A", ttl=60)] * 2,
        [
            "a.mft.example.gov. A: Tried to create resource record set [name='a.mft.example.gov.',"
            " type='A'] but it"
            " already exists"
        ],
    ),
    "no such role": (
        [WEST, EAST, replace(EAST, set_identifier="x", failover="TERTIARY")],
        [f"{NAME} CNAME x: failover 'TERTIARY' is not one of PRIMARY, SECONDARY"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_route_53_refuses(case):
    records, expected = REFUSED[case]
    assert violations(records, ZONE) == expected


def test_what_it_takes():
    alias = replace(WEST, type="A", name="alias." + ZONE, ttl=None, health_check=None, alias=True)
    assert violations([WEST, replace(EAST, health_check=None)], ZONE) == []
    assert violations([alias, replace(alias, set_identifier="east", failover="SECONDARY")], ZONE) == []
    assert violations([Record(name="sftp.west1." + ZONE, type="A", ttl=60)], ZONE) == []
    assert violations([], ZONE) == []


@given(customers, st.data())
def test_every_lost_half_and_every_lost_health_check_is_seen(of, data):
    records = checked(both(of))
    victim = data.draw(st.sampled_from(records))
    rest = [record for record in records if record != victim]
    assert violations(rest, ZONE)
    unchecked = violations([*rest, replace(victim, health_check=None)], ZONE)
    assert bool(unchecked) == (victim.failover == "PRIMARY")
