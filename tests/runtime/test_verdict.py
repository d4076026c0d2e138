"""What is to be done with a transfer, by the facts about its file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from runtime.contract import WEST, Kind
from runtime.facts import Fact, submitted
from runtime.verdict import Action, Verdict, compare, judge

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
#: Content by a letter; `A` and `B` have one size.
SIZES = {"A": 10, "B": 10, "C": 11}


def at(minutes: float, name: str = "0") -> str:
    """Return the id of a transfer submitted so many minutes after noon."""
    return f"{NOON + timedelta(minutes=minutes):%Y%m%dT%H%M%SZ}-{name}"


def fact(transfer: str, kind: Kind, destination: str = "", **detail: object) -> Fact:
    return Fact(
        file="f",
        transfer=transfer,
        kind=kind,
        customer="c7k2m",
        key="inbound/sdk/a.csv",
        side=WEST,
        writer="w",
        at="2026-01-02T12:00:00.000+00:00",
        expires=2_000_000_000,
        destination=destination,
        detail=detail,
    )


def delivered(transfer: str, content: str, destination: str = "a") -> Fact:
    return fact(transfer, Kind.DELIVERED, destination, sha256=content, size=SIZES[content])


@dataclass(frozen=True)
class Decision:
    """What the two questions lead to together; `read` says whether the content was needed."""

    send: tuple[str, ...]
    spared: dict[str, str]
    conflicts: tuple[str, ...]
    read: bool


def decide(
    facts: list[Fact], transfer: str, content: str, to: tuple[str, ...] = ("a",), policy: str = "content"
) -> Decision:
    """Ask as the workflow does: judge, and compare only when told to."""
    about = {"transfer": transfer, "destinations": to, "window": HOUR}
    verdict = judge(facts, size=SIZES[content], policy=policy, **about)
    read = verdict.action is Action.COMPARE
    if read:
        verdict = compare(facts, sha256=content, **about)
    assert verdict.action in (Action.DELIVER, Action.DONE)
    send = verdict.destinations if verdict.action is Action.DELIVER else ()
    return Decision(send, dict(verdict.spared), verdict.conflicts, read)


def test_a_first_submission_is_sent_and_not_read():
    first = at(0)
    assert decide([fact(first, Kind.RECEIVED)], first, "A", ("a", "b")) == Decision(("a", "b"), {}, (), False)


def test_a_resend_of_the_same_content_is_spared_and_says_of_what():
    first, again = at(0), at(5)
    assert decide([delivered(first, "A")], again, "A") == Decision((), {"a": first}, (), True)


def test_another_content_of_the_same_size_is_sent_and_marked():
    first, again = at(0), at(5)
    assert decide([delivered(first, "A")], again, "B") == Decision(("a",), {}, (first,), True)


def test_another_size_is_another_content_without_reading():
    first, again = at(0), at(5)
    assert decide([delivered(first, "A")], again, "C") == Decision(("a",), {}, (first,), False)


@pytest.mark.parametrize(
    ("minutes", "is_spared"),
    [(60, True), (60 + 1 / 60, False), (-60, True), (-60 - 1 / 60, False), (0, True)],
)
def test_the_window_counts_from_submission_and_to_both_sides(minutes, is_spared):
    """Before, because events come out of order: the later version may have been served first."""
    other = at(minutes, "other")
    found = decide([delivered(other, "A")], at(0, "this"), "A")
    assert (found.spared == {"a": other}, found.send == ("a",)) == (is_spared, not is_spared)


def test_the_policy_version_sends_every_version():
    assert decide([delivered(at(0), "A")], at(5), "A", policy="version") == Decision(("a",), {}, (), False)


def test_only_the_destination_that_has_the_content_is_spared():
    first, again = at(0), at(5)
    found = decide([delivered(first, "A", "a"), fact(first, Kind.FAILED, "b")], again, "A", ("a", "b"))
    assert found == Decision(("b",), {"a": first}, (), True)


def test_an_earlier_version_whose_event_comes_late_is_measured_against_the_later_one():
    early, late = at(0), at(5)
    assert decide([delivered(late, "A")], early, "A").spared == {"a": late}
    assert decide([delivered(late, "B")], early, "A") == Decision(("a",), {}, (late,), True)


@pytest.mark.parametrize("kind", [Kind.FAILED, Kind.HELD, Kind.RECEIVED, Kind.REJECTED, Kind.ARCHIVED])
def test_a_resend_of_what_never_arrived_is_sent(kind):
    first, again = at(0), at(5)
    assert decide([fact(first, kind, "a")], again, "A") == Decision(("a",), {}, (), False)


def test_a_duplicate_of_a_duplicate_names_the_delivery():
    first, second, third = at(0), at(5), at(10)
    facts = [delivered(first, "A"), fact(second, Kind.DUPLICATE, "a", of=first)]
    assert decide(facts, third, "A").spared == {"a": first}


def test_duplicates_do_not_carry_a_delivery_beyond_its_window():
    first, second, third = at(0), at(50), at(100)
    facts = [delivered(first, "A"), fact(second, Kind.DUPLICATE, "a", of=first)]
    assert decide(facts, third, "A").send == ("a",)


def test_of_several_equal_deliveries_the_oldest_is_named():
    facts = [delivered(at(minutes), "A") for minutes in (7, 3, 5)]
    assert decide(facts, at(10), "A").spared == {"a": at(3)}


def test_conflicts_are_named_once_each_and_oldest_first():
    facts = [delivered(at(3), "B", "a"), delivered(at(3), "B", "b"), delivered(at(1), "C", "a")]
    assert decide(facts, at(10), "A").conflicts == (at(1), at(3))


def test_what_is_spared_everywhere_conflicts_with_nothing():
    facts = [delivered(at(1), "B"), delivered(at(2), "A")]
    assert decide(facts, at(10), "A") == Decision((), {"a": at(2)}, (), True)


def test_a_delivery_of_its_own_is_no_reason_to_read():
    mine = at(0)
    assert decide([delivered(mine, "A", "a")], mine, "A", ("a", "b")) == Decision(("b",), {}, (), False)


@pytest.mark.parametrize("kind", [Kind.DELIVERED, Kind.DUPLICATE, Kind.FAILED, Kind.HELD])
def test_a_destination_with_an_end_is_left_alone_and_the_others_are_not(kind):
    """A hold above all: sending again is what it forbids."""
    mine = at(0)
    ended = fact(mine, kind, "a", sha256="A", size=10)
    assert decide([ended], mine, "A", ("a", "b")).send == ("b",)
    assert judge(
        [ended], transfer=mine, size=10, destinations=["a"], policy="content", window=HOUR
    ) == Verdict(action=Action.DONE)


def test_a_rejected_transfer_is_done():
    assert decide([fact(at(0), Kind.REJECTED)], at(0), "A") == Decision((), {}, (), False)


# --- For all facts -------------------------------------------------------------------------------

NAMES = ("a", "b")
transfers = st.builds(at, st.sampled_from([-61, -60, -30, 0, 30, 60, 61]), st.sampled_from("xy"))
happened = st.one_of(
    st.builds(delivered, transfers, st.sampled_from("ABC"), st.sampled_from(NAMES)),
    st.builds(
        lambda transfer, kind, destination: fact(transfer, kind, destination, of="t"),
        transfers,
        st.sampled_from([Kind.DUPLICATE, Kind.FAILED, Kind.HELD]),
        st.sampled_from(NAMES),
    ),
    st.builds(fact, transfers, st.sampled_from([Kind.RECEIVED, Kind.ARCHIVED, Kind.CONFLICT])),
)
histories = st.lists(happened, max_size=8)
wanted = st.sampled_from([("a",), ("b", "a")])
policies = st.sampled_from(["content", "version"])


def served_nearby(facts: list[Fact], transfer: str, content: str, destination: str) -> bool:
    """Say, in other words, whether another transfer brought this content there within the window."""
    return any(
        (each.kind, each.destination, each.detail.get("sha256")) == (Kind.DELIVERED, destination, content)
        and each.transfer != transfer
        and abs((submitted(each.transfer) - submitted(transfer)).total_seconds()) <= 3600
        for each in facts
    )


def ended(facts: list[Fact], transfer: str) -> set[str]:
    ends = (Kind.DELIVERED, Kind.DUPLICATE, Kind.FAILED, Kind.HELD)
    return {each.destination for each in facts if each.transfer == transfer and each.kind in ends}


@given(histories, transfers, st.sampled_from("ABC"), wanted, policies)
def test_no_destination_is_dropped(facts, transfer, content, to, policy):
    """Each is sent, or spared, or had its end before; and only one of these."""
    found = decide(facts, transfer, content, to, policy)
    assert sorted([*found.send, *found.spared, *(set(to) & ended(facts, transfer))]) == sorted(to)


@given(histories, transfers, st.sampled_from("ABC"), wanted, policies)
def test_exactly_what_is_there_already_is_spared(facts, transfer, content, to, policy):
    found = decide(facts, transfer, content, to, policy)
    left = [name for name in to if name not in ended(facts, transfer)]
    there = [name for name in left if served_nearby(facts, transfer, content, name)]
    assert sorted(found.spared) == (sorted(there) if policy == "content" else [])
    event(f"{len(found.spared)} spared, {len(found.send)} sent, {'' if found.read else 'not '}read")


@given(histories, transfers, st.sampled_from("ABC"), wanted)
def test_a_delivery_of_another_content_is_never_passed_over_in_silence(facts, transfer, content, to):
    found = decide(facts, transfer, content, to)
    others = {
        each.transfer
        for each in facts
        for other in SIZES
        if other != content and served_nearby([each], transfer, other, each.destination)
    }
    assert set(found.conflicts) == (others if found.send else set())


@given(histories, transfers, st.sampled_from("ABC"), wanted, policies, st.randoms())
def test_the_order_of_facts_does_not_matter(facts, transfer, content, to, policy, random):
    # Two deliveries with one key would be one item of the table.
    facts = list({each.sort_key: each for each in facts}.values())
    mixed = facts.copy()
    random.shuffle(mixed)
    assert decide(mixed, transfer, content, to, policy) == decide(facts, transfer, content, to, policy)
