"""The audit chain: the text of a link, and that no change to it goes unnoticed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import chain
from runtime.chain import BrokenLinkError, Head, Link
from runtime.contract import Kind, UnknownKind, file_id
from runtime.facts import Fact

CUSTOMER, REGION, DAY, AT = "c7k2m", "us-gov-west-1", "2026-01-02", "2026-01-02T03:20:00+00:00"
TRANSFER = "20260102T030405Z-0123456789abcdef0123"


def fact(number: int = 1, kind: Kind = Kind.RECEIVED, **instead) -> Fact:
    key = f"inbound/sdk/ä{number}.csv"
    made = Fact(
        file=file_id(CUSTOMER, key),
        transfer=TRANSFER,
        kind=kind,
        customer=CUSTOMER,
        key=key,
        side="west",
        writer="ingest",
        at="2026-01-02T03:04:06.000+00:00",
        expires=1_800_000_000,
        detail={"size": 3, "destinations": ["partner"]},
    )
    return replace(made, **instead)


def link(head: Head = Head(), facts: tuple[Fact, ...] = (fact(1), fact(2), fact(3))) -> Link:  # noqa: B008
    return Link.after(head, facts, customer=CUSTOMER, region=REGION, day=DAY, at=AT)


FIRST = link()
SECOND = link(FIRST.head, (fact(4),))


def noticed(text: bytes) -> bool:
    try:
        return bool(chain.read(text).problems)
    except BrokenLinkError:
        return True


def test_a_link_can_be_read_again():
    assert chain.whole(FIRST.render()) == FIRST
    assert chain.read(SECOND.render()).seal == SECOND.seal
    assert [each["key"] for each in FIRST.facts] == sorted(
        (fact(number).key for number in (1, 2, 3)), key=lambda key: file_id(CUSTOMER, key)
    )


def test_anybody_can_check_a_link_with_common_tools():
    """`head -n -1 LINK | sha256sum` is its seal, and the next link's `previous`."""
    lines = FIRST.render().splitlines(keepends=True)
    assert all(line == line.strip() + b"\n" and json.loads(line) for line in lines)
    seal = hashlib.sha256(b"".join(lines[:-1])).hexdigest()
    assert json.loads(lines[-1]) == {"seal": seal}
    assert json.loads(SECOND.render().splitlines()[0]) == {
        "customer": CUSTOMER,
        "region": REGION,
        "number": 2,
        "previous": seal,
        "previous_at": AT,
        "day": DAY,
        "at": AT,
        "facts": 1,
    }
    assert json.loads(lines[0])["previous"] == "0" * 64


@given(st.permutations([fact(1), fact(2), fact(3), fact(1, Kind.DELIVERED, destination="partner")]))
def test_the_same_facts_make_the_same_link(facts):
    assert link(facts=tuple(facts)) == link(
        facts=(fact(1), fact(2), fact(3), fact(1, Kind.DELIVERED, destination="partner"))
    )


@given(st.data())
def test_no_changed_byte_goes_unnoticed(data):
    text = FIRST.render()
    at = data.draw(st.integers(0, len(text) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != text[at]))
    assert noticed(text[:at] + bytes([byte]) + text[at + 1 :])


@given(st.data())
def test_no_missing_or_repeated_line_goes_unnoticed_even_when_sealed_again(data):
    lines = FIRST.render().splitlines(keepends=True)
    at = data.draw(st.integers(0, len(lines) - 1))
    for changed in (lines[:at] + lines[at + 1 :], [*lines[: at + 1], *lines[at:]]):
        assert noticed(b"".join(changed))
        body = b"".join(changed[:-1])
        seal = json.dumps({"seal": hashlib.sha256(body).hexdigest()}, separators=(",", ":")).encode()
        assert noticed(body + seal + b"\n") or body == b"".join(lines[:-1])


def test_facts_in_another_order_are_named():
    header, one, two, three, _ = FIRST.render().splitlines(keepends=True)
    body = header + two + one + three
    seal = hashlib.sha256(body).hexdigest()
    problems = chain.read(body + json.dumps({"seal": seal}).encode() + b"\n").problems
    assert problems == (f"{json.loads(one)['key']} RECEIVED of {TRANSFER} is out of order",)


def test_a_fact_that_is_there_twice_is_named_though_the_header_counts_it():
    twice = replace(FIRST, facts=(FIRST.facts[0], *FIRST.facts)).render()
    key = FIRST.facts[0]["key"]
    assert chain.read(twice).problems == (f"{key} RECEIVED of {TRANSFER} is out of order",)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n",
        b"not a link",
        FIRST.render().splitlines(keepends=True)[0],
        b"".join(FIRST.render().splitlines(keepends=True)[1:]),
        b"".join(FIRST.render().splitlines(keepends=True)[:-1]),
        b"\xff" + FIRST.render(),
        FIRST.render().replace(b'"number":1', b'"number":"1"'),
        FIRST.render().replace(b'"day"', b'"date"'),
    ],
)
def test_a_malformed_link_is_refused(text):
    with pytest.raises(BrokenLinkError, match=r"its (first|last) line is not"):
        chain.read(text)


