"""What a newer version of the platform has written is read and kept, decides nothing, and is shown."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ops.recovery.notice_entries import entry
from ops.recovery.reconcile import GapKind, Seen, gaps
from ops.recovery.replay import Choice
from runtime.contract import WEST, Kind, Outcome, UnknownKind
from runtime.decision import Action, unclear_kinds
from runtime.delivery import PermanentDeliveryError
from runtime.facts import Fact, Status, settling, standing, status, unknown_kinds
from runtime.overtaken import OvertakenError
from runtime.receipts import lines
from runtime.release import ReleaseDecision
from runtime.routing import UnknownSettingError
from runtime.transfer import Transfer
from tests.runtime.cells import Cell, owner
from tests.runtime.test_audit_export import audit_of, links, make_bucket, tracker_of, write
from tests.runtime.test_release import carry
from tests.runtime.test_replay import judged

RECALLED = UnknownKind("RECALLED")
HELD = "a newer version of the platform has recorded what this one does not know: RECALLED"
HOUR = timedelta(hours=1)
TODAY = datetime.now(UTC).date()


def newer_fact(cell: Cell, about: Transfer, destination: str = "partner") -> Fact:
    """Leave a fact as the peer's newer version writes it, and return it."""
    fact = about.fact(Kind.ARCHIVED, side="east", writer="x", destination=destination, by="somebody")
    fact = replace(fact, kind=RECALLED, extra={"schema": 2})
    assert cell.tracker.record(fact)
    return fact


def claim(cell: Cell, about: Transfer) -> Any:
    return cell.workflow.claim(about, owner=owner(about))


def own(cell: Cell, about: Transfer) -> list[Fact]:
    return cell.tracker.newest(about.file).of(about.id)


# --- Facts of kinds that are not known -----------------------------------------------------------


def test_a_fact_of_a_newer_version_comes_back_whole(west):
    about = west.receive(b"abc")
    fact = newer_fact(west, about)
    assert fact in west.tracker.newest(about.file).facts
    assert fact in west.tracker.day(west.customer, f"{TODAY}")
    (seen,) = (each for each in west.tracker.outline(west.customer, f"{TODAY}") if each.kind == RECALLED)
    assert isinstance(seen.kind, UnknownKind)
    assert seen.sort_key == fact.sort_key


def test_an_item_that_is_neither_fact_nor_lease_is_left_out(west):
    about = west.receive(b"abc")
    facts = west.tracker.newest(about.file).facts
    item = {"file": {"S": about.file}, "fact": {"S": "QUEUE#east"}, "expires": {"N": "4000000000"}}
    item["customer_day"] = {"S": f"{west.customer}#{TODAY}"}
    west.client("dynamodb").put_item(TableName=west.table, Item=item)
    assert west.tracker.newest(about.file).facts == facts
    assert len(list(west.tracker.day(west.customer, f"{TODAY}"))) == 1
    assert len(list(west.tracker.outline(west.customer, f"{TODAY}"))) == 1


@pytest.mark.parametrize("destination", ["partner", ""])
@pytest.mark.parametrize("policy", ["content", "version"])
@pytest.mark.parametrize("taken_over", [True, False])
def test_what_a_newer_version_recorded_holds_the_file_until_an_operator_decides(
    west, destination, policy, taken_over
):
    west.register(duplicates={"policy": policy, "window_seconds": 3600})
    about = replace(west.receive(b"abc"), taken_over=taken_over)
    fact = newer_fact(west, about, destination)
    assert west.status(about) is Status.UNDER_WAY
    decision = claim(west, about)
    assert (decision.action, decision.destinations) == (Action.DONE, ())
    assert west.status(about) is Status.HELD
    assert west.workflow.complete(about, [], owner=owner(about)) is Outcome.HELD
    (receipt,) = west.receipts_published(1)
    assert receipt["destinations"] == [{"name": "partner", "outcome": "held", "reason": HELD}]
    assert claim(west, about).action is Action.DONE
    assert west.at_partner() is None

    name = west.release.release(about, "partner", ReleaseDecision.RESEND, who="ops", why="not recalled")
    over = west.fact(Kind.REPLAYED, about).detail["over"]
    assert over == sorted([fact.sort_key, west.fact(Kind.HELD, about).sort_key])
    assert carry(west, name) is Outcome.DELIVERED
    assert west.at_partner() == b"abc"


