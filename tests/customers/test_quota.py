"""What a registry needs of AWS's quotas: the counts, the refusals, and whether the remedies help."""

from __future__ import annotations

import re
from functools import partial
from itertools import pairwise
from typing import get_args

import pytest
from customer_samples import customer
from hypothesis import given, settings
from hypothesis import strategies as st

from customers import quota
from customers.kinds import Lifecycle
from customers.model import Customer, Failover, S3Destination, Sftp, SftpUser
from customers.quota import Needs, needs

refusals = partial(quota.refusals, group_rules=60)
_SAMPLE = customer()
_LIFECYCLES = get_args(Lifecycle)


def one(id: str, *, lifecycle: str = "active", check: str = "customer", cell: str = "1") -> Customer:
    """Return a customer quickly, without validation."""
    failover = Failover(health_check=check)
    return _SAMPLE.model_copy(update={"id": id, "lifecycle": lifecycle, "failover": failover, "cell": cell})


def many(count: int, first: int = 0, **what: str) -> list[Customer]:
    return [one(f"c{number:05}", **what) for number in range(first, first + count)]


def shared(customers: list[Customer], ids: set[str]) -> list[Customer]:
    """Return the customers, of whom some share their cell's check."""
    return [
        one(each.id, lifecycle=each.lifecycle, check="cell", cell=each.cell) if each.id in ids else each
        for each in customers
    ]


def named(sentence: str) -> list[str]:
    """Return the ids at the end of a sentence, which also states their number."""
    found = re.search(r"\(([0-9,]+)\): (.*)$", sentence)
    ids = found[2].split(", ")
    assert len(ids) == int(found[1].replace(",", "")) == len(set(ids))
    return ids


registries = st.builds(
    lambda kinds: [
        one(f"c{n:05}", lifecycle=life, check=check, cell=cell) for n, (life, check, cell) in enumerate(kinds)
    ],
    st.lists(
        st.tuples(
            st.sampled_from(_LIFECYCLES), st.sampled_from(("customer", "cell")), st.sampled_from("123")
        ),
        max_size=30,
    ),
)


# --- What is counted ---------------------------------------------------------------------------------


def test_a_cell_has_eighteen_checks_and_a_customer_in_service_two():
    assert needs([]) == Needs(health_checks=0, records=2, buckets=0)
    waiting = [one("c00001", lifecycle="onboarding")]
    cell = needs(waiting)
    assert (cell.health_checks, cell.records) == (18, 2 + 2)
    assert needs([one("c00001")]) == Needs(health_checks=20, records=4 + 12, buckets=cell.buckets)
    assert needs([one("c00001", check="cell")]).health_checks == 18
    assert needs([one("c00001"), one("c00002", cell="2")]).health_checks == 40
    assert needs([*waiting, one("c00002", lifecycle="retired")]).buckets == cell.buckets + 2


# --- Health checks -----------------------------------------------------------------------------------


@given(registry=registries, allowed=st.integers(1, 120), order=st.randoms())
def test_the_named_customers_are_enough_and_none_too_many(registry, allowed, order):
    found = refusals(registry, health_checks=allowed)
    needed = needs(registry).health_checks
    assert bool(found) == (needed > allowed)
    mixed = registry.copy()
    order.shuffle(mixed)
    assert refusals(mixed, health_checks=allowed) == found
    if not found:
        return
    (sentence,) = found
    assert f"{needed:,} health checks are needed" in sentence
    assert f"mft:healthCheckQuota is {allowed:,};" in sentence
    everywhere = needs(shared(registry, {each.id for each in registry})).health_checks
    if everywhere > allowed:
        assert (
            f"ask AWS for {needed:,} (quota L-ACB674F3) and set it to that, or for {everywhere:,} and"
            in sentence
        )
        return
    ids = set(named(sentence))
    assert needs(shared(registry, ids)).health_checks <= allowed
    for id in ids:
        assert needs(shared(registry, ids - {id})).health_checks > allowed


@given(registry=registries, split=st.integers(0, 30), allowed=st.integers(46, 76))
def test_newcomers_share_before_those_whose_check_is_deployed(registry, split, allowed):
    before, new = registry[:split], {each.id for each in registry[split:]}
    found = refusals(registry, health_checks=allowed, before=before)
    ids = set(named(found[0])) if found and "or set" in found[0] else set()
    own = {each.id for each in registry if each.is_in_service and each.failover.health_check != "cell"}
    assert ids <= own
    assert ids <= new or new & own <= ids