@pytest.mark.parametrize("instead", [{"detail": []}, {"expires": "1"}, {"kind": 5}])
def test_a_malformed_fact_is_named_by_its_line(instead):
    header, first, *_ = FIRST.render().splitlines()
    changed = json.dumps(json.loads(first) | instead).encode()
    text = b"\n".join((header, changed, FIRST.render().splitlines()[-1]))
    assert "its line 2 is not a fact" in chain.read(text).problems


def test_an_added_field_breaks_the_seal():
    header, first, *rest = FIRST.render().splitlines(keepends=True)
    for at, line in enumerate((header, first)):
        changed = [header, first, *rest]
        changed[at] = json.dumps(json.loads(line) | {"more": 1}).encode() + b"\n"
        assert chain.read(b"".join(changed)).problems == ("its content is not what it was sealed with",)


def test_a_link_of_a_newer_version_is_read_and_rendered_with_all_its_fields():
    newer = replace(
        link(facts=(replace(fact(1), kind=UnknownKind("RECALLED"), extra={"why": ["late", None, 1.5]}),)),
        extra={"schema": 2},
    )
    header, line, _ = newer.render().splitlines()
    assert json.loads(header)["schema"] == 2
    assert json.loads(line)["kind"] == "RECALLED"
    assert json.loads(line)["why"] == ["late", None, 1.5]
    assert chain.whole(newer.render()) == newer


def test_a_link_in_another_notation_is_refused():
    """Other bytes with a matching seal and the same content are not a link of this program."""
    body = b"".join(FIRST.render().splitlines(keepends=True)[:-1]).replace(b":", b": ", 1)
    seal = hashlib.sha256(body).hexdigest()
    with pytest.raises(BrokenLinkError, match="its text differs from what its fields render as"):
        chain.whole(body + json.dumps({"seal": seal}, separators=(",", ":")).encode() + b"\n")


def test_a_chain_holds_together():
    mine = {"customer": CUSTOMER, "region": REGION}
    assert chain.breaks(Head(), FIRST, **mine, number=1) == []
    assert chain.breaks(FIRST.head, SECOND, **mine, number=2) == []
    other = link(facts=(fact(1),))
    assert chain.breaks(other.head, SECOND, **mine, number=2) == ["it does not continue link 1"]
    assert chain.breaks(replace(FIRST.head, at="earlier"), SECOND, **mine, number=2)
    assert chain.breaks(FIRST.head, SECOND, **mine, number=3) == [f"it is link 2 of {CUSTOMER} in {REGION}"]
    assert chain.breaks(FIRST.head, SECOND, customer="c0000", region=REGION, number=2)
    assert chain.breaks(FIRST.head, SECOND, customer=CUSTOMER, region="us-gov-east-1", number=2)


def test_keys_sort_as_numbers_do():
    keys = [chain.key(CUSTOMER, number) for number in (1, 2, 10, 999_999, 1_000_000, 10**12 - 1)]
    assert keys == sorted(keys)
    assert [chain.number_in(key) for key in keys] == [1, 2, 10, 999_999, 1_000_000, 10**12 - 1]
    assert keys[0] == "audit/c7k2m/000000000001.jsonl"


@pytest.mark.parametrize(
    "key", ["audit/c7k2m/1.jsonl", "audit/c7k2m/000000000000.jsonl", "audit/c7k2m/", "actions/x", "audit/x"]
)
def test_other_keys_have_no_number(key):
    assert chain.number_in(key) is None


@pytest.mark.parametrize("part", ["file", "transfer", "destination", "side", "writer"])
def test_facts_in_different_places_of_the_tracker_have_different_identities(part):
    one, other = (chain.document(fact(**{part: value})) for value in ("one", "other"))
    assert chain.identity(one) != chain.identity(other)


def test_an_identity_follows_from_the_place_of_a_fact_and_not_from_its_content():
    one, other = fact(), fact(detail={}, at="later", expires=1)
    assert chain.identity(chain.document(one)) == chain.identity(chain.document(other))
    assert chain.identity(vars(one)) == chain.identity(json.loads(json.dumps(chain.document(one))))
    assert chain.identity(vars(one)) != chain.identity(vars(replace(one, kind=Kind.REJECTED)))
    contents = {chain.content(chain.document(each)) for each in (one, other, replace(one, key="k"))}
    assert len(contents) == 3
    assert chain.content(json.loads(json.dumps(chain.document(one)))) in contents