def test_a_fact_that_comes_after_the_release_holds_the_file_again(west):
    about = west.receive(b"abc")
    newer_fact(west, about)
    claim(west, about)
    name = west.release.release(about, "partner", ReleaseDecision.RESEND, who="ops", why="not recalled")
    assert west.tracker.record(replace(newer_fact(west, about, ""), writer="y"))
    assert west.workflow.claim(about, owner=name).action is Action.DONE
    assert west.status(about) is Status.HELD


@pytest.mark.parametrize("policy", ["content", "version"])
def test_a_fact_that_comes_after_the_claim_stops_the_delivery(west, policy):
    west.register(duplicates={"policy": policy, "window_seconds": 3600})
    about = west.receive(b"abc")
    assert claim(west, about).action is Action.DELIVER
    newer_fact(west, about)
    with pytest.raises(OvertakenError, match="RECALLED"):
        west.attempt(about)
    assert west.at_partner() is None
    assert claim(west, about).action is Action.DONE
    assert west.status(about) is Status.HELD


def test_a_delivered_file_stays_delivered(west):
    about = west.receive(b"abc")
    claim(west, about)
    west.attempt(about)
    newer_fact(west, about)
    assert west.status(about) is Status.DELIVERED
    assert claim(west, about).action is Action.DONE
    assert west.attempt(about, "2", after_unknown=True) == Kind.DELIVERED
    assert west.kinds(about).count(Kind.DELIVERED) == 1


def test_a_destination_that_holds_the_file_is_still_asked(west):
    about = west.receive(b"abc")
    newer_fact(west, about)
    claim(west, about)
    asking = replace(about, taken_over=True, asks=True)
    assert west.workflow.claim(asking, owner="ask").destinations == ("partner",)
    assert west.attempt(asking, owner="ask") == Kind.HELD
    west.client("s3").put_object(Bucket=west.partner_bucket, Key="in/a.csv", Body=b"abc")
    assert west.attempt(asking, owner="ask") == Kind.DELIVERED


@pytest.mark.parametrize(("policy", "action"), [("content", Action.DONE), ("version", Action.DELIVER)])
def test_a_resend_is_held_too_where_files_are_compared(west, policy, action):
    west.register(duplicates={"policy": policy, "window_seconds": 3600})
    first = west.receive(b"abc")
    newer_fact(west, first)
    claim(west, first)
    again = west.receive(b"abc")
    assert claim(west, again).action is action
    assert west.status(again) is (Status.HELD if policy == "content" else Status.UNDER_WAY)


def test_only_submissions_that_may_matter_hold_a_file():
    def transfer(seconds: int) -> Transfer:
        about = {
            "customer": "c1",
            "bucket": "b",
            "key": "inbound/x",
            "version_id": "v",
            "size": 1,
            "etag": "e",
        }
        stamp = datetime(2026, 1, 2, tzinfo=UTC) + timedelta(seconds=seconds)
        id = f"{stamp:%Y%m%dT%H%M%SZ}-{seconds + 10_000:020}"
        return Transfer(id=id, file="f", destinations=("a",), expires=1, **about)

    def facts(seconds: int, kind: Kind | UnknownKind, destination: str = "a", **detail: Any) -> Fact:
        made = transfer(seconds).fact(Kind.HELD, side=WEST, writer="w", destination=destination, **detail)
        return replace(made, kind=kind)

    def kinds(*others: Fact, window: timedelta | None = HOUR) -> tuple[str, ...]:
        return unclear_kinds(others, transfer(0).id, "a", window)

    assert kinds(facts(0, RECALLED), window=None) == ("RECALLED",)
    assert kinds(facts(0, RECALLED, "b")) == ()
    assert kinds(facts(-3600, RECALLED)) == kinds(facts(9999, RECALLED, "")) == ("RECALLED",)
    assert kinds(facts(-3601, RECALLED)) == kinds(facts(-3600, RECALLED), window=None) == ()
    assert kinds(facts(-9, RECALLED), facts(-9, Kind.DELIVERED)) == ()
    assert kinds(facts(-9, RECALLED), facts(-9, Kind.HELD)) == ("RECALLED",)
    reopened = facts(0, Kind.REPLAYED, over=[])
    assert kinds(facts(-9, RECALLED), reopened) == ()
    assert kinds(facts(0, RECALLED), reopened) == ("RECALLED",)