def test_a_quota_for_the_cells_alone_is_met_by_sharing():
    registry = [*many(2), one("c00002", cell="2")]
    assert named(*refusals(registry, health_checks=36)) == ["c00000", "c00001", "c00002"]
    (sentence,) = refusals(registry, health_checks=35)
    assert sentence.endswith(
        "ask AWS for 42 (quota L-ACB674F3) and set it to that, or for 36 and set failover.health_check: cell"
        " for every customer"
    )


def test_six_hundred_customers_are_too_many_for_the_default_quota():
    (sentence,) = refusals(many(600), health_checks=200)
    assert sentence.startswith(
        "customers: 1,218 health checks are needed (18 for cells, 1,200 for customers), but"
        " mft:healthCheckQuota is 200; ask AWS for 1,218 (quota L-ACB674F3) and set it to that, or set"
        " failover.health_check:"
        " cell for these (509): c00091, c00092, "
    )
    assert refusals(many(600), health_checks=1218) == []


# --- New health checks of a day ----------------------------------------------------------------------


def test_a_thousand_new_checks_are_a_days_work():
    assert refusals(many(491), health_checks=5000, before=[]) == []
    assert refusals(many(492), health_checks=5000) == []
    assert refusals(many(492), health_checks=5000, before=[]) == [
        "customers: 1,002 health checks are new, but Route 53 creates 1,000 a day; deploy what is new in 2"
        " steps, cells first and then customers by id: day 1 up to c00490, day 2 up to c00491"
    ]


def test_only_what_is_new_counts():
    there = many(300)
    assert refusals([*there, *many(500, 300)], health_checks=5000, before=there) == []
    (sentence,) = refusals([*there, *many(501, 300)], health_checks=5000, before=there)
    assert sentence.startswith("customers: 1,002 health checks are new")
    there = many(600)
    was_shared = shared(there, {each.id for each in there})
    (sentence,) = refusals(there, health_checks=5000, before=was_shared)
    assert sentence.endswith("day 1 up to c00499, day 2 up to c00599")
    waited = many(600, lifecycle="onboarding")
    assert len(refusals(there, health_checks=5000, before=waited)) == 1


@settings(max_examples=20)
@given(before=st.integers(0, 9), after=st.integers(511, 800), cells=st.integers(1, 110))
def test_every_day_of_the_split_is_within_the_limit(before, after, cells):
    registry = [one(f"c{n:05}", cell=f"{n % cells:03}") for n in range(after)]
    there = registry[:before]
    (sentence,) = refusals(registry, health_checks=99_999, before=there)
    ends = [end[1] for end in re.finditer(r"day [0-9]+ up to (cell [0-9]+|c[0-9]+)", sentence)]
    new_cells = sorted({each.cell for each in registry} - {each.cell for each in there})
    order = [f"cell {cell}" for cell in new_cells] + [each.id for each in registry[before:]]
    cost = [18 if step.startswith("cell") else 2 for step in order]
    stops = [0, *(order.index(end) + 1 for end in ends)]
    days = [sum(cost[start:stop]) for start, stop in pairwise(stops)]
    assert stops[-1] == len(order)
    assert max(days) <= 1000
    assert all(day + cost[stop] > 1000 for day, stop in zip(days, stops[1:-1], strict=False)), (
        "none is wasted"
    )


# --- Records and buckets -----------------------------------------------------------------------------


@pytest.mark.parametrize("before", [None, many(833, check="cell")])
def test_a_zone_holds_ten_thousand_records(before):
    full = many(833, check="cell")
    assert needs(full).records == 10_000
    assert refusals(full, health_checks=200, before=before) == []
    over = [one("a00000", check="cell"), *full]
    (sentence,) = refusals(over, health_checks=200, before=before)
    assert "10,012 DNS records are needed, but a zone holds 10,000; " in sentence
    (id,) = named(sentence)
    assert id == ("a00000" if before else "c00832")
    assert needs([each for each in over if each.id != id]).records <= 10_000


