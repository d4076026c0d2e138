"""Releases: a held destination, an operator's decision, and what the partner and the table then hold."""

from __future__ import annotations

import hashlib

import pytest

from local.sftp.partners import Partner
from runtime.contract import Kind, Outcome
from runtime.decision import Action
from runtime.facts import Status
from runtime.history import Lease
from runtime.release import NotHeldError, ReleaseDecision
from runtime.transfer import Transfer
from tests.runtime.cells import CONTENT, Cell, CrashError, Dying, owner
from tests.runtime.test_handlers import ATTEMPTS

_TAKEN_OVER = {"$$.Execution.Input.taken_over": True}
WHO = {"who": "ops", "why": "the partner called"}
BEGIN = ATTEMPTS["Attempt"]["Parameters"]["Payload"]


@pytest.fixture
def server(west: Cell, partner: Partner) -> Partner:
    """A partner whose route says `hold`."""
    west.register(
        destinations={"partner": west.to_server(partner)},
        routes=[{"match": "sdk/**", "to": ["partner"], "on_unknown": "hold"}],
    )
    return partner


def carry(cell: Cell, name: str, number: str = "2") -> Outcome:
    """Process an execution's input as the definition does; return the outcome in its receipt."""
    transfer = Transfer.parse(cell.executions()[name])
    assert transfer.taken_over, "or the destination would not be asked first"
    verdict = cell.workflow.claim(transfer, owner=name)
    for _ in verdict.destinations:
        how = {key: _TAKEN_OVER[BEGIN[f"{key}.$"]] for key in ("after_unknown", "first")}
        cell.attempt(transfer, number, owner=name, **how)
    return cell.workflow.complete(transfer, [], owner=name)


def test_a_file_to_send_again_is_sent_and_the_customer_notified(west, held, server):
    name = west.release.release(held, "partner", ReleaseDecision.RESEND, **WHO)
    assert name == f"{held.id}-release-1"
    assert west.status(held) is Status.UNDER_WAY
    about = west.fact(Kind.REPLAYED, held).detail
    assert (about["decision"], about["who"], about["why"]) == ("resend", "ops", "the partner called")
    assert about["over"] == [west.fact(Kind.HELD, held).sort_key]
    assert carry(west, name) is Outcome.DELIVERED
    assert server.files() == {"a.csv": CONTENT}
    (receipt,) = west.receipts_published(1)
    assert receipt["destinations"][0]["outcome"] == "delivered"


def test_a_file_to_send_again_that_is_there_after_all_is_not_sent(west, held, server):
    (server.inbox / "a.csv").write_bytes(CONTENT)
    assert (
        carry(west, west.release.release(held, "partner", ReleaseDecision.RESEND, **WHO)) is Outcome.DELIVERED
    )
    assert west.fact(Kind.DELIVERED, held).detail["sent"] is False


def test_a_file_that_is_there_according_to_the_operator_is_neither_asked_about_nor_sent(west, held, server):
    server.stop()  # it would be noticed
    name = west.release.release(held, "partner", ReleaseDecision.DELIVERED, **WHO)
    assert carry(west, name) is Outcome.DELIVERED
    detail = west.fact(Kind.DELIVERED, held).detail
    expected = {"sha256": hashlib.sha256(CONTENT).hexdigest(), "size": 8, "sent": False, "word_of": "ops"}
    assert {key: detail[key] for key in expected} == expected
    assert west.receipts_published(1)[0]["outcome"] == "delivered"


@pytest.mark.parametrize("decision", ReleaseDecision)
def test_a_file_that_the_other_region_gave_up_before_this_one_held_it_is_released(
    west, held, server, decision
):
    """A lost region's transfer failed in its peer, and the region held it when it was back."""
    about = {"destination": "partner", "error": "TransientDeliveryError", "reason": "connection refused"}
    west.tracker.record(held.fact(Kind.FAILED, side="east", writer="takeover-1", **about))
    assert west.status(held) is Status.HELD
    name = west.release.release(held, "partner", decision, **WHO)
    assert west.status(held) is Status.UNDER_WAY
    assert carry(west, name) is Outcome.DELIVERED
    assert server.files() == ({} if decision.is_there else {"a.csv": CONTENT})


