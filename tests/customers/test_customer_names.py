"""Names are valid at their place, never cut, and never the same for two things."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from customers import names
from customers.names import NameRefusedError, NameTooLongError
from runtime import canary_legs, contract
from runtime.contract import ENDPOINTS, SIDES, BucketRecord

ids = st.one_of(
    st.sampled_from([*names.ROLES, "primary", "west1", "cell1", "cellone", "mft"]),
    st.from_regex(names.ID, fullmatch=True),
).filter(names.is_id)
# Parts that could be mistaken for the rest of another name are generated often.
word = st.one_of(
    st.sampled_from(["mft", "cell1", "cellcell1", "archive", "config", "audit", "east", "west", "a", "1"]),
    st.from_regex(r"[a-z0-9]{1,6}", fullmatch=True),
)
namespaces = st.lists(word, min_size=1, max_size=4).map("-".join)
cells = st.from_regex(names.CELL, fullmatch=True)
sides = st.sampled_from(SIDES)
labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)
zones = st.lists(labels, min_size=1, max_size=4).map(".".join)

bucket_args = st.tuples(namespaces, ids, sides)
cell_bucket_args = st.tuples(namespaces, cells, st.sampled_from(names.ROLES), sides)
buckets = st.one_of(
    bucket_args.map(lambda args: (names.bucket, args)),
    cell_bucket_args.map(lambda args: (names.cell_bucket, args)),
    st.tuples(namespaces, cells, sides).map(lambda args: (names.canary_bucket, args)),
)
hosts = st.one_of(
    st.tuples(sides, cells, zones).map(lambda args: (names.cell_host, args)),
    st.tuples(st.sampled_from(ENDPOINTS), ids, zones).map(lambda args: (names.endpoint_host, args)),
    st.tuples(st.sampled_from(ENDPOINTS), ids, zones).map(lambda args: (names.bucket_record, args)),
)


def made(call):
    """Return the name that a call makes; skip the example if the name is too long."""
    function, args = call
    try:
        return function(*args)
    except NameTooLongError:
        assume(False)


@given(buckets)
def test_a_bucket_is_one_that_s3_takes(call):
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"""
    name = made(call)
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", name)
    assert not name.startswith(("xn--", "sthree-", "amzn-s3-demo-"))
    assert not name.endswith(("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"))
    assert BucketRecord.parse(f"v=mft1;bucket={name};region=us-gov-west-1").bucket == name


@given(buckets, buckets)
def test_two_buckets_never_have_one_name(one, two):
    """Across both functions and all namespaces, because bucket names are unique in a partition."""
    assume(one != two)
    assert made(one) != made(two)


@given(namespaces, ids, cells, st.sampled_from(names.ROLES), sides)
def test_no_namespace_makes_a_customer_a_cell(namespace, id, cell, role, side):
    """The closest case: one namespace equals the other namespace followed by its cell."""
    one = (names.bucket, (f"{namespace}-cell{cell}", id, side))
    assert made(one) != made((names.cell_bucket, (namespace, cell, role, side)))


@pytest.mark.parametrize("role", names.ROLES)
def test_because_no_id_is_a_role(role):
    with pytest.raises(NameRefusedError, match="reserved"):
        names.bucket("mft-cell1", role, "east")


@given(namespaces, cells, sides)
def test_a_canarys_bucket_is_read_like_a_customers_and_is_nobodys(namespace, cell, side):
    bucket = made((names.canary_bucket, (namespace, cell, side)))
    id = contract.customer_of(bucket, contract.stem(namespace, cell), side)
    assert (id, contract.is_canary(id)) == (contract.canary(cell), True)
    assert not names.is_id(id)
    with pytest.raises(NameRefusedError, match="reserved"):
        names.bucket(namespace, contract.CANARY + "x", side)


@given(cells, cells, ids, sides)
def test_a_customer_has_other_buckets_and_topics_in_another_cell(one, two, id, side):
    assume(one != two)
    stems = [contract.stem("mft", cell) for cell in (one, two)]
    assert len({names.bucket(stem, id, side) for stem in stems}) == 2
    assert len({names.receipts_topic(stem, id) for stem in stems}) == 2
    for stem, other in (stems, reversed(stems)):
        assert contract.customer_of(names.bucket(stem, id, side), stem, side) == id
        with pytest.raises(ValueError, match="is not a customer's bucket"):
            contract.customer_of(names.bucket(stem, id, side), other, side)


@given(hosts)
def test_a_host_is_one_that_dns_takes(call):
    """RFC 1035 section 2.3.4; the label `_bucket` is only for a TXT record, which is not a host."""
    name = made(call)
    assert len(name) <= 253
    assert all(
        re.fullmatch(r"_bucket|[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", label) for label in name.split(".")
    )


@given(hosts, hosts, zones)
def test_two_records_of_a_zone_never_have_one_name(one, two, zone):
    one, two = ((function, (*args[:-1], zone)) for function, args in (one, two))
    assume(one != two)
    assert made(one) != made(two)


