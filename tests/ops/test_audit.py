"""`python -m ops audit verify`: every way to tamper with the records, and what is reported of it."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runtime import chain, contract
from runtime.audit import Audit, ChainIndex
from runtime.chain import Head, Link
from runtime.contract import EAST, REGION_OF, WEST, Kind, UnknownKind
from runtime.facts import Fact
from tests.ops.transfers import Estate, Side

WESTERN, EASTERN = REGION_OF[WEST], REGION_OF[EAST]
NOW = datetime.now(UTC)
EARLIER = NOW - timedelta(hours=2)
EXPIRES = int((NOW + timedelta(days=90)).timestamp())
_numbers = itertools.count(1)


def fact(side: Side, at: datetime = EARLIER, submitted: datetime = EARLIER, **instead: Any) -> Fact:
    """Return a fact that is in no tracker yet."""
    number = next(_numbers)
    key = f"inbound/sdk/{number:04}.csv"
    made = Fact(
        file=contract.file_id(side.customer, key),
        transfer=f"{submitted:%Y%m%dT%H%M%SZ}-{number:020x}",
        kind=Kind.RECEIVED,
        customer=side.customer,
        key=key,
        side=side.side,
        writer="ingest",
        at=at.isoformat(timespec="milliseconds"),
        expires=EXPIRES,
        detail={"size": number, "destinations": ["partner"]},
    )
    return replace(made, **instead)


def write(side: Side, *facts: Fact) -> None:
    for each in facts:
        assert side.tracker.record(each)


def item(of: Fact) -> dict[str, dict[str, str]]:
    return {contract.TRACKER_PK: {"S": of.file}, contract.TRACKER_SK: {"S": of.sort_key}}


def erase(side: Side, of: Fact) -> None:
    side.client("dynamodb").delete_item(TableName=side.table, Key=item(of))


def export(side: Side, day: datetime = EARLIER) -> None:
    made = Audit(
        tracker=side.tracker,
        index=ChainIndex(table=side.table, side=side.side, client=side.client("dynamodb")),
        directory=side.directory,
        bucket=side.audit_bucket,
        s3=side.client("s3"),
    )
    made.export(side.customer, day.date())


class Chain:
    """West's chain of three links, with three, one and one facts, and ways to tamper with it."""

    def __init__(self, side: Side) -> None:
        self.side, self.s3 = side, side.client("s3")
        self.facts = [fact(side) for _ in range(5)]
        for some in (self.facts[:3], self.facts[3:4], self.facts[4:]):
            write(side, *some)
            export(side)

    def place(self, number: int) -> dict[str, str]:
        return {"Bucket": self.side.audit_bucket, "Key": chain.key(self.side.customer, number)}

    def text(self, number: int) -> bytes:
        return self.s3.get_object(**self.place(number))["Body"].read()

    def link(self, number: int) -> Link:
        return chain.whole(self.text(number))

    def lines(self, number: int) -> list[bytes]:
        return self.text(number).splitlines(keepends=True)

    def remove(self, number: int) -> None:
        """Remove a link, which is impossible while the link is locked."""
        place = self.place(number)
        for each in self.s3.list_object_versions(Bucket=place["Bucket"], Prefix=place["Key"])["Versions"]:
            self.s3.delete_object(**place, VersionId=each["VersionId"])

    def put(self, number: int, text: bytes) -> None:
        """Replace a link by another text."""
        self.remove(number)
        self.s3.put_object(**self.place(number), Body=text)

    def forge(self, number: int, *facts: Fact) -> Head:
        """Replace a link by one with other facts, and make all later links follow from it."""
        old = [self.link(each) for each in range(number, 4)]
        head = Head(number=number - 1, seal=old[0].previous, at=old[0].previous_at)
        documents = tuple(chain.document(each) for each in sorted(facts, key=lambda each: each.transfer))
        new = replace(old[0], facts=documents)
        for following in [new, *old[1:]]:
            made = replace(following, previous=head.seal, previous_at=head.at)
            self.put(made.number, made.render())
            head = made.head
        return head

    def note(self, head: Head) -> None:
        """Write this head to the tracker."""
        client = self.side.client("dynamodb")
        client.put_item(
            TableName=self.side.table,
            Item={
                contract.TRACKER_PK: {"S": f"audit#{self.side.customer}#{self.side.side}"},
                contract.TRACKER_SK: {"S": "HEAD"},
                "number": {"N": str(head.number)},
                "seal": {"S": head.seal},
                "at": {"S": head.at},
            },
        )


