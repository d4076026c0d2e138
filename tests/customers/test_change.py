"""Which changes of the registry are refused, at which line, and with which remedy."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from itertools import product

import pytest
from customer_samples import STEPS, customer
from hypothesis import given
from hypothesis import strategies as st

from customers.change import RegistryChange
from customers.files import RegistryFile
from customers.model import Failover
from customers.move import Move
from customers.registry import Registry
from customers.rehoming import Rehoming
from customers.source import read

_SAMPLE = customer()
#: The lines of a short file with every key that matters here.
LINES = "name: {name}\nid: {id}\nlifecycle: {lifecycle}\nprimary: {primary}\ncell: '{cell}'\n"


def registry(**files: dict) -> Registry:
    """Return the registry of these files, each given by its differences from an active customer in West."""
    usual = {"lifecycle": "active", "primary": "west", "cell": "1"}
    facts = {file: {**usual, "name": f"Agency {file}", **changes} for file, changes in files.items()}
    customers = sorted((_SAMPLE.model_copy(update=each) for each in facts.values()), key=lambda each: each.id)
    places = {
        each["id"]: RegistryFile(f"customers/{file}.yaml", parsed(LINES.format(**each)))
        for file, each in facts.items()
    }
    return Registry(tuple(customers), places)


parsed = cache(read)


def crowd(count: int, lifecycle: str = "active", first: int = 0) -> dict[str, dict]:
    return {f"f{n:03}": {"id": f"c{n:03}", "lifecycle": lifecycle} for n in range(first, first + count)}


def said(before: Registry, after: Registry, *, was_moved=None, moved=None, leaving=None) -> list[str]:
    change = RegistryChange(before, after)
    return change.refusals(was_moved=was_moved or {}, moved=moved or {}, leaving=leaving)


def move(to: str, id: str = "c7k2m", day: int = 1) -> Rehoming:
    return Rehoming.model_validate(
        {
            "customer": id,
            "from": {"east": "west", "west": "east"}[to],
            "to": to,
            "who": "J. Doe",
            "why": "ticket 42",
            "when": datetime(2026, 11, day, tzinfo=UTC),
            "digest": "0123456789ab",
        }
    )


#: Other customers that do not change, so that one of six may leave without confirmation.
OTHERS = crowd(5)


def test_an_unchanged_registry_is_not_refused():
    same = registry(a={"id": "c7k2m"}, **OTHERS)
    assert said(same, same) == []
    assert said(Registry(()), same) == []


def test_files_and_names_are_free_to_change():
    before = registry(a={"id": "c7k2m"}, b={"id": "h4t9q"}, **OTHERS)
    swapped = registry(b={"id": "c7k2m"}, a={"id": "h4t9q"}, **OTHERS)
    assert said(before, swapped) == []


# --- Removal -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lifecycle", STEPS)
def test_only_what_is_deployed_as_retired_may_go(lifecycle):
    before = registry(a={"id": "c7k2m", "lifecycle": lifecycle}, **OTHERS)
    expected = [
        f"customers/a.yaml:3: lifecycle: 'c7k2m' was removed, but it is deployed as '{lifecycle}'; restore"
        " it, and remove it only after 'retired' has been applied in both stacks"
    ]
    assert said(before, registry(**OTHERS)) == ([] if lifecycle == "retired" else expected)


def test_no_number_overrides_a_removal():
    before = registry(a={"id": "c7k2m"}, **OTHERS)
    assert len(said(before, registry(**OTHERS), leaving=1)) == 2


def test_all_may_go_when_all_are_retired_but_a_registry_is_never_thinned_otherwise():
    before = registry(**crowd(30, "retired"), **crowd(2, first=30))
    assert said(before, registry(**crowd(2, first=30))) == []
    assert len(said(before, registry(**crowd(1, first=31)))) == 1


# --- Ids ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "name"), [("a", "Agency a"), ("a", "Another"), ("z", "Agency a")], ids=["both", "file", "name"]
)
def test_an_id_never_changes(file, name):
    before = registry(a={"id": "c7k2m"}, **OTHERS)
    after = registry(**{file: {"id": "h4t9q", "name": name}}, **OTHERS)
    for leaving in (None, 1):
        first, *rest = said(before, after, leaving=leaving)
        assert first == (
            f"customers/{file}.yaml:2: id: was 'c7k2m' and is now 'h4t9q', but an id never changes:"
            " bucket names and DNS names contain it; put 'c7k2m' back, or give the new customer its own"
            " file and name"
        )
        assert len(rest) == (leaving is not None)


def test_another_file_with_another_name_is_another_customer():
    before = registry(a={"id": "c7k2m"}, **OTHERS)
    after = registry(z={"id": "h4t9q", "lifecycle": "onboarding"}, **OTHERS)
    (line,) = said(before, after)
    assert line.startswith(
        "customers/a.yaml:3: lifecycle: 'c7k2m' was removed, but it is deployed as 'active'"
    )


def test_other_changes_beside_an_id_are_reported_at_once():
    before = registry(a={"id": "c7k2m"}, **OTHERS)
    after = registry(a={"id": "h4t9q", "primary": "east", "cell": "2", "lifecycle": "retired"}, **OTHERS)
    keys = [line.split(": ")[:2] for line in said(before, after)]
    assert keys == [[f"customers/a.yaml:{n}", key] for n, key in
                    enumerate(("id", "lifecycle", "primary", "cell"), start=2)]  # fmt: skip


def test_the_file_of_a_retired_customer_is_free():
    before = registry(a={"id": "c7k2m", "lifecycle": "retired"}, **OTHERS)
    assert said(before, registry(a={"id": "h4t9q", "lifecycle": "onboarding"}, **OTHERS)) == []
    (line,) = said(before, registry(a={"id": "h4t9q"}, **OTHERS))
    assert "'h4t9q' is new and starts as 'active'" in line


def test_two_exchanged_ids_are_each_their_own():
    before = registry(a={"id": "c7k2m"}, b={"id": "h4t9q"}, **OTHERS)
    after = registry(a={"id": "r2w6d", "name": "Agency b"}, b={"id": "x8p3v", "name": "Agency a"}, **OTHERS)
    lines = said(before, after)
    assert [
        "'c7k2m' and is now 'r2w6d'" in lines[0],
        "'h4t9q' and is now 'x8p3v'" in lines[1],
        len(lines),
    ] == [
        1,
        1,
        2,
    ]


# --- Lifecycle ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("was", "now"), list(product(STEPS, STEPS)))
def test_no_step_of_the_lifecycle_is_skipped(was, now):
    before = registry(a={"id": "c7k2m", "lifecycle": was}, **OTHERS)
    lines = said(before, registry(a={"id": "c7k2m", "lifecycle": now}, **OTHERS))
    if now == was or now in STEPS[was]:
        assert lines == []
        return
    (line,) = lines
    start = f"customers/a.yaml:3: lifecycle: goes from '{was}' to '{now}' and skips "
    assert line.startswith(start)
    # The stages that the message names lead there, step by step.
    between = line.removeprefix(start).partition(";")[0].replace("'", "").split(", ")
    for step, following in zip([was, *between], [*between, now], strict=True):
        assert following in STEPS[step]


@pytest.mark.parametrize("lifecycle", STEPS)
def test_a_new_customer_begins_at_the_beginning(lifecycle):
    newcomer = {"a": {"id": "c7k2m", "lifecycle": lifecycle}}
    lines = said(registry(**OTHERS), registry(**newcomer, **OTHERS))
    assert said(Registry(()), registry(**newcomer)) == []
    assert [line.split("; ")[0] for line in lines] == (
        []
        if lifecycle == "onboarding"
        else [f"customers/a.yaml:3: lifecycle: 'c7k2m' is new and starts as '{lifecycle}'"]
    )


# --- Cell --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lifecycle", STEPS)
def test_a_customer_stays_in_its_cell(lifecycle):
    before = registry(a={"id": "c7k2m", "lifecycle": lifecycle}, **OTHERS)
    (line,) = said(before, registry(a={"id": "c7k2m", "lifecycle": lifecycle, "cell": "2"}, **OTHERS))
    assert line.startswith(
        "customers/a.yaml:5: cell: goes from '1' to '2', but the customer's buckets cannot be renamed; "
    )


def moving(step: str | None, *, cell: str = "1", to: str = "2") -> Registry:
    """Return a registry with a customer at a step of its move, or that does not move."""
    its = {} if step is None else {"move": Move(to=to, step=step)}
    return registry(a={"id": "c7k2m", "cell": cell, **its}, **OTHERS)


#: The steps of a move, and those that may follow each.
MOVES: dict[str | None, set[str | None]] = {
    None: {"prepared"},
    "prepared": {"opened", "abandoned"},
    "opened": {"switched", "abandoned"},
    "switched": {"drained"},
    "drained": {None},
    "abandoned": {None},
}


@pytest.mark.parametrize(("was", "now"), list(product(MOVES, repeat=2)))
def test_a_move_to_another_cell_takes_one_step_after_the_other(was, now):
    cell = "2" if (was, now) == ("drained", None) else "1"
    lines = said(moving(was), moving(now, cell=cell))
    if was == now or now in MOVES[was]:
        assert lines == []
        return
    (line,) = lines
    verb = "mft-ops cell move c7k2m" + (" --to 2" if was is None else "")
    assert line.endswith(f" may follow; put back what is deployed, and run: {verb}")


@pytest.mark.parametrize(
    ("was", "now", "message"),
    [
        (moving("drained"), moving(None), "is '1', but has to be '2' at this step of the move"),
        (moving("abandoned"), moving(None, cell="2"), "is '2', but has to be '1' at this step of the move"),
        (
            moving("prepared"),
            moving("opened", cell="3"),
            "is '3', but has to be '1' at this step of the move",
        ),
        (
            moving("prepared"),
            moving("opened", to="3"),
            "goes to '3', but the move to '2' has not ended; put '2' back",
        ),
    ],
)
def test_a_move_ends_where_it_goes_to_and_nowhere_else(was, now, message):
    (line,) = said(was, now)
    assert line.endswith(f": {message}")


def test_both_cells_of_a_move_are_named():
    change = RegistryChange(moving(None), moving("prepared"))
    assert change.touched == ("touched in cells 1 and 2: c7k2m: changes move",)
    ended = RegistryChange(moving("drained"), moving(None, cell="2"))
    assert ended.touched == ("touched in cells 1 and 2: c7k2m: changes cell, move",)


# --- Primary -----------------------------------------------------------------------------------------

WEST = registry(a={"id": "c7k2m"}, **OTHERS)
EAST = registry(a={"id": "c7k2m", "primary": "east"}, **OTHERS)
UNRECORDED = (
    "customers/a.yaml:4: primary: goes from 'west' to 'east' without a new record in"
    " rehomes/c7k2m.json; put 'west' back and run: mft-ops rehome c7k2m --to us-gov-east-1"
)
UNEDITED = (
    "customers/a.yaml:4: primary: is '{}', but J. Doe moved it to '{}', as rehomes/c7k2m.json records;"
    " write '{}', or the next update moves it back"
)
TAMPERED = "rehomes/c7k2m.json: a record was changed or removed; restore it, and only add records"


@pytest.mark.parametrize(
    ("after", "was_moved", "moved", "lines"),
    [
        (EAST, [], [], [UNRECORDED]),
        (EAST, [], [move("east")], []),
        (EAST, [move("east")], [move("east")], [UNRECORDED]),
        (EAST, [move("east"), move("west", day=2)], [move("east"), move("west", day=2)], [UNRECORDED]),
        (EAST, [move("west")], [move("west"), move("east", day=2)], []),
        (EAST, [], [move("east"), move("west", day=2), move("east", day=3)], []),
        (EAST, [], [move("west")], [UNEDITED.format("east", "west", "west")]),
        (WEST, [], [move("east")], [UNEDITED.format("west", "east", "east")]),
        (WEST, [], [move("east"), move("west", day=2)], []),
        (WEST, [move("east")], [move("east")], []),
        (EAST, [move("west")], [move("east", day=2)], [TAMPERED]),
        (EAST, [move("west")], [], [TAMPERED]),
        (WEST, [move("west")], [move("west", day=2)], [TAMPERED]),
    ],
)  # fmt: skip
def test_a_primary_changes_with_a_record_of_it_and_never_without(after, was_moved, moved, lines):
    records = {"was_moved": {"c7k2m": tuple(was_moved)}, "moved": {"c7k2m": tuple(moved)}}
    assert said(WEST, after, **records) == lines


def test_a_record_speaks_of_its_own_customer():
    before = registry(a={"id": "c7k2m"}, b={"id": "h4t9q"}, **OTHERS)
    after = registry(a={"id": "c7k2m", "primary": "east"}, b={"id": "h4t9q", "primary": "east"}, **OTHERS)
    assert said(before, after, moved={"h4t9q": (move("east", "h4t9q"),)}) == [UNRECORDED]


def test_before_there_are_dns_records_a_primary_is_free():
    before = registry(a={"id": "c7k2m", "lifecycle": "onboarding"}, **OTHERS)
    for lifecycle in ("onboarding", "active"):
        after = registry(a={"id": "c7k2m", "lifecycle": lifecycle, "primary": "east"}, **OTHERS)
        assert said(before, after) == []


# --- The brake ---------------------------------------------------------------------------------------


def going(count: int, of: int, *, was: str = "draining", now: str = "retired", besides: int = 0) -> tuple:
    """Return two registries: `count` of `of` customers leave, and some others are already retired."""
    rest = {**crowd(of - count, first=count), **crowd(besides, "retired", first=of)}
    return registry(**crowd(count, was), **rest), registry(**crowd(count, now), **rest)


@given(
    count=st.integers(0, 13),
    rest=st.integers(0, 60),
    besides=st.integers(0, 20),
    step=st.sampled_from([("draining", "retired"), ("closing", "draining"), ("onboarding", "retired")]),
)
def test_more_than_ten_or_a_fifth_must_be_meant(count, rest, besides, step):
    before, after = going(count, count + rest, was=step[0], now=step[1], besides=besides)
    lines = said(before, after)
    if count <= 10 and count <= (count + rest) / 5:
        assert lines == []
        return
    ids = ", ".join(f"c{n:03}" for n in range(count))
    assert lines == [
        f"customers: {count} of {count + rest} go out of service at once, more than 10 or 20 %; if that is"
        f" intended, add --retiring {count}: {ids}"
    ]
    assert said(before, after, leaving=count) == []


@pytest.mark.parametrize("wrong", [1, 3, 12])
@pytest.mark.parametrize(("count", "of"), [(2, 4), (2, 40), (0, 4), (11, 100)])
def test_a_number_that_is_not_the_number_is_refused(count, of, wrong):
    (line,) = said(*going(count, of), leaving=wrong)
    assert line.startswith(f"customers: --retiring {wrong} was given, but {count} go out of service: ")


def test_who_only_prepares_to_leave_is_not_counted():
    before, after = going(40, 40, was="active", now="closing")
    assert said(before, after) == []
    assert RegistryChange(before, after).leaving == ()


def test_who_comes_back_or_comes_new_does_not_go():
    before = registry(**crowd(3, "draining"), **crowd(2, "onboarding", first=3))
    after = registry(**crowd(5), **crowd(1, "onboarding", first=5))
    assert said(before, after) == []
    assert RegistryChange(before, after).leaving == ()


# --- All of it ---------------------------------------------------------------------------------------


def test_everything_is_reported_in_order_and_at_once():
    before = registry(a={"id": "c7k2m"}, b={"id": "h4t9q"}, c={"id": "r2w6d"})
    after = registry(
        a={"id": "c7k2m", "lifecycle": "retired", "cell": "2"},
        c={"id": "r2w6d", "primary": "east"},
        d={"id": "x8p3v"},
    )
    assert [line.split(": ")[0] for line in said(before, after)] == [
        "customers/a.yaml:3", "customers/a.yaml:5", "customers/b.yaml:3", "customers/c.yaml:4",
        "customers/d.yaml:3", "customers",
    ]  # fmt: skip


def test_the_check_that_records_carry_is_not_taken_from_under_them():
    before = registry(a={"id": "c7k2m"}, **OTHERS)
    (line,) = said(before, registry(a={"id": "c7k2m", "failover": Failover(health_check="cell")}, **OTHERS))
    assert "failover.health_check: goes from 'customer' to 'cell' while the customer is in service" in line


def test_the_check_of_a_customer_without_records_is_free():
    before = registry(a={"id": "c7k2m", "lifecycle": "draining"}, **OTHERS)
    shared = {"id": "c7k2m", "failover": Failover(health_check="cell")}
    assert said(before, registry(a={**shared, "lifecycle": "draining"}, **OTHERS)) == []
    assert said(before, registry(a=shared, **OTHERS)) == []
