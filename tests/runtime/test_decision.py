"""What to do with a transfer, decided by the facts about its file."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from runtime.contract import WEST, Kind
from runtime.decision import Action, Decision, compare, judge
from runtime.facts import Fact, submitted

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
#: Content by a letter; `A` and `B` have one size.
SIZES = {"A": 10, "B": 10, "C": 11}


def at(minutes: float, name: str = "0") -> str:
    """Return the id of a transfer that was submitted some minutes after noon."""
    return f"{NOON + timedelta(minutes=minutes):%Y%m%dT%H%M%SZ}-{name}"


def fact(
    transfer: str, kind: Kind, destination: str = "", *, when: float | None = None, **detail: object
) -> Fact:
    """Return a fact written some minutes after noon, or by default when its transfer was submitted."""
    moment = submitted(transfer) if when is None else NOON + timedelta(minutes=when)
    return Fact(
        file="f",
        transfer=transfer,
        kind=kind,
        customer="c7k2m",
        key="inbound/sdk/a.csv",
        side=WEST,
        writer="w",
        at=moment.isoformat(timespec="milliseconds"),
        expires=2_000_000_000,
        destination=destination,
        detail=detail,
    )


def delivered(transfer: str, content: str, destination: str = "a", when: float | None = None) -> Fact:
    return fact(transfer, Kind.DELIVERED, destination, when=when, sha256=content, size=SIZES[content])


def replayed(transfer: str, *over: Fact, destination: str = "a") -> Fact:
    return fact(transfer, Kind.REPLAYED, destination, over=[each.sort_key for each in over])


@dataclass(frozen=True)
class Judged:
    """The combined result of the two questions; `read` says whether the content was needed."""

    send: tuple[str, ...]
    spared: dict[str, str]
    conflicts: tuple[str, ...]
    read: bool
    held: dict[str, str] = field(default_factory=dict)


def decide(
    facts: list[Fact], transfer: str, content: str, to: tuple[str, ...] = ("a",), policy: str = "content"
) -> Judged:
    """Decide as the workflow does: judge the facts, and compare contents only where that is required."""
    about = {"transfer": transfer, "destinations": to, "window": HOUR}
    verdict = judge(facts, size=SIZES[content], policy=policy, **about)
    read = verdict.action is Action.COMPARE
    if read:
        verdict = compare(facts, sha256=content, **about)
    assert verdict.action in (Action.DELIVER, Action.DONE)
    send = verdict.destinations if verdict.action is Action.DELIVER else ()
    return Judged(send, dict(verdict.spared), verdict.conflicts, read, dict(verdict.held))


def test_a_destination_that_was_opened_again_is_not_spared_because_another_is_compared():
    first, mine = at(0), at(5)
    facts = [delivered(first, "A", "a"), delivered(first, "A", "b"), replayed(mine, destination="b")]
    assert decide(facts, mine, "A", ("a", "b")) == Judged(("b",), {"a": first}, (), True)


def test_a_first_submission_is_sent_and_not_read():
    first = at(0)
    assert decide([fact(first, Kind.RECEIVED)], first, "A", ("a", "b")) == Judged(("a", "b"), {}, (), False)


def test_a_resend_of_the_same_content_is_spared_and_names_the_delivery():
    first, again = at(0), at(5)
    assert decide([delivered(first, "A")], again, "A") == Judged((), {"a": first}, (), True)


def test_another_content_of_the_same_size_is_sent_and_marked():
    first, again = at(0), at(5)
    assert decide([delivered(first, "A")], again, "B") == Judged(("a",), {}, (first,), True)


def test_another_size_is_another_content_without_reading():
    first, again = at(0), at(5)
    assert decide([delivered(first, "A")], again, "C") == Judged(("a",), {}, (first,), False)


@pytest.mark.parametrize(
    ("minutes", "becomes"),
    [
        (60, "spared"),
        (60 + 1 / 60, "held"),  # nothing that is older is sent after it
        (-60, "spared"),
        (-60 - 1 / 60, "sent"),
        (0, "spared"),
    ],
)
def test_the_window_counts_from_submission_and_to_both_sides(minutes, becomes):
    """Before, because events come out of order: the later version may have been served first."""
    other = at(minutes, "other")
    found = decide([delivered(other, "A")], at(0, "this"), "A")
    assert {"spared": found.spared, "held": found.held, "sent": found.send}[becomes]
    assert [bool(found.spared), bool(found.held), bool(found.send)].count(True) == 1


def test_the_policy_version_sends_every_version():
    assert decide([delivered(at(0), "A")], at(5), "A", policy="version") == Judged(("a",), {}, (), False)


def test_only_the_destination_that_has_the_content_is_spared():
    first, again = at(0), at(5)
    found = decide([delivered(first, "A", "a"), fact(first, Kind.FAILED, "b")], again, "A", ("a", "b"))
    assert found == Judged(("b",), {"a": first}, (), True)


@pytest.mark.parametrize("content", ["B", "C"])
def test_an_older_version_that_comes_after_a_newer_one_is_held_and_not_sent(content):
    early, late = at(0), at(5)
    assert decide([delivered(late, "A")], early, "A").spared == {"a": late}
    found = decide([delivered(late, content)], early, "A")
    assert (found.send, found.held, found.conflicts) == ((), {"a": late}, ())


def test_only_the_destination_that_has_the_newer_version_holds_the_older_one():
    early, late = at(0), at(5)
    found = decide([delivered(late, "C", "b")], early, "A", ("a", "b"))
    assert (found.send, found.held) == (("a",), {"b": late})


def test_submissions_of_one_second_have_no_order():
    assert decide([delivered(at(0, "z"), "C")], at(0, "a"), "A").send == ("a",)


def test_a_newer_version_holds_an_older_one_however_long_ago_that_was():
    assert decide([delivered(at(6000), "C")], at(0), "A").held == {"a": at(6000)}


def test_the_policy_version_holds_nothing_back():
    assert decide([delivered(at(5), "C")], at(0), "A", policy="version").send == ("a",)


def test_of_x_y_x_the_third_is_sent_because_the_partner_holds_y():
    x, y, again = at(0), at(5), at(10)
    facts = [delivered(x, "A"), delivered(y, "B")]
    assert decide(facts, again, "A") == Judged(("a",), {}, (y,), True)
    assert decide([*facts, delivered(again, "A")], at(15), "A").spared == {"a": again}


def test_the_last_delivery_counts_and_not_the_last_submission():
    """An operator released the older file after the newer one had been delivered."""
    older, newer, again = at(0), at(5), at(10)
    facts = [delivered(older, "A", when=20), delivered(newer, "B", when=6)]
    assert decide(facts, again, "A").spared == {"a": older}
    assert decide(facts, again, "B").send == ("a",)


def test_the_last_delivery_counts_for_its_destination_only():
    facts = [delivered(at(0), "A", "a"), delivered(at(0), "A", "b"), delivered(at(5), "B", "b")]
    found = decide(facts, at(10), "A", ("a", "b"))
    assert (found.spared, found.send) == ({"a": at(0)}, ("b",))


def test_a_last_delivery_outside_the_window_spares_nobody():
    facts = [delivered(at(0), "A", when=1), delivered(at(-30), "A", when=2)]
    assert decide(facts, at(45), "A").send == ("a",)


def test_a_transfer_that_an_operator_reopened_is_sent_without_comparing():
    mine, newer = at(0), at(5)
    held = fact(mine, Kind.HELD, "a")
    for content in "ABC":
        facts = [held, replayed(mine, held), delivered(newer, content)]
        assert decide(facts, mine, "A").send == ("a",)
    assert decide([held, replayed(mine)], mine, "A").send == ()


def test_a_delivery_that_an_operator_set_aside_is_made_again():
    mine = at(0)
    done = delivered(mine, "A")
    assert decide([done, replayed(mine, done)], mine, "A").send == ("a",)
    again = fact(mine, Kind.DELIVERED, "a", when=3, sha256="A", size=10)
    again = Fact(**{**vars(again), "writer": "another"})
    assert decide([done, replayed(mine, done), again], mine, "A").send == ()


def test_only_destinations_that_hold_it_are_asked_and_not_about_a_newer_version():
    mine = at(0)
    facts = [
        fact(mine, Kind.HELD, "a"),
        fact(mine, Kind.HELD, "b", newer=at(5)),
        fact(mine, Kind.FAILED, "c"),
        fact(mine, Kind.HELD, "d"),
        delivered(mine, "A", "d"),
        delivered(at(5), "C", "a"),
    ]
    about = {"transfer": mine, "size": 10, "destinations": "abcde", "policy": "content", "window": HOUR}
    assert judge(facts, asks=True, **about) == Decision(action=Action.DELIVER, destinations=("a",))
    assert judge(facts[1:], asks=True, **about).action is Action.DONE


@pytest.mark.parametrize("kind", [Kind.FAILED, Kind.HELD, Kind.RECEIVED, Kind.REJECTED, Kind.ARCHIVED])
def test_a_resend_of_a_file_that_never_arrived_is_sent(kind):
    first, again = at(0), at(5)
    assert decide([fact(first, kind, "a")], again, "A") == Judged(("a",), {}, (), False)


def test_a_duplicate_of_a_duplicate_names_the_delivery():
    first, second, third = at(0), at(5), at(10)
    facts = [delivered(first, "A"), fact(second, Kind.DUPLICATE, "a", of=first)]
    assert decide(facts, third, "A").spared == {"a": first}


def test_duplicates_do_not_carry_a_delivery_beyond_its_window():
    first, second, third = at(0), at(50), at(100)
    facts = [delivered(first, "A"), fact(second, Kind.DUPLICATE, "a", of=first)]
    assert decide(facts, third, "A").send == ("a",)


def test_of_several_equal_deliveries_the_last_is_named():
    facts = [delivered(at(minutes), "A") for minutes in (7, 3, 5)]
    assert decide(facts, at(10), "A").spared == {"a": at(7)}


def test_conflicts_are_named_once_each_and_oldest_first():
    facts = [delivered(at(3), "B", "a"), delivered(at(3), "B", "b"), delivered(at(1), "C", "a")]
    assert decide(facts, at(10), "A").conflicts == (at(1), at(3))


def test_a_transfer_that_is_spared_everywhere_has_no_conflicts():
    facts = [delivered(at(1), "B"), delivered(at(2), "A")]
    assert decide(facts, at(10), "A") == Judged((), {"a": at(2)}, (), True)


def test_a_delivery_of_its_own_is_no_reason_to_read():
    mine = at(0)
    assert decide([delivered(mine, "A", "a")], mine, "A", ("a", "b")) == Judged(("b",), {}, (), False)


@pytest.mark.parametrize("kind", [Kind.DELIVERED, Kind.DUPLICATE, Kind.FAILED, Kind.HELD])
def test_a_destination_with_an_end_is_left_alone_and_the_others_are_not(kind):
    """This matters most for a hold, which forbids sending the file again."""
    mine = at(0)
    ended = fact(mine, kind, "a", sha256="A", size=10)
    assert decide([ended], mine, "A", ("a", "b")).send == ("b",)
    assert judge(
        [ended], transfer=mine, size=10, destinations=["a"], policy="content", window=HOUR
    ) == Decision(action=Action.DONE)


def test_a_rejected_transfer_is_done():
    assert decide([fact(at(0), Kind.REJECTED)], at(0), "A") == Judged((), {}, (), False)


# --- For all facts -------------------------------------------------------------------------------

NAMES = ("a", "b")
transfers = st.builds(at, st.sampled_from([-61, -60, -30, 0, 30, 60, 61]), st.sampled_from("xy"))
happened = st.one_of(
    st.builds(
        delivered, transfers, st.sampled_from("ABC"), st.sampled_from(NAMES), st.sampled_from([None, 70, 80])
    ),
    st.builds(
        lambda transfer, kind, destination: fact(transfer, kind, destination, of="t"),
        transfers,
        st.sampled_from([Kind.DUPLICATE, Kind.FAILED, Kind.HELD]),
        st.sampled_from(NAMES),
    ),
    st.builds(fact, transfers, st.sampled_from([Kind.RECEIVED, Kind.ARCHIVED, Kind.CONFLICT])),
)
# Two facts with one key would be one item of the table.
histories = st.lists(happened, max_size=8, unique_by=lambda fact: fact.sort_key)
wanted = st.sampled_from([("a",), ("b", "a")])
policies = st.sampled_from(["content", "version"])


def served_nearby(facts: list[Fact], transfer: str, content: str, destination: str) -> bool:
    """Return independently whether another transfer delivered this content there within the window."""
    return any(
        (each.kind, each.destination, each.detail.get("sha256")) == (Kind.DELIVERED, destination, content)
        and each.transfer != transfer
        and abs((submitted(each.transfer) - submitted(transfer)).total_seconds()) <= 3600
        for each in facts
    )


def holds_it(facts: list[Fact], transfer: str, content: str, destination: str) -> bool:
    """Return whether the last delivery there by others has this content and is within the window."""
    brought = [
        each
        for each in facts
        if (each.kind, each.destination) == (Kind.DELIVERED, destination) and each.transfer != transfer
    ]
    last = max(brought, key=lambda each: (each.at, each.sort_key), default=None)
    return last is not None and served_nearby([last], transfer, content, destination)


def is_newer(facts: list[Fact], transfer: str, destination: str) -> bool:
    return any(
        (each.kind, each.destination) == (Kind.DELIVERED, destination) and each.transfer[:16] > transfer[:16]
        for each in facts
    )


def ended(facts: list[Fact], transfer: str) -> set[str]:
    ends = (Kind.DELIVERED, Kind.DUPLICATE, Kind.FAILED, Kind.HELD)
    return {each.destination for each in facts if each.transfer == transfer and each.kind in ends}


@given(histories, transfers, st.sampled_from("ABC"), wanted, policies)
def test_no_destination_is_dropped(facts, transfer, content, to, policy):
    """Each destination is sent to, spared, held, or had already ended, and exactly one of these."""
    found = decide(facts, transfer, content, to, policy)
    before = set(to) & ended(facts, transfer)
    assert sorted([*found.send, *found.spared, *found.held, *before]) == sorted(to)


@given(histories, transfers, st.sampled_from("ABC"), wanted, policies)
def test_exactly_the_content_that_is_there_already_is_spared(facts, transfer, content, to, policy):
    found = decide(facts, transfer, content, to, policy)
    left = [name for name in to if name not in ended(facts, transfer)]
    there = [name for name in left if holds_it(facts, transfer, content, name)]
    newer = [name for name in left if is_newer(facts, transfer, name) and name not in there]
    assert sorted(found.spared) == (sorted(there) if policy == "content" else [])
    assert sorted(found.held) == (sorted(newer) if policy == "content" else [])
    event(f"{len(found.spared)} spared, {len(found.send)} sent, {'' if found.read else 'not '}read")


@given(histories, transfers, st.sampled_from("ABC"), wanted)
def test_every_delivery_of_another_content_is_named_as_a_conflict(facts, transfer, content, to):
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
    mixed = facts.copy()
    random.shuffle(mixed)
    assert decide(mixed, transfer, content, to, policy) == decide(facts, transfer, content, to, policy)


# --- While another submission is held ------------------------------------------------------------


def submitted_as(transfer: str, content: str) -> Fact:
    return fact(transfer, Kind.RECEIVED, size=SIZES[content], destinations=["a", "b"])


def waits(*facts: Fact, content: str = "A", to: tuple[str, ...] = ("a",), policy: str = "content") -> bool:
    about = {"policy": policy, "window": 2 * HOUR}
    found = judge(facts, transfer=at(60), size=SIZES[content], destinations=to, **about)
    assert found.action in (Action.WAIT, Action.DELIVER)
    return found.action is Action.WAIT


@pytest.mark.parametrize("minutes", [0, 90])
def test_what_may_be_the_same_file_as_a_held_one_waits_for_it(minutes):
    held = submitted_as(at(minutes), "A"), fact(at(minutes), Kind.HELD, "a")
    assert waits(*held)
    assert waits(*held, content="B")  # of the same size
    assert waits(*held, to=("a", "b"))
    assert not waits(*held, content="C")
    assert not waits(*held, to=("b",))
    assert not waits(*held, policy="version")
    assert not waits(*held, replayed(at(60)))
    assert not waits(held[0], fact(at(minutes), Kind.HELD, "a", newer=at(30)))
    assert not waits(*held, replayed(at(minutes), held[1]))
    assert not waits(submitted_as(at(-90), "A"), fact(at(-90), Kind.HELD, "a"))


def test_an_operators_resend_conflicts_only_with_content_of_another_size():
    mine = at(0)
    held = fact(mine, Kind.HELD, "a")
    facts = [held, replayed(mine, held), delivered(at(5), "B"), delivered(at(6), "C")]
    found = judge(
        facts, transfer=mine, size=SIZES["A"], destinations=("a",), policy="content", window=2 * HOUR
    )
    assert (found.action, found.destinations, found.conflicts) == (Action.DELIVER, ("a",), (at(6),))