@pytest.fixture
def western(estate: Estate) -> Chain:
    return Chain(estate.west)


def findings(estate: Estate, *words: str) -> list[str]:
    """Return the findings about West's chain; East's is sound."""
    code, document = estate.json("audit", "verify", estate.customer, *words)
    by_region = {each["region"]: each["findings"] for each in document["chains"]}
    found = by_region.pop(WESTERN)
    assert not any(by_region.values())
    assert (code, document["sound"]) == ((1, False) if found else (0, True))
    return found


def seal(lines: list[bytes]) -> bytes:
    """Return a link's text with a seal that fits."""
    sealed = json.dumps({"seal": hashlib.sha256(b"".join(lines)).hexdigest()}, separators=(",", ":"))
    return b"".join(lines) + sealed.encode() + b"\n"


# --- Sound -------------------------------------------------------------------------------------------


def test_a_chain_that_nobody_touched_is_sound(estate, western):
    write(estate.east, fact(estate.east))
    export(estate.east)
    result = estate.ops("audit", "verify")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        f"{estate.customer} {EASTERN}: 1 links, 1 facts: sound",
        f"{estate.customer} {WESTERN}: 3 links, 5 facts: sound",
    ]
    code, document = estate.json("audit", "verify", "--region", WESTERN)
    assert (code, document["sound"], document["unknowns"]) == (0, True, [])
    (only,) = document["chains"]
    assert only == {
        "customer": estate.customer,
        "region": WESTERN,
        "links": 3,
        "facts": 5,
        "unproven": 0,
        "seal": western.link(3).seal,
        "findings": [],
        "more": 0,
    }


def test_the_chain_of_real_transfers_is_sound(estate):
    for side in (estate.west, estate.east):
        transfer = side.receive(b"abc", f"inbound/sdk/{side.side}.csv")
        side.workflow.claim(transfer, owner=f"{transfer.id}-g1")
        side.attempt(transfer)
        side.workflow.complete(transfer, [], owner=f"{transfer.id}-g1")
        export(side, NOW)
    code, document = estate.json("audit", "verify", "--grace", "0")
    assert (code, [each["facts"] for each in document["chains"]]) == (0, [3, 3])


def test_what_a_newer_version_recorded_is_verified_like_the_rest(estate, western):
    newer = fact(estate.west, kind=UnknownKind("RECALLED"), extra={"schema": 2})
    write(estate.west, newer)
    export(estate.west)
    assert findings(estate, "--region", WESTERN) == []
    west = estate.west.client("dynamodb")
    changed = {"AttributeUpdates": {"schema": {"Value": {"N": "3"}}}}
    west.update_item(TableName=estate.west.table, Key=item(newer), **changed)
    (found,) = findings(estate, "--region", WESTERN)
    assert f"RECALLED of {newer.key}, transfer {newer.transfer} has other content in link 4" in found


def test_the_last_link_may_not_be_noted_yet(estate, western):
    """A pass may have died between the link and its note; the next pass writes the note."""
    western.note(western.link(2).head)
    assert findings(estate) == []


# --- Links -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "finding"),
    [
        ((1,), "link 1 is missing"),
        ((2,), "link 2 is missing"),
        ((1, 2), "links 1 to 2 are missing"),
        ((3,), "link 3 is missing at the end: according to the tracker the last one is link 3, sealed "),
        (
            (2, 3),
            "links 2 to 3 are missing at the end: according to the tracker the last one is link 3, sealed ",
        ),
        (
            (1, 2, 3),
            "links 1 to 3 are missing at the end: according to the tracker the last one is link 3, sealed ",
        ),
    ],
)
def test_a_removed_link_is_missed_and_so_is_each_fact_in_it(estate, western, numbers, finding):
    held = {1: western.facts[:3], 2: western.facts[3:4], 3: western.facts[4:]}
    for number in numbers:
        western.remove(number)
    found = findings(estate)
    assert found[0].startswith(finding)
    gone = [each for number in numbers for each in held[number]]
    assert sorted(found[1:]) == sorted(
        f"RECEIVED of {each.key}, transfer {each.transfer}, of {each.at}, is in the tracker but in no link"
        for each in gone
    )