@given(cells, cells)
def test_two_cells_have_two_trackers_and_two_keys(one, two):
    assume(one != two)
    assert names.tracker_table(one) != names.tracker_table(two)
    assert names.key_alias("mft", one) != names.key_alias("mft", two)


@given(st.tuples(namespaces, cells), st.tuples(namespaces, cells))
def test_two_environments_have_two_keys(one, two):
    assume(one != two)
    assert names.key_alias(*one) != names.key_alias(*two)


def test_names_as_the_outside_knows_them():
    assert names.bucket("mft", "c7k2m", "east") == "mft-c7k2m-east"
    assert names.cell_bucket("mft", "1", "archive", "west") == "mft-cell1-archive-west"
    assert names.canary_bucket("mft", "1", "west") == "mft-canary1-west"
    assert names.cell_host("west", "1", "mft.example.gov") == "sftp.west1.mft.example.gov"
    assert names.endpoint_host("primary", "c7k2m", "mft.example.gov") == "primary.c7k2m.mft.example.gov"
    assert names.bucket_record("east", "c7k2m", "mft.example.gov") == "_bucket.east.c7k2m.mft.example.gov"
    assert names.tracker_table("1") == "MFT-TransferTracker"
    assert names.tracker_table("2") == "MFT-TransferTracker-2"
    assert names.key_alias("mft", "1") == "alias/mft-1"


def test_the_longest_that_fits_and_one_more():
    assert len(names.bucket("n" * 52, "c7k2m", "east")) == 63
    with pytest.raises(NameTooLongError) as refused:
        names.bucket("n" * 53, "c7k2m", "east")
    assert (len(refused.value.value), refused.value.limit) == (64, 63)
    assert refused.value.remedy == "shorten the namespace"
    zone = ".".join(["z" * 63] * 3 + ["z" * 37])
    assert len(names.endpoint_host("east", "c7k2mxyzab", zone)) == 245
    with pytest.raises(NameTooLongError, match="253 are allowed; shorten the zone"):
        names.bucket_record("primary", "c7k2mxyzab", zone)


@pytest.mark.parametrize(
    "call",
    [
        lambda: names.bucket("MFT", "c7k2m", "east"),
        lambda: names.bucket("mft-", "c7k2m", "east"),
        lambda: names.bucket("xn--mft", "c7k2m", "east"),
        lambda: names.bucket("sthree", "c7k2m", "east"),
        lambda: names.bucket("amzn-s3-demo", "c7k2m", "east"),
        lambda: names.bucket("mft", "c7-k2m", "east"),
        lambda: names.bucket("mft", "c7", "east"),
        lambda: names.bucket("mft", "7c2", "east"),
        lambda: names.bucket("mft", "c" * 21, "east"),
        lambda: names.bucket("mft", "c7k2m\n", "east"),
        lambda: names.bucket("mft", "primary", "east"),
        lambda: names.bucket("mft", "c7k2m", "primary"),
        lambda: names.cell_bucket("mft", "1-a", "archive", "east"),
        lambda: names.cell_bucket("mft", "1", "inbound", "east"),
        lambda: names.endpoint_host("north", "c7k2m", "mft.example"),
        lambda: names.endpoint_host("east", "c7k2m", "mft.example."),
        lambda: names.endpoint_host("east", "c7k2m", f"{'z' * 64}.example"),
        lambda: names.endpoint_host("east", "c7k2m", "-z.example"),
        lambda: names.cell_host("primary", "1", "mft.example"),
        lambda: names.tracker_table(""),
    ],
)
def test_a_name_from_impossible_parts_is_not_made(call):
    with pytest.raises(NameRefusedError):
        call()


#: As many words as there are, `mft` among them often.
_words = st.lists(st.one_of(word, st.just("mft")), min_size=1, max_size=4).map("-".join)


def _accepted(namespace):
    try:
        return names.check_last_word(namespace) == namespace
    except NameRefusedError:
        return False


@given(_words, st.one_of(st.just(""), _words.map("-".__add__)))
def test_no_environment_begins_the_names_of_another(one, more):
    """Policies and event rules have `<namespace>-*`, so one of a pair that begins alike is refused."""
    other = f"{one}{more}-mft"
    if _accepted(one) and _accepted(other):
        assert not other.startswith(f"{one}-")


def test_a_namespace_ends_in_its_only_mft():
    assert all(map(_accepted, ("mft", "acme-mft", "a-b-mft", "mfts-mft")))
    assert not any(map(_accepted, ("acme", "acme-mft-x", "mft-mft", "acmemft", "mft-acme", "")))


@pytest.mark.parametrize("login", [contract.canary("1"), canary_legs.partner("1")])
def test_no_sftp_user_of_a_customer_has_a_login_of_the_canary(login):
    assert not re.fullmatch(names.USER, login)
    assert re.fullmatch(names.USER, f"x{login}")
