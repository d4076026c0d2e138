"""The twelve records of a customer."""

from __future__ import annotations

from dataclasses import replace

from customer_samples import customer
from hypothesis import given
from hypothesis import strategies as st

from customers.dns import Half, halves, record
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
    """Return the records that the two stacks own together."""
    return [half for side in SIDES for half in halves(of, side, "mft", ZONE)]


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


@given(customers, st.sampled_from(SIDES))
def test_a_half_points_at_its_own_side_whatever_the_role(of, side):
    for half in halves(of, side, "mft", ZONE):
        assert half.set_identifier == side
        assert half.ttl == of.failover.ttl
        if half.type == "TXT":
            record = BucketRecord.parse(half.value)
            of_cell = "" if of.cell == "1" else f"cell{of.cell}-"
            assert record.bucket == f"mft-{of_cell}{of.id}-{side}"
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


@given(customers)
def test_a_half_becomes_the_record_that_the_api_takes(of):
    for half in both(of):
        made = record(half, health_check="hc-1")
        assert made.values == ((f'"{half.value}"',) if half.type == "TXT" else (half.value,))
        assert (made.name, made.type, made.ttl) == (half.name, half.type, half.ttl)
        assert (made.set_identifier, made.failover) == (half.set_identifier, half.failover)
        assert (made.health_check, made.alias, made.policy) == ("hc-1", False, None)