def test_a_truncated_chain_is_found_when_its_facts_have_expired(estate, western):
    for each in western.facts:
        erase(estate.west, each)
    western.remove(2)
    western.remove(3)
    assert findings(estate)[0].startswith("links 2 to 3 are missing at the end")


def test_swapped_links_are_found(estate, western):
    second, third = western.text(2), western.text(3)
    western.put(2, third)
    western.put(3, second)
    found = "\n".join(findings(estate))
    assert f"link 2 is not the original: it is link 3 of {estate.customer} in {WESTERN}" in found
    assert f"link 3 is not the original: it is link 2 of {estate.customer} in {WESTERN}" in found
    assert "link 3 was replaced: its seal is" in found


def test_a_link_of_another_chain_is_found(estate, western):
    western.put(2, replace(western.link(2), region=EASTERN).render())
    assert (
        f"link 2 is not the original: it is link 2 of {estate.customer} in {EASTERN}" in findings(estate)[0]
    )


def test_an_unreadable_link_is_found_and_the_rest_is_read(estate, western):
    western.put(2, b"nothing")
    found = findings(estate)
    assert found[0] == "link 2 was altered: its first line is not a link's header"
    assert western.facts[3].key in found[1]
    assert len(found) == 2


def test_a_stranger_among_the_links_is_named(estate, western):
    key = f"audit/{estate.customer}/readme.txt"
    western.s3.put_object(Bucket=estate.west.audit_bucket, Key=key, Body=b"x")
    assert findings(estate) == [f"{key} is not a link of a chain"]


def test_a_delete_marker_over_a_link_is_found_and_the_link_is_read_beneath_it(estate, western):
    western.s3.delete_object(**western.place(3))
    (found,) = findings(estate)
    assert found.startswith("link 3 was deleted on 20")


def test_another_version_over_a_link_is_found_and_the_first_counts(estate, western):
    western.s3.put_object(**western.place(2), Body=b"other")
    assert findings(estate) == ["link 2 was written 2 times; the first version counts"]


def test_a_head_that_was_moved_back_is_found(estate, western):
    western.note(western.link(1).head)
    assert findings(estate) == ["the chain goes on to link 3, but the tracker knows of none after 1"]


# --- Facts in links ----------------------------------------------------------------------------------


def altered(line: bytes) -> bytes:
    document = json.loads(line)
    document["detail"]["size"] += 1
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def test_an_altered_fact_is_found_and_named(estate, western):
    header, one, *rest = western.lines(1)
    western.put(1, b"".join([header, altered(one), *rest]))
    about = json.loads(one)
    assert findings(estate) == [
        "link 1 was altered: its content is not what it was sealed with",
        f"RECEIVED of {about['key']}, transfer {about['transfer']} has other content in link 1"
        " than in the tracker",
    ]


def test_an_altered_fact_is_found_though_its_link_was_sealed_again(estate, western):
    header, one, *rest = western.lines(1)
    western.put(1, seal([header, altered(one), *rest[:-1]]))
    found = findings(estate)
    assert found[0] == "link 2 is not the original: it does not continue link 1"
    assert f"{json.loads(one)['key']}, transfer" in found[1]


def test_an_altered_fact_in_the_last_link_is_found_by_the_head(estate, western):
    """The fact may have expired in the tracker."""
    header, one, _ = western.lines(3)
    last = western.link(3).seal
    western.put(3, seal([header, altered(one)]))
    found = findings(estate)
    assert found[0].startswith("link 3 was replaced: its seal is ")
    assert found[0].endswith(f"and {last} in the tracker")


def test_a_chain_forged_from_a_link_on_is_found_by_the_head_and_the_tracker(estate, western):
    other = replace(western.facts[3], detail={"size": 0})
    western.forge(2, other)
    found = findings(estate)
    assert found[0].startswith("link 3 was replaced")
    assert f"{other.key}, transfer {other.transfer} has other content in link 2" in found[1]


def test_a_chain_forged_with_its_head_is_found_by_the_tracker(estate, western):
    other = replace(western.facts[3], detail={"size": 0})
    western.note(western.forge(2, other))
    (found,) = findings(estate)
    assert f"{other.key}, transfer {other.transfer} has other content in link 2" in found


