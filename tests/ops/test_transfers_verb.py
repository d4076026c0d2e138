"""`mft-ops transfers`: the list of transfers, from both regions or from the remaining one."""

from __future__ import annotations

import itertools
import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ops.environment import Environment
from ops.recovery.regions import Regions
from ops.recovery.transfer_list import newest
from ops.recovery.window import Window
from runtime import contract, tracker
from runtime.contract import EAST, REGION_OF, WEST, Kind
from runtime.facts import Fact
from tests.ops.transfers import Estate, other_customer

WESTERN = REGION_OF[WEST]
NOW = datetime.now(UTC).replace(microsecond=0)
NAMES = ("a.csv", "b.csv", "c.txt", "d.csv", "e.csv")


def submit(
    estate: Estate,
    name: str,
    age: timedelta,
    *,
    side: str = WEST,
    customer: str | None = None,
    to: tuple[str, ...] = ("partner",),
    is_kept: bool = False,
    **settled: Kind,
) -> str:
    """Record a transfer as received that long ago, and how its destinations were settled; return its id."""
    customer, key, when = customer or estate.customer, f"inbound/sdk/{name}", NOW - age
    file = contract.file_id(customer, key)
    cell = {WEST: estate.west, EAST: estate.east}[side]
    version = f"{name}{age}"
    if is_kept:
        version = cell.client("s3").put_object(Bucket=cell.bucket, Key=key, Body=b"")["VersionId"]
    transfer = contract.transfer_id(file, version, when)
    detail = {"bucket": cell.bucket, "version_id": version, "size": 1234, "etag": "e"}
    facts = [(Kind.RECEIVED, "", {**detail, "destinations": list(to)})]
    facts += [(kind, at, {"size": 1234, "reason": "refused", "sha256": "0"}) for at, kind in settled.items()]
    for number, (kind, at, about) in enumerate(facts):
        fact = Fact(
            file=file,
            transfer=transfer,
            kind=kind,
            customer=customer,
            key=key,
            side=side,
            writer=f"{transfer}-workflow-1",
            at=(when + timedelta(seconds=number)).isoformat(),
            expires=int((NOW + timedelta(days=9)).timestamp()),
            destination=at,
            detail=about,
        )
        assert cell.tracker.record(fact)
    return transfer


