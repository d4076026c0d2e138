"""Which of two versions of a file is newer, from what their RECEIVED facts say."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.contract import EAST, Kind
from runtime.decision import newer_delivery
from runtime.facts import Fact
from runtime.order import is_newer
from tests.runtime.test_decision import at, decide, delivered, fact

A, B = at(0, "a"), at(0, "b")


def received(transfer: str, **order: object) -> Fact:
    return fact(transfer, Kind.RECEIVED, destinations=["a"], **order)


def order_of(*facts: Fact) -> tuple[bool, bool]:
    """Return whether B is newer than A, and whether A is newer than B."""
    return is_newer(facts, B, A), is_newer(facts, A, B)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("01", "02", (True, False)),
        ("02", "01", (False, True)),
        ("0A", "0b", (True, False)),  # hexadecimal, in any case
        ("00F", "01", (True, False)),  # the shorter one is padded on the right
        ("01", "00FFFF", (False, True)),
        ("01", "0100", (False, False)),
        ("0", "0", (False, False)),
    ],
)
def test_sequencers_are_padded_on_the_right_and_compared(one, other, expected):
    assert order_of(received(A, sequencer=one), received(B, sequencer=other)) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"earlier": []}, {"earlier": [A]}, (True, False)),
        ({"earlier": [B]}, {"earlier": []}, (False, True)),
        ({"earlier": []}, {"sequencer": "1"}, (True, False)),  # B came after A was listed
        ({"earlier": [B]}, {"sequencer": "1"}, (False, True)),
        ({"sequencer": "1"}, {"earlier": [A]}, (True, False)),
        ({"sequencer": "1"}, {"earlier": []}, (False, True)),
        ({"earlier": []}, {"earlier": []}, (False, False)),  # one was removed before the other was listed
        ({}, {}, (False, False)),  # received by an older version of the platform
        ({"sequencer": "1"}, {}, (False, False)),
    ],
)
def test_listings_decide_where_an_event_has_no_sequencer(one, other, expected):
    assert order_of(received(A, **one), received(B, **other)) == expected


def test_seconds_come_first_and_two_regions_or_a_missing_fact_give_no_order():
    later = at(1, "a")
    assert is_newer([], later, B)
    assert not is_newer([received(B, sequencer="2"), received(later, sequencer="1")], B, later)
    one, other = received(A, sequencer="1"), received(B, sequencer="2")
    assert order_of(one, replace(other, side=EAST)) == (False, False)
    assert order_of(one) == (False, False)


@given(
    written=st.lists(st.sampled_from(["sequencer", "listing"]), min_size=2, max_size=6),
    data=st.data(),
)
def test_any_versions_of_a_second_have_the_order_in_which_they_were_written(written, data):
    """Each is taken in at some time after it was written, so a listing may show some of the later ones."""
    names = [at(0, str(number)) for number in range(len(written))]
    facts = []
    for number, how in enumerate(written):
        order = {"sequencer": f"{number:02X}"} if how == "sequencer" else {"earlier": names[:number][::-1]}
        facts.append(received(names[number], **order))
    facts = data.draw(st.permutations(facts))
    for one, other in permutations(range(len(names)), 2):
        assert is_newer(facts, names[one], names[other]) is (one > other)


def test_the_older_of_a_second_is_held_where_the_newer_was_delivered():
    facts = [received(A, sequencer="1"), received(B, sequencer="2")]
    assert decide([*facts, delivered(B, "A")], A, "C").held == {"a": B}
    assert decide([*facts, delivered(A, "A")], B, "C").send == ("a",)
    assert newer_delivery([*facts, delivered(B, "A")], A, "a") == B
    assert decide([delivered(B, "A")], A, "C").send == ("a",), "what has no order is sent"