def test_an_account_has_ten_thousand_buckets():
    cells = "123456"  # a cell has up to 997 customers
    room = (10_000 - len(cells) * quota.BUCKETS_OF_CELL) // 2
    full = [one(f"c{n:05}", lifecycle="retired", cell=cells[n % len(cells)]) for n in range(room)]
    assert refusals(full, health_checks=200) == []
    over = [*full, *many(3, room, lifecycle="onboarding")]
    (sentence,) = refusals(over, health_checks=200)
    assert f"{needs(over).buckets:,} buckets are needed, but an account can have 10,000; " in sentence
    assert named(sentence) == [each.id for each in over[-3:]]


def test_every_quota_that_is_exceeded_is_reported():
    crowd = many(5000)
    kinds = r"health checks are (needed|new)|records|buckets are|lifecycle rules"
    assert [re.search(kinds, said)[0] for said in refusals(crowd, health_checks=200, before=[])] == [
        "health checks are needed", "health checks are new", "records", "buckets are", "lifecycle rules",
    ]  # fmt: skip


# --- Rules of the endpoint's security groups -----------------------------------------------------------


def sender(number: int, *cidrs: str, cell: str = "1", lifecycle: str = "active") -> Customer:
    user = SftpUser.model_construct(name="u", public_keys=(), source_cidrs=cidrs)
    return one(f"c{number:05}", cell=cell, lifecycle=lifecycle, check="cell").model_copy(
        update={"sftp": Sftp.model_construct(users=(user,))}
    )


def apart(count: int, **what: str) -> list[Customer]:
    """Return customers with a network each, none of which can be merged with another."""
    return [sender(n, f"10.{n // 128}.{2 * n % 256}.0/24", **what) for n in range(count)]


def test_as_many_networks_are_allowed_as_four_groups_hold():
    assert refusals(apart(240), health_checks=200) == []
    assert refusals(apart(241), health_checks=200) == [
        "customers: cell 1 lets in 241 networks, but the 4 security groups of its endpoint hold 60 rules each"
        " (mft:groupRuleQuota), 240 together; ask AWS in both regions for 61 rules per security group (quota"
        " L-0EA8095F) and set mft:groupRuleQuota to that, or serve customers with 1 of the networks from"
        " another cell"
    ]
    assert refusals(apart(241), health_checks=200, group_rules=61) == []


def test_what_no_quota_of_aws_allows_goes_to_another_cell():
    assert refusals(apart(800), health_checks=200, group_rules=200) == []
    (sentence,) = refusals(apart(801), health_checks=200, group_rules=200)
    assert sentence.endswith("800 together; serve customers with 1 of the networks from another cell")
    moved = [*apart(800), sender(9999, "192.0.2.0/24", cell="2")]
    assert refusals(moved, health_checks=200, group_rules=200) == []


def test_networks_count_as_the_firewall_lets_them_in():
    merged = [sender(n, f"10.0.0.{32 * n}/27") for n in range(8)]  # one network, in four groups of one rule
    assert refusals(merged, health_checks=200, group_rules=1) == []
    assert refusals(apart(5, lifecycle="draining"), health_checks=200, group_rules=1) == []
    assert len(refusals(apart(5), health_checks=200, group_rules=1)) == 1


# --- What the policies and buckets of a cell can hold --------------------------------------------------


def test_a_cells_archive_has_a_rule_for_each_customer():
    assert refusals(many(997, check="cell", lifecycle="onboarding"), health_checks=200) == []
    (sentence,) = refusals(many(998, check="cell", lifecycle="onboarding"), health_checks=200)
    assert sentence == (
        "customers: cell 1 needs 1,001 lifecycle rules for its archive, one for each customer, but a bucket"
        " has up to 1,000; serve 1 customers from another cell"
    )


def test_a_role_names_as_many_keys_of_partners_as_its_policy_holds():
    def under_keys(count: int) -> list[Customer]:
        buckets = {
            f"d{n}": S3Destination(
                kind="s3",
                bucket=f"partner-{n}",
                kms_key=f"arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/{n:036}",
            )
            for n in range(count)
        }
        return [one("c00001").model_copy(update={"destinations": buckets})]

    assert refusals(under_keys(quota.KEYS_OF_CELL), health_checks=200) == []
    (sentence,) = refusals(under_keys(quota.KEYS_OF_CELL + 1), health_checks=200)
    assert sentence.startswith(
        "customers: cell 1 delivers to buckets under 31 keys of partners, but the role"
    )
    retired = [each.model_copy(update={"lifecycle": "retired"}) for each in under_keys(31)]
    assert refusals(retired, health_checks=200) == []