@pytest.mark.parametrize("decision", ReleaseDecision)
def test_a_resend_waits_while_its_first_submission_is_held_and_is_then_a_duplicate(
    west, held, server, decision
):
    again = west.receive(CONTENT)
    verdict = west.workflow.claim(again, owner=owner(again))
    assert (verdict.action, verdict.wait) == (Action.WAIT, 60)
    lease = west.tracker.newest(again.file).lease
    assert lease.owner == owner(held)  # it waits without the lease, which the release needs
    carry(west, west.release.release(held, "partner", decision, **WHO))
    assert west.workflow.claim(again, owner=owner(again)).action is Action.COMPARE
    verdict = west.workflow.compare(again, west.source(again), owner=owner(again))
    assert verdict.spared == (("partner", held.id),)
    assert west.workflow.complete(again, [], owner=owner(again)) is Outcome.DUPLICATE
    assert Kind.CONFLICT not in west.kinds(again) + west.kinds(held)


def test_a_correction_does_not_wait_for_a_held_file(west, held, server):
    again = west.receive(b"the corrected content")
    assert west.workflow.claim(again, owner=owner(again)).action is Action.DELIVER


def test_a_resend_after_the_operators_decision_is_a_duplicate(west, held, server):
    carry(west, west.release.release(held, "partner", ReleaseDecision.DELIVERED, **WHO))
    again = west.receive(CONTENT)
    assert west.workflow.claim(again, owner=owner(again)).action is Action.COMPARE
    verdict = west.workflow.compare(again, west.source(again), owner=owner(again))
    assert verdict.spared == (("partner", held.id),)


def test_a_release_is_for_one_attempt_that_ends_unknown_and_then_the_route_holds_again(west, held, server):
    name = west.release.release(held, "partner", ReleaseDecision.RESEND, **WHO)
    mine = Transfer.parse(west.executions()[name])
    west.workflow.claim(mine, owner=name)
    assert west.attempt(mine, "2", owner=name, after_unknown=True) == Kind.HELD
    assert west.status(held) is Status.HELD
    assert server.files() == {}
    again = west.release.release(held, "partner", ReleaseDecision.RESEND, **WHO)
    assert again == f"{held.id}-release-2"
    assert carry(west, again, "3") is Outcome.DELIVERED
    assert server.files() == {"a.csv": CONTENT}


def test_a_release_does_not_apply_to_another_execution(west, held, server):
    """An execution that takes over after the released one died may send a file that was already sent."""
    west.release.release(held, "partner", ReleaseDecision.RESEND, **WHO)
    other = f"{held.id}-takeover-1"
    lease = Lease(owner=other, transfer=held.id, until=2**31)
    seen = west.tracker.newest(held.file).lease
    west.tracker.claim(held.file, lease, seen=seen, seen_ended=True, expires=held.expires)
    assert west.attempt(held, "2", owner=other, after_unknown=True, first=True) == Kind.HELD
    assert server.files() == {}


def test_the_released_execution_does_not_wait_for_a_lease_whose_holder_has_ended(west, held):
    """The first execution's lease runs for most of an hour after it held the file."""
    name = west.release.release(held, "partner", ReleaseDecision.RESEND, **WHO)
    assert west.workflow.claim(held, owner=name).action is Action.DELIVER


def test_two_destinations_that_are_released_at_once_are_both_sent(west, server):
    """Whichever execution comes first serves both destinations, and must not hold the other one again."""
    to = {"partner": west.to_bucket(), "other": west.to_bucket("other")}
    west.register(destinations=to, routes=[{"match": "sdk/**", "to": list(to), "on_unknown": "hold"}])
    transfer = west.receive(CONTENT)
    west.workflow.claim(transfer, owner=owner(transfer))
    for name in to:
        given = {"owner": owner(transfer), "attempt": "1", "after_unknown": True}
        assert west.deliverer.attempt(transfer, name, **given) == Kind.HELD
    names = [west.release.release(transfer, each, ReleaseDecision.RESEND, **WHO) for each in to]
    again = {"owner": names[1], "attempt": "2", "after_unknown": True, "first": True}
    for name in west.workflow.claim(transfer, owner=names[1]).destinations:
        assert west.deliverer.attempt(transfer, name, **again) == Kind.DELIVERED
    assert west.workflow.complete(transfer, [], owner=names[1]) is Outcome.DELIVERED
    assert west.workflow.claim(transfer, owner=names[0]).action is Action.DONE
    assert [west.at_partner(), west.at_partner("other/a.csv")] == [CONTENT] * 2