def test_a_removed_fact_is_found_and_named(estate, western):
    header, one, *rest = western.lines(1)
    western.put(1, b"".join([header, *rest]))
    found = findings(estate)
    assert found[:2] == [
        "link 1 was altered: its content is not what it was sealed with",
        "link 1 was altered: it does not hold as many facts as its header says",
    ]
    assert json.loads(one)["key"] in found[2]
    assert found[2].endswith("is in the tracker but in no link")


def test_reordered_facts_are_found_and_named(estate, western):
    header, one, two, *rest = western.lines(1)
    western.put(1, b"".join([header, two, one, *rest]))
    assert findings(estate) == [
        "link 1 was altered: its content is not what it was sealed with",
        f"link 1 was altered: {json.loads(one)['key']} RECEIVED of {json.loads(one)['transfer']}"
        " is out of order",
    ]


def test_a_fact_that_is_repeated_in_a_later_link_is_found(estate, western):
    first = western.facts[0]
    western.note(western.forge(3, western.facts[4], first))
    assert findings(estate) == [
        f"link 3 repeats RECEIVED of {first.key}, transfer {first.transfer}, which is in link 1"
    ]


# --- Facts in the tracker ----------------------------------------------------------------------------


def test_a_fact_that_was_removed_from_the_tracker_is_found(estate, western):
    gone = western.facts[3]
    erase(estate.west, gone)
    assert findings(estate) == [
        f"RECEIVED of {gone.key}, transfer {gone.transfer}, in link 2, is not in the tracker"
    ]


def test_a_fact_that_was_altered_in_the_tracker_is_found(estate, western):
    erase(estate.west, western.facts[3])
    write(estate.west, replace(western.facts[3], at=NOW.isoformat()))
    (found,) = findings(estate)
    assert western.facts[3].key in found
    assert "has other content in link 2 than in the tracker" in found


def test_a_fact_that_no_link_holds_is_found(estate, western):
    absent = fact(estate.west)
    write(estate.west, absent)
    (found,) = findings(estate)
    assert found.startswith(f"RECEIVED of {absent.key}, transfer {absent.transfer}, of {absent.at},")


@pytest.mark.parametrize(
    ("minutes", "submitted_days", "grace", "is_found"),
    [
        (50, 0, "60", False),
        (70, 0, "60", True),
        (50, 0, "40", True),
        (70, 30, "60", False),
        (24 * 60 + 50, 30, "60", False),
        (24 * 60 + 70, 30, "60", True),
    ],
)
def test_a_fact_is_missed_once_it_was_due(estate, western, minutes, submitted_days, grace, is_found):
    at = datetime.now(UTC) - timedelta(minutes=minutes)
    write(estate.west, fact(estate.west, at=at, submitted=at - timedelta(days=submitted_days)))
    assert bool(findings(estate, "--grace", grace)) is is_found


def test_facts_of_the_other_region_do_not_belong_to_this_chain(estate, western):
    write(estate.east, fact(estate.east))
    code, document = estate.json("audit", "verify")
    assert code == 1
    assert {each["region"]: len(each["findings"]) for each in document["chains"]} == {WESTERN: 0, EASTERN: 1}


# --- Old links ---------------------------------------------------------------------------------------


def old_chain(side: Side, ages: list[int]) -> Chain:
    """Make a chain of expired facts whose links are as old as `days`."""
    made = Chain.__new__(Chain)
    made.side, made.s3, made.facts = side, side.client("s3"), []
    head = Head()
    for age in ages:
        at = NOW - timedelta(days=age)
        about = {"customer": side.customer, "region": side.region, "day": f"{at:%Y-%m-%d}"}
        old = fact(side, at=at, submitted=at, expires=int(at.timestamp()) + 1)
        link = Link.after(head, [old], **about, at=at.isoformat())
        made.s3.put_object(**made.place(link.number), Body=link.render())
        head = link.head
    made.note(head)
    return made


@pytest.mark.parametrize(
    ("ages", "removed", "is_found"),
    [
        ([1000, 950, 900, 1], (1, 2), False),
        ([1000, 950, 900, 1], (1,), False),
        ([1000, 950, 900, 1], (1, 2, 3), True),
        ([1000, 950, 900, 1], (2,), True),
        ([1000, 950], (1, 2), False),
        ([1000, 900], (1, 2), True),
    ],
)
def test_links_that_have_been_kept_long_enough_may_be_gone(estate, ages, removed, is_found):
    made = old_chain(estate.west, ages)
    assert findings(estate) == []
    for number in removed:
        made.remove(number)
    assert bool(findings(estate)) is is_found


