"""A scenario's RTO and RPO, computed from given facts: when the region died, and what became of each file."""

from __future__ import annotations

from datetime import UTC, datetime

from customers.model import Customer
from local.aws.ministack.controls import Pending
from local.drill.acknowledged_files import Account, SentFile
from local.drill.measures import Timeline, measures, unreplicated
from local.drill.sender import Sender
from local.program import ROOT
from local.world import World
from runtime.contract import EAST, WEST, Kind
from runtime.facts import Fact

DIED, DECIDED = 1_000_000.0, 1_000_005.0
BEGAN = DIED - 30


def customer() -> Customer:
    return next(each for each in World(ROOT / "customers").customers() if each.sftp.users)


SENDER = Sender(customer=customer(), folder="inbound/sftp/someone/", user="someone")


def file(name: str, *, side: str = WEST, at: float) -> SentFile:
    return SentFile(sender=SENDER, name=name, side=side, at=at)


def fact(of: SentFile, kind: Kind, at: float, side: str, **detail: object) -> Fact:
    return Fact(
        file=of.id,
        transfer="20261129T000000Z-0",
        kind=kind,
        customer=SENDER.customer.id,
        key=of.key,
        side=side,
        writer=f"{kind}{at}",
        at=datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
        expires=0,
        destination="" if kind is Kind.RECEIVED else "partner",
        detail={"destinations": ["partner"]} if kind is Kind.RECEIVED else {"sent": True, **detail},
    )


def account(of: SentFile, *ends: tuple[Kind, float, str]) -> Account:
    received = fact(of, Kind.RECEIVED, of.at, of.side)
    return Account(file=of, facts=(received, *(fact(of, *end) for end in ends)))


def measured(accounts: list[Account], **more: object):
    given = {"survivor": EAST, "began": BEGAN, "died": DIED, "decided": DECIDED, "moved": None, "lost": []}
    return measures(accounts, **{**given, **more})


def test_a_file_in_flight_is_accounted_for_when_the_survivor_has_delivered_or_holds_it() -> None:
    done_before = account(file("a", at=DIED - 20), (Kind.DELIVERED, DIED - 10, WEST))
    delivered = account(file("b", at=DIED - 4), (Kind.DELIVERED, DECIDED + 7, EAST))
    held = account(
        file("c", at=DIED - 3), (Kind.HELD, DECIDED + 12.5, EAST), (Kind.DELIVERED, DIED + 99, WEST)
    )
    later = account(file("d", side=EAST, at=DECIDED + 40), (Kind.DELIVERED, DECIDED + 50, EAST))
    not_yet = account(file("e", at=DIED + 60), (Kind.DELIVERED, DIED + 90, WEST))  # West is back
    found = measured([done_before, delivered, held, later, not_yet], moved=DECIDED + 3)
    assert (found.decision_at, found.dns_moved) == (35, 3)
    assert (found.first_delivered, found.all_accounted) == (7, 12.5)


def test_a_file_that_never_ended_leaves_the_last_file_without_a_time() -> None:
    stuck = account(file("a", at=DIED - 4))
    delivered = account(file("b", at=DIED - 4), (Kind.DELIVERED, DECIDED + 7, EAST))
    assert measured([stuck, delivered]).all_accounted is None


def test_a_delivery_before_the_decision_is_not_the_survivors_first() -> None:
    early = account(file("a", side=EAST, at=DIED - 9), (Kind.DELIVERED, DECIDED - 1, EAST))
    assert measured([early]).first_delivered is None


def test_files_that_had_not_replicated_count_for_the_rpo_and_not_as_in_flight() -> None:
    lost = file("a", at=DIED - 8)
    found = measured([account(lost, (Kind.DELIVERED, DIED + 500, WEST))], lost=[lost])
    assert (found.rpo_files, found.rpo_ages, found.all_accounted) == (1, [8.0], None)
    assert measured([], lost=None).rpo_files is None  # no region died


def pending(kind: str, key: str | dict) -> Pending:
    return Pending(kind=kind, source="w", target="e", name="n", key=key, version=None, sent=0)


def test_a_file_is_lost_whose_object_or_first_fact_is_on_its_way() -> None:
    object_, first, later, neither = (file(name, at=0) for name in "abcd")
    facts = [
        {"file": {"S": first.id}, "fact": {"S": f"t#{Kind.RECEIVED}##west#w"}},
        {"file": {"S": later.id}, "fact": {"S": f"t#{Kind.ARCHIVED}##west#w"}},
    ]
    ways = [pending("s3", object_.key), *(pending("dynamodb", item) for item in facts)]
    assert unreplicated([object_, first, later, neither], ways) == [object_, first]


def test_a_timeline_reports_each_event_once_with_its_seconds() -> None:
    lines: list[str] = []
    times = iter([100.0, 102.5, 104.0])
    timeline = Timeline(lines.append, clock=lambda: next(times))
    timeline.note("operator", "decides")
    timeline.note("dns", "moved")
    assert [(each.at, each.who) for each in timeline.events] == [(2.5, "operator"), (4.0, "dns")]
    assert lines == ["   2.5 s  operator: decides", "   4.0 s  dns: moved"]