def test_two_people_who_release_two_destinations_at_one_moment_start_two_executions(west):
    """Neither has seen the other's decision; one execution of both names would serve one destination only."""
    to = {"partner": west.to_bucket(), "other": west.to_bucket("other")}
    west.register(destinations=to, routes=[{"match": "sdk/**", "to": list(to), "on_unknown": "hold"}])
    transfer = west.receive(CONTENT)
    west.workflow.claim(transfer, owner=owner(transfer))
    for each in to:
        given = {"owner": owner(transfer), "attempt": "1", "after_unknown": True}
        assert west.deliverer.attempt(transfer, each, **given) == Kind.HELD
    seen = west.tracker.newest(transfer.file)
    holds = {fact.destination: fact for fact in seen.facts if fact.kind is Kind.HELD}
    late = west.with_client("stepfunctions", Dying(west.client("stepfunctions"), "start_execution")).release
    decided = {"decision": ReleaseDecision.RESEND, "history": seen, **WHO}
    with pytest.raises(CrashError):
        late.reopen(transfer, ["other"], [holds["other"]], **decided)
    early = west.release.reopen(transfer, ["partner"], [holds["partner"]], **decided)
    (other,) = {fact.writer for fact in west.facts() if fact.kind is Kind.REPLAYED} - {early}
    assert west.release.release(transfer, "other", ReleaseDecision.RESEND, **WHO) == other
    assert {early, other} <= west.executions().keys()


def test_the_released_execution_waits_for_one_that_serves_the_other_destination(west, server):
    to = {"partner": west.to_bucket(), "other": west.to_bucket("other")}
    routes = [{"match": "sdk/**", "to": list(to), "on_unknown": "hold"}]
    west.register(destinations=to, routes=routes)
    transfer = west.receive(CONTENT)
    west.workflow.claim(transfer, owner=owner(transfer))
    assert west.attempt(transfer, after_unknown=True) == Kind.HELD
    name = west.release.release(transfer, "partner", ReleaseDecision.RESEND, **WHO)
    assert west.workflow.claim(transfer, owner=name).action is Action.WAIT


def test_a_transfer_that_is_not_held_cannot_be_released(west, held):
    with pytest.raises(NotHeldError, match="other does not hold"):
        west.release.release(held, "other", ReleaseDecision.RESEND, **WHO)
    carry(west, west.release.release(held, "partner", ReleaseDecision.RESEND, **WHO))
    for decision in ReleaseDecision:
        with pytest.raises(NotHeldError, match="partner has been served"):
            west.release.release(held, "partner", decision, **WHO)
    fresh = west.receive(b"xyz", "inbound/sdk/b.csv")
    with pytest.raises(NotHeldError, match="does not hold"):
        west.release.release(fresh, "partner", ReleaseDecision.RESEND, **WHO)


def test_a_release_that_is_under_way_is_not_begun_again(west, held):
    west.release.release(held, "partner", ReleaseDecision.RESEND, **WHO)
    with pytest.raises(NotHeldError):
        west.release.release(held, "partner", ReleaseDecision.RESEND, **WHO)
    assert len(west.executions()) == 2


@pytest.mark.parametrize("after", [False, True])
def test_a_release_that_was_interrupted_is_finished_by_doing_it_again(west, held, server, after):
    states = Dying(west.client("stepfunctions"), "start_execution", after=after)
    with pytest.raises(CrashError):
        west.with_client("stepfunctions", states).release.release(
            held, "partner", ReleaseDecision.RESEND, **WHO
        )
    if after:
        with pytest.raises(NotHeldError):
            west.release.release(held, "partner", ReleaseDecision.RESEND, **WHO)
        name = f"{held.id}-release-1"
    else:
        name = west.release.release(held, "partner", ReleaseDecision.RESEND, **WHO)
    assert carry(west, name) is Outcome.DELIVERED
    assert len([fact for fact in west.facts() if fact.kind is Kind.REPLAYED]) == 1


def test_the_peer_releases_what_this_region_holds(west, east, held, server):
    east.register(
        destinations={"partner": east.to_server(server)},
        routes=[{"match": "sdk/**", "to": ["partner"], "on_unknown": "hold"}],
    )
    put = east.client("s3").put_object(Bucket=east.bucket, Key=held.key, Body=CONTENT)
    here = Transfer.here(west.fact(Kind.RECEIVED, held), "east")
    assert here.bucket == east.bucket
    name = east.release.release(
        Transfer(**{**vars(here), "version_id": put["VersionId"]}), "partner", ReleaseDecision.RESEND, **WHO
    )
    assert carry(east, name) is Outcome.DELIVERED
    assert west.status(held) is Status.DELIVERED