@pytest.mark.parametrize("stands", [Kind.DELIVERED, Kind.DUPLICATE, Kind.FAILED, Kind.HELD, None])
def test_an_unknown_fact_changes_no_status_and_settles_nothing(west, stands):
    about = west.receive(b"abc")
    if stands:
        detail = {"reason": "x", "of": "t", "sha256": "s"}
        fact = about.fact(stands, side=WEST, writer="w", destination="partner", **detail)
        assert west.tracker.record(fact)
    before = own(west, about)
    newer_fact(west, about)
    after = own(west, about)
    assert status(after) is status(before)
    assert settling(standing(after)) == settling(standing(before))
    assert lines(about, after) == lines(about, before)
    assert unknown_kinds(after) == ("RECALLED",)


# --- The audit chain and the operators' readers --------------------------------------------------


def test_a_fact_of_a_newer_version_is_exported_as_it_is(west):
    make_bucket(west)
    (fact,) = write(
        west, kind=RECALLED, extra={"schema": 2, "ratio": Decimal("0.5"), "notes": [None, {"n": 1}]}
    )
    assert audit_of(west).run() == 1
    assert audit_of(west).run() == 0
    (link,) = links(west)
    line = json.loads(link.render().splitlines()[1])
    written = {**vars(fact), **fact.extra}
    del written["extra"]
    assert line == written
    assert line["kind"] == "RECALLED"
    assert fact in tracker_of(west).newest(fact.file).facts


def test_no_verb_decides_by_an_unknown_fact_and_each_names_it(west):
    about = west.receive(b"abc")
    newer_fact(west, about)
    facts = own(west, about)
    verdict = judged(west, about)
    assert (verdict.choice, verdict.why) == (Choice.ASK, f"{HELD}; replay it with the tools of that version")
    assert judged(west, about, force=True).choice is Choice.ASK

    seen = Seen(transfer=about.id, key=about.key, facts=tuple(facts))
    customer, later = west.directory.customer(west.customer), datetime.now(UTC) + HOUR
    (gap,) = gaps(seen, customer=customer, sides=(), now=later)
    assert gap.finding is GapKind.UNDELIVERED
    assert gap.where == "under way: partner; recorded by a newer version: RECALLED"

    name, document = entry(facts, WEST)
    assert (name, document["destinations"]) == ("held", [{"name": "partner", "held": HELD}])


# --- Routing documents, inputs and events --------------------------------------------------------


def test_unknown_fields_of_a_routing_document_are_ignored(west):
    route = {"match": "sdk/**", "to": ["partner"], "on_unknown": "deliver", "priority": 1}
    to = {"partner": {**west.to_bucket(), "storage_class": "STANDARD"}}
    west.register(schema=2, routes=[route], destinations=to, quota={"files": 1})
    about = west.receive(b"abc")
    assert claim(west, about).action is Action.DELIVER
    assert west.attempt(about) == Kind.DELIVERED


def test_an_unknown_kind_of_destination_is_refused_by_its_name(west):
    west.register(destinations={"partner": {"kind": "as2", "url": "https://partner"}})
    about = west.receive(b"abc")
    claim(west, about)
    with pytest.raises(PermanentDeliveryError, match="its kind is 'as2'; this version delivers to: sftp, s3"):
        west.attempt(about)
    assert west.status(about) is Status.UNDER_WAY


def test_an_unknown_route_setting_is_refused_by_its_name_and_nothing_is_sent(west):
    west.register(routes=[{"match": "sdk/**", "to": ["partner"], "on_unknown": "ask"}])
    about = west.receive(b"abc")
    claim(west, about)
    with pytest.raises(PermanentDeliveryError, match="its on_unknown is 'ask'; this version knows"):
        west.attempt(about)
    assert west.at_partner() is None


def test_an_unknown_policy_is_refused_by_its_name_and_nothing_is_sent(west):
    about = west.receive(b"abc")
    claim(west, about)
    west.register(duplicates={"policy": "name", "window_seconds": 3600})
    with pytest.raises(UnknownSettingError, match="the duplicates policy is 'name'; this version knows"):
        claim(west, about)
    with pytest.raises(PermanentDeliveryError, match="the duplicates policy is 'name'"):
        west.attempt(about)
    assert west.at_partner() is None


def test_unknown_fields_of_a_workflows_input_are_ignored(west):
    about = west.receive(b"abc")
    assert Transfer.parse({**about.document(), "priority": 1}) == about
    with pytest.raises(TypeError, match="missing 1 required keyword-only argument: 'etag'"):
        Transfer.parse({name: value for name, value in about.document().items() if name != "etag"})
