"""Facts, and what follows from them."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.contract import EAST, WEST, Kind
from runtime.facts import ENDED, Fact, Status, by_transfer, lacks, status, submitted

TRANSFER = "20260102T030405Z-0123456789abcdef0123"


def fact(kind: Kind, destination: str = "", *, transfer: str = TRANSFER, **detail: object) -> Fact:
    return Fact(
        file="f",
        transfer=transfer,
        kind=kind,
        customer="c7k2m",
        key="inbound/sdk/a.csv",
        side=WEST,
        writer="w",
        at="2026-01-02T03:04:05.000+00:00",
        expires=2_000_000_000,
        destination=destination,
        detail=detail,
    )


def received(*destinations: str) -> Fact:
    return fact(Kind.RECEIVED, destinations=list(destinations))


def facts_from(text: str) -> list[Fact]:
    """Return the facts that short words describe: `D:a` is DELIVERED to a."""
    kinds = {
        "D": Kind.DELIVERED,
        "F": Kind.FAILED,
        "H": Kind.HELD,
        "2": Kind.DUPLICATE,
        "R": Kind.REJECTED,
        "A": Kind.ARCHIVED,
        "C": Kind.CONFLICT,
        "P": Kind.REPLAYED,
        "T": Kind.RECEIPT,
    }
    return [fact(kinds[word[0]], word[2:]) for word in text.split()]


@pytest.mark.parametrize(
    ("wanted", "facts", "means"),
    [
        ("a", "", Status.UNDER_WAY),
        ("a", "A C T P", Status.UNDER_WAY),
        ("a", "D:a", Status.DELIVERED),
        ("a b", "D:a D:b", Status.DELIVERED),
        ("a b", "D:a", Status.UNDER_WAY),
        ("a", "2:a", Status.DUPLICATE),
        ("a b", "2:a 2:b", Status.DUPLICATE),
        ("a b", "D:a 2:b", Status.DELIVERED),
        ("a", "F:a", Status.FAILED),
        ("a", "H:a", Status.HELD),
        ("a", "R", Status.REJECTED),
        ("a", "R D:a", Status.REJECTED),
        # Served after all: by a later attempt, or after a release.
        ("a", "F:a D:a", Status.DELIVERED),
        ("a", "H:a D:a", Status.DELIVERED),
        ("a", "F:a 2:a", Status.DUPLICATE),
        ("a b", "D:a F:b", Status.FAILED),
        ("a b", "F:a H:b", Status.HELD),
        ("a b", "F:a H:b D:b", Status.FAILED),
        # One destination has an end, the other is still being served: its lease must not be taken over.
        ("a b", "F:a", Status.UNDER_WAY),
        ("a b", "H:a", Status.UNDER_WAY),
        ("a b c", "D:a H:b", Status.UNDER_WAY),
    ],
)
def test_status(wanted, facts, means):
    for order in itertools.permutations([received(*wanted.split()), *facts_from(facts)]):
        assert status(order) is means


@pytest.mark.parametrize(
    ("wanted", "facts", "lacking"),
    [
        ("a b", "D:a 2:b", {}),
        ("a b c", "F:c H:b", {Status.FAILED: ("c",), Status.UNDER_WAY: ("a",), Status.HELD: ("b",)}),
        ("b a", "F:a F:b", {Status.FAILED: ("b", "a")}),
        ("a b", "F:a D:a H:b 2:b", {}),
        ("a", "F:a H:a", {Status.HELD: ("a",)}),
        ("a", "F:a R", {}),
        ("", "F:a", {}),
    ],
)
def test_what_each_destination_lacks(wanted, facts, lacking):
    for order in itertools.permutations([received(*wanted.split()), *facts_from(facts)]):
        assert lacks(order) == lacking


def over(*facts: Fact, writer: str = "r") -> Fact:
    """Return the decision of an operator that sets facts aside."""
    made = fact(Kind.REPLAYED, facts[0].destination, over=[each.sort_key for each in facts])
    return Fact(**{**vars(made), "writer": writer})


@pytest.mark.parametrize("kind", ["H", "F", "2", "D"])
def test_setting_an_end_aside_reopens_the_destination(kind):
    end = facts_from(f"{kind}:a")[0]
    assert status([received("a"), end, over(end)]) is Status.UNDER_WAY
    assert status([received("a", "b"), end, over(end), *facts_from("D:b")]) is Status.UNDER_WAY


@pytest.mark.parametrize(
    ("word", "means"), [("H:a", Status.HELD), ("F:a", Status.FAILED), ("D:a", Status.DELIVERED)]
)
def test_an_end_after_the_operators_decision_counts(word, means):
    before, after = facts_from("H:a")[0], Fact(**{**vars(facts_from(word)[0]), "writer": "later"})
    assert status([received("a"), before, over(before), after]) is means
    assert status([received("a"), before, over(before), after, over(after, writer="r2")]) is Status.UNDER_WAY


def test_a_decision_reopens_only_the_ends_that_were_known():
    """The peer held it too, and its fact came later: the decision did not cover it."""
    known, unknown = facts_from("H:a")[0], Fact(**{**vars(facts_from("H:a")[0]), "side": EAST})
    assert status([received("a"), known, over(known), unknown]) is Status.HELD


@pytest.mark.parametrize("facts", ["D:a", "F:a", "H:a", "2:a", "D:a F:b H:c"])
def test_without_received_it_is_not_known_whether_a_destination_still_waits(facts):
    assert status(facts_from(facts)) is Status.UNDER_WAY


def test_a_rejected_transfer_was_never_received():
    assert status(facts_from("R T")) is Status.REJECTED


def test_two_receptions_name_their_destinations_together():
    """There is one per region: the survivor's, and the lost region's when it returns."""
    assert status([received("a"), received("b"), *facts_from("D:a")]) is Status.UNDER_WAY
    assert status([received("a"), received("b"), *facts_from("D:a D:b")]) is Status.DELIVERED


def test_a_fact_stands_below_its_transfer_and_day():
    about = fact(Kind.DELIVERED, "a")
    assert about.sort_key == f"{TRANSFER}#DELIVERED#a#west#w"
    assert about.customer_day == "c7k2m#2026-01-02"
    assert submitted(TRANSFER) == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_by_transfer_is_oldest_first():
    young, old = "20260103T000000Z-0", "20260102T000000Z-f"
    groups = by_transfer([fact(Kind.RECEIVED, transfer=t) for t in (young, old, young)])
    assert [(name, len(facts)) for name, facts in groups.items()] == [(old, 1), (young, 2)]


# --- For all facts -------------------------------------------------------------------------------

NAMES = ["a", "b", "c"]
ENDS = [Kind.DELIVERED, Kind.FAILED, Kind.HELD, Kind.DUPLICATE]
happened = st.one_of(
    st.builds(fact, st.sampled_from(ENDS), st.sampled_from(NAMES)),
    st.builds(fact, st.sampled_from([Kind.ARCHIVED, Kind.CONFLICT, Kind.REPLAYED, Kind.RECEIPT])),
)
receptions = st.lists(st.sampled_from(NAMES), min_size=1, unique=True).map(lambda names: received(*names))
anything = st.lists(st.one_of(happened, receptions, st.just(fact(Kind.REJECTED))), max_size=8)


@given(anything, st.randoms())
def test_neither_order_nor_repetition_matters(facts, random):
    mixed = facts + facts[:2]
    random.shuffle(mixed)
    assert status(mixed) is status(facts)


@given(receptions, st.lists(happened, max_size=8), happened)
def test_what_one_more_fact_can_change(reception, facts, more):
    """An end remains an end. FAILED and HELD may turn into anything better; DELIVERED stays."""
    before, after = status([reception, *facts]), status([reception, *facts, more])
    if before in ENDED:
        assert after in ENDED
    if before is Status.DELIVERED:
        assert after is Status.DELIVERED
    if before is Status.DUPLICATE:
        assert after in (Status.DUPLICATE, Status.DELIVERED)
    if before in ENDED and more.kind is Kind.FAILED:
        assert after is before
    if before in ENDED and after is not before:
        assert more.kind in (Kind.DELIVERED, Kind.DUPLICATE, Kind.HELD)
        assert more.kind is not Kind.HELD or before is Status.FAILED


@given(receptions, st.lists(happened, max_size=8))
def test_a_transfer_has_ended_when_each_destination_has(reception, facts):
    ends = {each.destination for each in facts if each.kind in ENDS}
    assert (status([reception, *facts]) in ENDED) == (set(reception.detail["destinations"]) <= ends)


@given(anything, anything)
def test_the_side_of_a_fact_does_not_change_its_meaning(facts, others):
    """The peer's facts count like a region's own."""
    there = [Fact(**{**vars(each), "side": EAST}) for each in others]
    assert status([*facts, *there]) is status([*facts, *others])