# --- Which chains ------------------------------------------------------------------------------------


def test_the_chain_of_a_former_customer_is_verified(estate, western):
    for side in (estate.west, estate.east):
        side.client("s3").delete_object(Bucket=side.config_bucket, Key=contract.config_key(estate.customer))
    assert findings_of_west_alone(estate) == []
    erase(estate.west, western.facts[0])
    assert western.facts[0].key in findings_of_west_alone(estate)[0]


def test_all_days_that_a_former_customers_chain_is_about_are_compared(estate):
    at = NOW - timedelta(days=10)
    old = fact(estate.west, at=at, submitted=at)
    write(estate.west, old)
    export(estate.west, at)
    estate.west.client("s3").delete_object(
        Bucket=estate.west.config_bucket, Key=contract.config_key(estate.customer)
    )
    erase(estate.west, old)
    write(estate.west, replace(old, detail={}))
    assert "has other content in link 1" in findings(estate, "--region", WESTERN)[0]


def findings_of_west_alone(estate: Estate) -> list[str]:
    _, document = estate.json("audit", "verify", estate.customer)
    (only,) = document["chains"]
    assert only["region"] == WESTERN
    return only["findings"]


def test_an_unknown_customer_is_refused_with_the_nearest(estate):
    result = estate.ops("audit", "verify", f"{estate.customer}x")
    assert (result.code, result.out) == (1, "")
    assert result.err.strip().endswith(f"did you mean {estate.customer}?")


def test_an_unknown_region_is_refused_with_the_nearest(estate):
    result = estate.ops("audit", "verify", "--region", "us-gov-wst-1")
    assert result.code == 1
    assert result.err.strip().endswith(f"did you mean {WESTERN}?")


def test_with_a_region_dead_the_other_is_verified_and_the_dead_one_is_named(estate, western):
    estate.lose(EAST)
    code, document = estate.json("audit", "verify")
    assert (code, document["sound"]) == (1, False)
    (unknown,) = document["unknowns"]
    assert unknown.startswith(f"{EASTERN} ")
    assert [(each["region"], each["findings"]) for each in document["chains"]] == [(WESTERN, [])]
    assert estate.ops("audit", "verify", "--region", WESTERN).code == 0


def test_many_findings_are_counted_and_some_are_shown(estate, western):
    write(estate.west, *(fact(estate.west) for _ in range(130)))
    _, document = estate.json("audit", "verify")
    (one,) = (each for each in document["chains"] if each["region"] == WESTERN)
    assert (len(one["findings"]), one["more"]) == (100, 30)
    result = estate.ops("audit", "verify")
    assert result.out.splitlines()[-1] == "  and 30 more"
    assert f"{estate.customer} {WESTERN}: 3 links, 5 facts: NOT SOUND" in result.out


def test_facts_that_are_too_young_to_be_missed_are_counted_as_not_proven(estate, western):
    at = datetime.now(UTC) - timedelta(minutes=50)
    write(estate.west, *(fact(estate.west, at=at, submitted=at) for _ in range(2)))
    write(estate.east, fact(estate.east, at=at, submitted=at))
    result = estate.ops("audit", "verify")
    young = "of the last 60 minutes, not exported yet"
    assert (result.code, result.out.splitlines()) == (
        0,
        [
            f"{estate.customer} {EASTERN}: 0 links, 0 facts: sound; NOT PROVEN: 1 fact {young}",
            f"{estate.customer} {WESTERN}: 3 links, 5 facts: sound; NOT PROVEN: 2 facts {young}",
        ],
    )
    code, document = estate.json("audit", "verify")
    assert (code, [each["unproven"] for each in document["chains"]]) == (0, [1, 2])


@pytest.mark.parametrize("words", [("audit",), ("audit", "verify", "--grace", "-1"), ("audit", "prove")])
def test_a_usage_error_exits_2(place, words: tuple[str, ...]):
    run: Callable[..., Any] = place.ops
    assert run(*words).code == 2