def listed(estate: Estate, *words: str, code: int = 0) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the transfers that are listed, and the last line."""
    result = estate.ops("transfers", *words, "--json")
    assert (result.code, result.err) == (code, ""), result
    first, *lines, last = map(json.loads, result.out.splitlines())
    assert set(first) == {"window", "not_looked_at"}
    return [line["transfer"] for line in lines], last


@pytest.fixture
def five(estate: Estate) -> list[str]:
    """Five transfers in both regions, newest first: delivered, failed, held, under way, rejected."""
    hours = iter(timedelta(hours=each) for each in (1, 2, 3, 25, 26))
    delivered = submit(estate, "a.csv", next(hours), partner=Kind.DELIVERED)
    failed = submit(estate, "b.csv", next(hours), side=EAST, is_kept=True, partner=Kind.FAILED)
    served = {"partner": Kind.DELIVERED, "other": Kind.HELD}
    held = submit(estate, "c.txt", next(hours), to=("partner", "other"), is_kept=True, **served)
    young = submit(estate, "d.csv", next(hours), side=EAST)
    rejected = submit(estate, "e.csv", next(hours), **{"": Kind.REJECTED})
    return [delivered, failed, held, young, rejected]


def test_the_list_is_newest_first_and_says_what_became_of_each(estate, five):
    found, last = listed(estate)
    assert [each["transfer"] for each in found] == five
    assert [each["status"] for each in found] == ["delivered", "failed", "held", "under way", "rejected"]
    assert [each["destinations"] for each in found] == [
        {"partner": "delivered"},
        {"partner": "failed"},
        {"partner": "delivered", "other": "held"},
        {"partner": "under way"},
        {},
    ]
    assert [each["region"] for each in found] == [REGION_OF[side] for side in (WEST, EAST, WEST, EAST, WEST)]
    assert {(each["customer"], each["size"]) for each in found} == {(estate.customer, 1234)}
    assert found[0]["submitted"] == f"{NOW - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    assert (last["listed"], last["more"]) == (5, None)
    settled = {each["status"]: each["settle"] for each in found}
    assert {name: len(its) for name, its in settled.items()} == {
        **{"delivered": 0, "under way": 0, "rejected": 0},
        **{"failed": 1, "held": 2},
    }


def test_what_it_prints_settles_the_file(estate, five, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = estate.ops("transfers", "--key", "sdk/*").out
    commands = [line.strip() for line in text.splitlines() if line.startswith("    mft-ops")]
    assert [re.search("replay plan|--delivered|--resend", each)[0] for each in commands] == [
        "replay plan",
        "--delivered",
        "--resend",
    ]
    plan, delivered, resend = (estate.ops(*shlex.split(each)[1:]) for each in commands)
    assert plan.code == 0, plan.err
    assert "1 to deliver" in plan.out
    for each in (delivered, resend):
        assert each.code == 0, each.err
        assert "other holds it" in each.out


@pytest.mark.parametrize("limit", [1, 2, 4, 5])
def test_the_pages_are_the_list_without_a_gap_or_a_repeat(estate, five, limit):
    found, words = [], ["--limit", str(limit), "--window", "40h"]
    for _ in range(5):
        page, last = listed(estate, *words)
        found += [each["transfer"] for each in page]
        if last["more"] is None:
            break
        assert len(page) == limit
        words = shlex.split(last["more"])[2:]
    assert found == five


def test_it_is_searched_by_customer_name_state_and_time(estate, five):
    other = submit(estate, "a.csv", timedelta(hours=2), customer=other_customer(estate))

    def ids(*words: str) -> list[str]:
        return [each["transfer"] for each in listed(estate, *words)[0]]

    delivered, failed, held, young, rejected = five
    assert ids(f"{estate.customer}b") == [other]
    assert sorted(ids("--window", "150m")) == sorted([delivered, failed, other])
    assert ids(estate.customer, "--key", "sdk/*.txt") == [held]
    assert ids(estate.customer, "--state", "delivered") == [delivered, held], "also at one destination"
    assert ids(estate.customer, "--state", "under-way") == [young]
    until = f"{NOW - timedelta(hours=25):%Y-%m-%dT%H:%M:%SZ}"
    assert ids(estate.customer, "--until", until) == [rejected], "the end is not part of the window"


def test_only_what_is_listed_is_read(estate, monkeypatch):
    for minutes in range(40):
        submit(estate, f"{minutes}.csv", timedelta(minutes=minutes), partner=Kind.DELIVERED)
    monkeypatch.setattr(tracker, "_RECENT", 10)
    regions = Regions.find(Environment.read(estate.place.root))
    queries: list[str] = []
    for side in regions.sides:
        events = regions.client("dynamodb", side).meta.events
        events.register(
            "before-call.dynamodb.Query", lambda **_: queries.append("one"), unique_id=f"count {side}"
        )
    window = Window.of(since=NOW - timedelta(hours=1))
    three = list(itertools.islice(newest(regions, [estate.customer], window), 3))
    read = len(queries)
    assert [each.key for each in three] == [f"inbound/sdk/{n}.csv" for n in range(3)]
    everything = list(newest(regions, [estate.customer], window))
    for side in regions.sides:
        regions.client("dynamodb", side).meta.events.unregister(
            "before-call.dynamodb.Query", unique_id=f"count {side}"
        )
    assert len(everything) == 40
    assert read <= 8, "a page or two of each region, and one of an empty day"
    assert len(queries) - read >= 2 * 80 // 10


def test_one_region_is_dead(estate, five):
    estate.lose(WEST)
    result = estate.ops("transfers")
    assert result.code == 1
    assert f"{WESTERN} is not looked at" in result.out.splitlines()[0]
    assert all(each in result.out for each in five), "facts of the dead region were replicated"
    assert estate.ops("transfers", "--region", REGION_OF[EAST]).code == 0


def test_names_stay_on_their_lines(estate):
    submit(estate, "a\n\x1b[31m.csv", timedelta(minutes=5))
    lines = estate.ops("transfers").out.splitlines()
    assert len(lines) == 2
    assert r"a\n\x1b[31m.csv" in lines[0]


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (("ct", "--limit", "0"), 2, "--limit"),
        (("--after", "yesterday"), 2, "is not a transfer's id"),
        (("--after", "20260231T000000Z-0123456789abcdef0123"), 2, "is not a transfer's id"),
        (("--after", "20200131T000000Z-0123456789abcdef0123"), 2, "is not within the window"),
        (("--window", "soon"), 2, "is not a length of time"),
        (("--window", "999999d"), 2, "is longer than time is counted"),
        (("--since", "2026-01-02", "--until", "2026-01-01"), 2, "is not before"),
        (("--state", "lost"), 2, "is not one of under-way, delivered"),
        (("--key", "[a]"), 2, "only `*`, `?` and `**` are special"),
    ],
)
def test_wrong_words_are_refused_with_one_message(place, words, code, line):
    result = place.ops("transfers", *words)
    assert (result.code, result.out) == (code, "")
    assert line in " ".join(result.err.replace("│", "").split())


def test_an_unknown_customer_is_refused_with_the_nearest(estate):
    result = estate.ops("transfers", f"{estate.customer}x")
    assert result.code == 1
    assert f"did you mean {estate.customer}?" in result.line
    assert estate.ops("transfers", "--region", "us-gov-west-2").code == 1
