"""What Route 53 refuses in a zone and in a batch of changes, in its own words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from customer_samples import customer
from hypothesis import example, given
from hypothesis import strategies as st

from customers import dns
from customers.route53 import (
    BatchRefusedError,
    Record,
    RecordChange,
    apply,
    check_children,
    check_new_health_check,
    quoted,
    refusals,
    violations,
)
from runtime.contract import SIDES

ZONE = "mft.example.gov"
APEX = f"{ZONE}."
NAME = f"primary.c7k2m.{ZONE}."
CHECKS = {"hc-east", "hc-west"}
WEST = Record(
    name=NAME,
    type="CNAME",
    ttl=60,
    values=(f"sftp.west1.{ZONE}",),
    set_identifier="west",
    failover="PRIMARY",
    health_check="hc-west",
)
EAST = replace(
    WEST,
    values=(f"sftp.east1.{ZONE}",),
    set_identifier="east",
    failover="SECONDARY",
    health_check="hc-east",
)
PAIR = [WEST, EAST]
HOST = Record(name=f"a.{ZONE}", type="A", ttl=60, values=("203.0.113.1",))
TXT = Record(name=f"t.{ZONE}", type="TXT", ttl=60, values=('"v=mft1"',))
ALIAS = replace(HOST, ttl=None, values=(), alias=True)

# --- one record, whether in a zone or in a batch -------------------------------------------------

NEEDS_CHECK = "A non-alias primary ResourceRecordSet must have an associated health check. No changes made."
FATAL = "Invalid Resource Record: 'FATAL problem: {} encountered with '{}''".format
UNQUOTED = "InvalidCharacterString (Value should be enclosed in quotation marks)"
UNSUPPORTED = "UnsupportedCharacter (Value contains unsupported characters)"
TOO_LONG = "CharacterStringTooLong (Value is too long)"
LABEL = "l" * 63

FAULTS = {
    "primary without a health check": (replace(WEST, health_check=None), NEEDS_CHECK),
    "primary TXT without a health check": (
        replace(WEST, type="TXT", values=('"x"',), health_check=None),
        NEEDS_CHECK,
    ),
    "in another zone": (
        replace(HOST, name="a.example.gov"),
        "RRSet with DNS name a.example.gov. is not permitted in zone mft.example.gov.",
    ),
    "in a zone that only ends alike": (
        replace(HOST, name=f"a.x{ZONE}"),
        "RRSet with DNS name a.xmft.example.gov. is not permitted in zone mft.example.gov.",
    ),
    "CNAME at the apex": (
        replace(HOST, name=ZONE, type="CNAME", values=("b.example.gov",)),
        "RRSet of type CNAME with DNS name mft.example.gov. is not permitted at apex in zone"
        " mft.example.gov.",
    ),
    "CNAME with two values": (
        replace(WEST, values=("a.example.gov", "b.example.gov")),
        f"RRSet of type CNAME with DNS name {NAME} has more than one value",
    ),
    "CNAME to nowhere": (
        replace(WEST, values=("a..gov",)),
        FATAL("DomainLabelEmpty (Domain label is empty)", "a..gov"),
    ),
    "one value twice": (
        replace(HOST, values=("203.0.113.1", "203.0.113.2", "203.0.113.1")),
        "Duplicate Resource Record: '203.0.113.1'",
    ),
    "too many values": (
        replace(HOST, values=tuple(f"203.0.{n // 200}.{n % 200}" for n in range(401))),
        "Cannot have more than 400 records in a RRSet.",
    ),
    "TXT without quotes": (replace(TXT, values=("v=mft1",)), FATAL(UNQUOTED, "v=mft1")),
    "TXT that never ends": (replace(TXT, values=('"v=mft1',)), FATAL(UNQUOTED, '"v=mft1')),
    "TXT that ends escaped": (replace(TXT, values=(r'"v=mft1\"',)), FATAL(UNQUOTED, r'"v=mft1\"')),
    "TXT with an umlaut": (replace(TXT, values=('"ü"',)), FATAL(UNSUPPORTED, '"ü"')),
    "TXT of 256": (replace(TXT, values=(f'"{"x" * 256}"',)), FATAL(TOO_LONG, f'"{"x" * 256}"')),
    "TXT with a long second string": (
        replace(TXT, values=(f'"x" "{"x" * 256}"',)),
        FATAL(TOO_LONG, f'"x" "{"x" * 256}"'),
    ),
    "label of 64": (
        replace(HOST, name=f"{LABEL}l.{ZONE}"),
        f"FATAL problem: DomainLabelTooLong (Domain label is too long) encountered with '{LABEL}l'",
    ),
    "empty label": (
        replace(HOST, name=f"a..{ZONE}"),
        f"FATAL problem: DomainLabelEmpty (Domain label is empty) encountered with 'a..{ZONE}'",
    ),
    "name of 254": (
        replace(HOST, name=f"{LABEL}.{LABEL}.{LABEL}.{'m' * 46}.{ZONE}"),
        "FATAL problem: DomainNameTooLong (Domain name is too long) encountered with"
        f" '{LABEL}.{LABEL}.{LABEL}.{'m' * 46}.{ZONE}'",
    ),
    "space in a name": (
        replace(HOST, name=f"a b.{ZONE}"),
        f"FATAL problem: {UNSUPPORTED} encountered with 'a b.{ZONE}'",
    ),
}
NONE = "Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId]"
ONE_POLICY = "Expected exactly one of [Weight, Region, Failover, GeoLocation, or MultiValueAnswer]"
MALFORMED = {
    "no identifier": (replace(EAST, set_identifier=None), "Missing field 'SetIdentifier'"),
    "identifier of nothing": (replace(EAST, failover=None), f"{ONE_POLICY}, but found none"),
    "no TTL": (replace(EAST, ttl=None), f"{NONE}, but found none"),
    "no value": (replace(EAST, values=()), f"{NONE}, but found none"),
    "alias with a TTL": (replace(ALIAS, ttl=60), f"{NONE}, but found more than one"),
    "TTL below": (replace(HOST, ttl=-1), "TTL -1 is not from 0 to 2147483647"),
    "TTL above": (replace(HOST, ttl=2**31), "TTL 2147483648 is not from 0 to 2147483647"),
    "value of 4,001": (
        replace(TXT, values=(" ".join(['"' + "x" * 248 + '"'] * 15) + f' "{"y" * 234}"',)),
        "Value of 4001 characters is longer than 4000",
    ),
    "no such role": (
        replace(EAST, failover="TERTIARY"),
        "Failover 'TERTIARY' is not one of PRIMARY, SECONDARY",
    ),
}
TAKEN = {
    "a pair": PAIR,
    "a secondary without a health check": [WEST, replace(EAST, health_check=None)],
    "an alias pair without health checks": [
        replace(ALIAS, set_identifier="west", failover="PRIMARY"),
        replace(ALIAS, set_identifier="east", failover="SECONDARY"),
    ],
    "TTL 0": [replace(HOST, ttl=0)],
    "the longest TTL": [replace(HOST, ttl=2**31 - 1)],
    "a plain TTL of a day": [replace(HOST, ttl=86_400)],
    "names at their limits": [replace(HOST, name=f"{LABEL}.{LABEL}.{LABEL}.{'m' * 45}.{ZONE}")],
    "escapes are one byte": [
        replace(TXT, name=rf"\052.{ZONE}", values=(f'"{"x" * 253}\\"\\303"',)),
        replace(TXT, name=LABEL[1:] + rf"\101.{ZONE}"),
    ],
    "several strings in a value": [replace(TXT, values=(f'"{"x" * 255}" "{"y" * 255}""z"',))],
    "names that only DNS knows": [replace(HOST, name=f"*.{ZONE}"), replace(TXT, name=f"_x@y.{ZONE}")],
    "a value of 4,000": [replace(TXT, values=(" ".join(['"' + "x" * 248 + '"'] * 15) + f' "{"y" * 233}"',))],
    "400 values": [replace(HOST, values=tuple(f"203.0.{n // 200}.{n % 200}" for n in range(400)))],
    "types beside each other": [HOST, replace(TXT, name=HOST.name)],
    "nothing": [],
}


@pytest.mark.parametrize("case", FAULTS | MALFORMED)
def test_one_record_is_refused_in_a_zone_and_in_a_batch(case):
    record, expected = (FAULTS | MALFORMED)[case]
    subject = f"{record.host} {record.type} {record.set_identifier or ''}".rstrip()
    assert f"{subject}: {expected}" in violations([record], ZONE)
    for action in ("CREATE", "UPSERT"):
        if case in MALFORMED:
            where = f"[Action={action}, Name={record.host}, Type={record.type}, SetIdentifier="
            identifier = record.set_identifier or "null"
            expected_here = f"Invalid request: {expected} in Change with {where}{identifier}]"
        else:
            expected_here = expected
        assert refusals([RecordChange(action, record)], [], ZONE, CHECKS) == [expected_here]


@pytest.mark.parametrize("case", TAKEN)
def test_what_it_takes(case):
    assert violations(TAKEN[case], ZONE) == []
    changes = [RecordChange("CREATE", record) for record in TAKEN[case]]
    assert apply(changes, [], ZONE, CHECKS) == tuple(TAKEN[case])


@given(st.text(max_size=60))
def test_a_quoted_text_is_one_string(text):
    found = violations([replace(TXT, values=(quoted(text),))], ZONE)
    assert bool(found) == any(not " " <= character <= "~" for character in text)


# --- a whole zone --------------------------------------------------------------------------------

ALREADY = "RRSet with the same name and type already exists."
ROUTED = "RRSet with DNS name {0}, type CNAME, SetIdentifier {1}, and marked as {2} cannot be created because"
REFUSED_ZONES = {
    "two primaries": (
        [WEST, replace(EAST, failover="PRIMARY")],
        [
            f"{NAME} CNAME east: {ROUTED.format(NAME, 'east', 'primary')} a primary failover {ALREADY}",
            f"{NAME} CNAME: has no SECONDARY record; a failover pair has one of each",
        ],
    ),
    "alone": ([EAST], [f"{NAME} CNAME: has no PRIMARY record; a failover pair has one of each"]),
    "one identifier": (
        [WEST, replace(EAST, set_identifier="west")],
        [
            f"{NAME} CNAME west: Tried to create resource record set [name='{NAME}', type='CNAME',"
            " set-identifier='west'] but it already exists"
        ],
    ),
    "a TXT at the same name, spelt otherwise": (
        [*PAIR, replace(TXT, name=NAME.upper().rstrip("."))],
        [
            f"{NAME} TXT: RRSet of type TXT with DNS name {NAME} is not permitted because a conflicting"
            " RRSet of type  CNAME with the same DNS name already exists in zone mft.example.gov."
        ],
    ),
    "a pair at the name of a TXT": (
        [replace(TXT, name=NAME), *PAIR],
        [
            f"{NAME} CNAME {side}: RRSet of type CNAME with DNS name {NAME} is not permitted as it conflicts"
            " with other records with the same DNS name in zone mft.example.gov."
            for side in ("west", "east")
        ],
    ),
    "a plain record beside a pair": (
        [*PAIR, replace(EAST, set_identifier=None, failover=None)],
        [
            f"{NAME} CNAME: RRSet with DNS name {NAME}, type CNAME cannot be created as other RRSets exist"
            " with the same name and type."
        ],
    ),
    "a pair beside a plain record": (
        [replace(EAST, set_identifier=None, failover=None), *PAIR],
        [
            f"{NAME} CNAME {side}: {ROUTED.format(NAME, side, role)} a non-failover {ALREADY}"
            for side, role in (("west", "primary"), ("east", "secondary"))
        ],
    ),
    "a weighted record beside a pair": (
        [replace(EAST, set_identifier="w", failover=None, policy="Weight"), *PAIR],
        [
            f"{NAME} CNAME {side}: {ROUTED.format(NAME, side, role)} a non-failover {ALREADY}"
            for side, role in (("west", "primary"), ("east", "secondary"))
        ],
    ),
    "two plain records": (
        [HOST, HOST],
        [
            f"a.{APEX} A: Tried to create resource record set [name='a.{APEX}', type='A'] but it already"
            " exists"
        ],
    ),
    "slow failover": (
        [replace(WEST, ttl=61), EAST],
        [f"{NAME} CNAME west: TTL 61 is over 60: clients would stay with a lost region"],
    ),
}


@pytest.mark.parametrize("case", REFUSED_ZONES)
def test_what_is_refused_about_a_zone(case):
    records, expected = REFUSED_ZONES[case]
    assert violations(records, ZONE) == expected


def test_a_zone_holds_ten_thousand_records():
    full = [replace(HOST, name=f"h{n}.{ZONE}") for n in range(10_000)]
    one = replace(HOST, name=f"one.{ZONE}")
    assert violations(full, ZONE) == []
    assert violations([*full, one], ZONE) == [
        f"{APEX}: Exceeded limit MAX_RRSETS_BY_ZONE for zone: mft.example.gov."
    ]
    with pytest.raises(BatchRefusedError) as refused:
        apply([RecordChange("CREATE", one)], full, ZONE, zone_id="Z1")
    assert refused.value.messages == ("Exceeded limit MAX_RRSETS_BY_ZONE for zone: Z1",)
    assert refusals([RecordChange("DELETE", full[0]), RecordChange("CREATE", one)], full, ZONE) == []
    assert refusals([RecordChange("UPSERT", replace(full[0], ttl=1))], full, ZONE) == []
    over = [*full, one, replace(HOST, name=f"two.{ZONE}")]
    assert refusals([RecordChange("DELETE", one)], over, ZONE) == [], "the way out"


# --- batches -------------------------------------------------------------------------------------

OTHER = replace(HOST, name=f"b.{ZONE}")
NOT_THERE = f"Tried to delete resource record set [name='b.{APEX}', type='A'] but it was not found"
SET = f"resource record set [name='{NAME}', type='CNAME', set-identifier='{{}}']".format
CONFLICT = f"RRSet of type CNAME with DNS name a.{APEX} is not permitted as it conflicts with other records"
CNAME = replace(HOST, type="CNAME", values=("c.example.gov",))
SWAPPED = [
    replace(WEST, failover="SECONDARY", health_check="hc-east"),
    replace(EAST, failover="PRIMARY", health_check="hc-west"),
]
EXISTS = f"a {{}} failover {ALREADY}".format


def invalid_set(record: Record) -> str:
    kind = "The request contains an invalid set of changes for a resource record set"
    return f"{kind} '{record.type} {record.host}'"


BATCHES = {
    "create what exists": (
        [("CREATE", EAST)],
        PAIR,
        [f"Tried to create {SET('east')} but it already exists"],
    ),
    "delete what does not": ([("DELETE", OTHER)], [HOST], [NOT_THERE]),
    "delete another identifier": (
        [("DELETE", replace(EAST, set_identifier="north"))],
        PAIR,
        [f"Tried to delete {SET('north')} but it was not found"],
    ),
    **{
        f"delete with another {field}": (
            [("DELETE", replace(EAST, **{field: value}))],
            PAIR,
            [f"Tried to delete {SET('east')} but the values provided do not match the current values"],
        )
        for field, value in {
            "ttl": 59,
            "values": ("other.example.gov",),
            "failover": "PRIMARY",
            "health_check": None,
        }.items()
    },
    "delete twice": ([("DELETE", HOST), ("DELETE", HOST)], [HOST], [invalid_set(HOST)]),
    "create twice": ([("CREATE", HOST), ("CREATE", HOST)], [], [invalid_set(HOST)]),
    "upsert twice": ([("UPSERT", HOST), ("UPSERT", replace(HOST, ttl=1))], [], [invalid_set(HOST)]),
    "create before delete": ([("CREATE", HOST), ("DELETE", HOST)], [], [invalid_set(HOST)]),
    "another primary": (
        [("CREATE", replace(WEST, set_identifier="north"))],
        PAIR,
        [f"{ROUTED.format(NAME, 'north', 'primary')} {EXISTS('primary')}"],
    ),
    "the new primary before the old one goes": (
        [("CREATE", replace(WEST, set_identifier="north")), ("DELETE", WEST)],
        PAIR,
        [f"{ROUTED.format(NAME, 'north', 'primary')} {EXISTS('primary')}"],
    ),
    "exchange by UPSERT of the roles": (
        [("UPSERT", record) for record in SWAPPED],
        PAIR,
        [f"{ROUTED.format(NAME, 'west', 'secondary')} {EXISTS('secondary')}"],
    ),
    "CNAME before the A goes": (
        [("CREATE", CNAME), ("DELETE", HOST)],
        [HOST],
        [f"{CONFLICT} with the same DNS name in zone {APEX}"],
    ),
    "every change has its message": (
        [("CREATE", HOST), ("DELETE", OTHER), ("UPSERT", replace(WEST, health_check=None))],
        [HOST],
        [
            f"Tried to create resource record set [name='a.{APEX}', type='A'] but it already exists",
            NOT_THERE,
            NEEDS_CHECK,
        ],
    ),
    "an identifier by UPSERT": (
        [("UPSERT", replace(HOST, set_identifier="west", failover="PRIMARY", health_check="hc-west"))],
        [HOST],
        [
            f"RRSet with DNS name a.{APEX}, type A, SetIdentifier west, and marked as primary cannot be"
            f" created because a non-failover {ALREADY}"
        ],
    ),
    "1,001 values": (
        [("CREATE", replace(HOST, name=f"h{n}.{ZONE}")) for n in range(1_001)],
        [],
        ["Number of records limit of 1000 exceeded."],
    ),
    "501 upserts": (
        [("UPSERT", replace(HOST, name=f"h{n}.{ZONE}")) for n in range(501)],
        [],
        ["Number of records limit of 1000 exceeded."],
    ),
    "32,001 characters": (
        [("CREATE", replace(TXT, name=f"h{n}.{ZONE}", values=(f'"{"x" * 248}"',))) for n in range(128)]
        + [("CREATE", replace(TXT, values=('"x"',)))],
        [],
        ["RDATA character limit of 32000 exceeded."],
    ),
    "16,001 characters of upserts": (
        [("UPSERT", replace(TXT, name=f"h{n}.{ZONE}", values=(f'"{"x" * 248}"',))) for n in range(65)],
        [],
        ["RDATA character limit of 32000 exceeded."],
    ),
}
MADE = {
    "the secondary first": ([("CREATE", EAST), ("CREATE", WEST)], [], [EAST, WEST]),
    "a lone primary": ([("CREATE", WEST)], [], [WEST]),
    "delete in another order and case": (
        [("DELETE", replace(HOST, name=HOST.name.upper(), values=("203.0.113.2", "203.0.113.1")))],
        [replace(HOST, values=("203.0.113.1", "203.0.113.2"))],
        [],
    ),
    "exchange by DELETE and CREATE": (
        [("DELETE", WEST), ("DELETE", EAST)] + [("CREATE", record) for record in SWAPPED],
        PAIR,
        SWAPPED,
    ),
    "exchange of the values under bound roles": (
        [("UPSERT", replace(WEST, values=EAST.values)), ("UPSERT", replace(EAST, values=WEST.values))],
        PAIR,
        [replace(WEST, values=EAST.values), replace(EAST, values=WEST.values)],
    ),
    "CNAME after the A went": ([("DELETE", HOST), ("CREATE", CNAME)], [HOST], [CNAME]),
    "delete where the health check is gone": (
        [("DELETE", replace(WEST, health_check="gone"))],
        [replace(WEST, health_check="gone"), EAST],
        [EAST],
    ),
    "1,000 values": (
        [("CREATE", replace(HOST, name=f"h{n}.{ZONE}")) for n in range(1_000)],
        [],
        [replace(HOST, name=f"h{n}.{ZONE}") for n in range(1_000)],
    ),
    "500 upserts": (
        [("UPSERT", replace(HOST, name=f"h{n}.{ZONE}")) for n in range(500)],
        [],
        [replace(HOST, name=f"h{n}.{ZONE}") for n in range(500)],
    ),
    "32,000 characters": (
        [("CREATE", replace(TXT, name=f"h{n}.{ZONE}", values=(f'"{"x" * 248}"',))) for n in range(128)],
        [],
        [replace(TXT, name=f"h{n}.{ZONE}", values=(f'"{"x" * 248}"',)) for n in range(128)],
    ),
}


def batch(pairs: list[tuple[str, Record]]) -> list[RecordChange]:
    return [RecordChange(action, record) for action, record in pairs]


@pytest.mark.parametrize("case", BATCHES)
def test_a_batch_is_refused_in_these_words(case):
    changes, existing, expected = BATCHES[case]
    assert refusals(batch(changes), existing, ZONE, CHECKS) == expected


@pytest.mark.parametrize("case", MADE)
def test_a_batch_is_made(case):
    changes, existing, expected = MADE[case]
    assert apply(batch(changes), existing, ZONE, CHECKS) == tuple(expected)


def test_an_unknown_health_check_is_an_error_of_its_own():
    changes = [RecordChange("UPSERT", replace(WEST, health_check="gone"))]
    with pytest.raises(
        BatchRefusedError, match=r"^NoSuchHealthCheck: No health check exists with the specified ID\.$"
    ):
        apply(changes, PAIR, ZONE, CHECKS)
    assert refusals(changes, PAIR, ZONE) == [], "unjudged without the list"


def test_the_message_is_what_an_sdk_shows():
    with pytest.raises(BatchRefusedError) as refused:
        apply(batch([("CREATE", HOST), ("DELETE", OTHER)]), [HOST], ZONE)
    exists = f"Tried to create resource record set [name='a.{APEX}', type='A'] but it already exists"
    assert (refused.value.code, refused.value.message) == (
        "InvalidChangeBatch",
        f"[{exists}, {NOT_THERE}]",
    )
    with pytest.raises(BatchRefusedError) as malformed:
        apply([RecordChange("DELETE", replace(HOST, ttl=None))], [HOST], ZONE)
    assert malformed.value.code == "InvalidInput"
    with pytest.raises(ValueError, match="'REPLACE' is not one of"):
        RecordChange("REPLACE", HOST)


def test_health_checks_are_counted_and_children_exist():
    known = {f"hc-{n}" for n in range(199)}
    check_new_health_check([], known)
    check_new_health_check(sorted(known), known)
    with pytest.raises(BatchRefusedError, match=r"^TooManyHealthChecks: "):
        check_new_health_check([], known | {"hc-199"})
    with pytest.raises(BatchRefusedError, match=r"^InvalidInput: .* ID gone$"):
        check_children(["hc-1", "gone"], known)
    many = {f"hc-{n}" for n in range(256)}
    check_children(sorted(many)[:255], many)
    with pytest.raises(BatchRefusedError, match=r"^InvalidInput: 256 "):
        check_children(many, many)


# --- properties ----------------------------------------------------------------------------------

values = {"A": "203.0.113.1", "CNAME": "c.example.gov", "TXT": '"x"'}
roles = st.sampled_from([(None, None), ("west", "PRIMARY"), ("east", "SECONDARY"), ("east", "PRIMARY")])
records = st.builds(
    lambda host, type, role, check, ttl: Record(
        name=host,
        type=type,
        ttl=ttl,
        values=(values[type],),
        set_identifier=role[0],
        failover=role[1],
        health_check=check if role[1] else None,
    ),
    st.sampled_from([f"a.{ZONE}", f"A.{ZONE}.", f"b.{ZONE}", f"b.{ZONE}", ZONE, "a.example.gov"]),
    st.sampled_from(["A", "CNAME", "TXT"]),
    roles,
    st.sampled_from(["hc-west", "hc-west", "hc-east", None, "gone"]),
    st.sampled_from([60, 30]),
)
batches = st.lists(
    st.builds(RecordChange, st.sampled_from(["CREATE", "UPSERT", "DELETE"]), records), min_size=1, max_size=4
)
customers = st.builds(
    lambda id, primary: customer(id=id, primary=primary),
    st.sampled_from(["c7k2m", "h4t9q", "r2w6d"]),
    st.sampled_from(SIDES),
)


def whole(of) -> list[Record]:
    """Return the twelve records that the two stacks make."""
    return [
        dns.record(half, health_check=f"hc-{side}")
        for side in SIDES
        for half in dns.halves(of, side, "mft", ZONE)
    ]


@given(st.lists(batches, min_size=1, max_size=12))
@example([batch([("CREATE", HOST)]), batch([("DELETE", HOST), ("CREATE", CNAME)])])
def test_what_is_not_refused_leaves_a_good_zone_and_what_is_leaves_it_alone(several):
    zone: tuple[Record, ...] = ()
    for changes in several:
        before = tuple(zone)
        if refusals(changes, zone, ZONE, CHECKS):
            with pytest.raises(BatchRefusedError):
                apply(changes, zone, ZONE, CHECKS)
            assert zone == before
            continue
        zone = apply(changes, zone, ZONE, CHECKS)
        assert [
            text for text in violations(zone, ZONE) if "a failover pair has one of each" not in text
        ] == []
        one_by_one = before
        for change in changes:
            one_by_one = apply([change], one_by_one, ZONE, CHECKS)
        assert zone == one_by_one


@given(customers)
def test_a_customer_can_be_made_rehomed_and_removed(of):
    there, back = (
        of.model_copy(update={"primary": side}) for side in (of.primary, *set(SIDES) - {of.primary})
    )
    zone = apply([RecordChange("CREATE", record) for record in whole(there)], [], ZONE, CHECKS)
    assert violations(zone, ZONE) == []
    moved = [(old, new) for old, new in zip(whole(there), whole(back), strict=True) if old != new]
    assert len(moved) == 4
    deletes = [RecordChange("DELETE", old) for old, _ in moved]
    creates = [RecordChange("CREATE", new) for _, new in moved]
    assert refusals(creates + deletes, zone, ZONE, CHECKS)
    assert refusals(deletes[1:] + creates, zone, ZONE, CHECKS)
    zone = apply(deletes + creates, zone, ZONE, CHECKS)
    assert violations(zone, ZONE) == []
    assert set(zone) == set(whole(back))
    assert apply([RecordChange("DELETE", record) for record in whole(back)], zone, ZONE, CHECKS) == ()


@given(customers, st.data())
def test_every_lost_half_and_every_lost_health_check_is_seen(of, data):
    victim = data.draw(st.sampled_from(whole(of)))
    rest = [record for record in whole(of) if record != victim]
    assert violations(rest, ZONE)
    unchecked = violations([*rest, replace(victim, health_check=None)], ZONE)
    assert bool(unchecked) == (victim.failover == "PRIMARY")
