"""The workflow's steps, called in order and out of order: what they write to the table and to the topic."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from runtime.contract import Kind, Outcome
from runtime.decision import Action, Decision
from runtime.facts import Status, submitted
from runtime.history import Lease
from runtime.timing import ATTEMPT_SECONDS
from runtime.tracker import Tracker
from runtime.workflow import LEASE, RENEW_AFTER, LeaseLostError, Leases, Workflow
from tests.runtime.cells import Cell, CrashError, Dying, eventually, owner

DELIVERED = [{"destination": "partner", "outcome": "DELIVERED"}]
TWO = [{"match": "sdk/**", "to": ["partner", "other"], "on_unknown": "deliver"}]


def claim(cell: Cell, transfer) -> Decision:
    return cell.workflow.claim(transfer, owner=owner(transfer))


def compare(cell: Cell, transfer) -> Decision:
    return cell.workflow.compare(transfer, cell.source(transfer), owner=owner(transfer))


def complete(cell: Cell, transfer, results=DELIVERED) -> Outcome:
    return cell.workflow.complete(transfer, results, owner=owner(transfer))


def failure(destination: str, cause: str, error: str = "PermanentDeliveryError") -> dict[str, str]:
    return {"destination": destination, "failure": {"Error": error, "Cause": cause}}


def record(cell: Cell, transfer, kind: Kind, destination: str = "partner", **detail: object) -> None:
    """Record a fact that another step, or another region, would have recorded."""
    usual = {
        Kind.DELIVERED: {"sha256": hashlib.sha256(b"abc").hexdigest(), "size": 3},
        Kind.HELD: {"reason": "nobody knows"},
    }.get(kind, {})
    fact = transfer.fact(kind, side=cell.side, writer="a", destination=destination, **(usual | detail))
    assert cell.tracker.record(fact)


def later(cell: Cell, seconds: float) -> Tracker:
    """Return the cell's tracker as it is after a number of seconds."""
    client = cell.client("dynamodb")
    return Tracker(table=cell.table, side=cell.side, client=client, now=lambda: time.time() + seconds)


# --- Claim ---------------------------------------------------------------------------------------


def test_a_first_transfer_takes_the_lease_and_is_sent(west):
    transfer = west.receive(b"abc")
    assert claim(west, transfer) == Decision(action=Action.DELIVER, destinations=("partner",))
    lease = west.tracker.newest(transfer.file).lease
    assert (lease.owner, lease.transfer) == (owner(transfer), transfer.id)
    assert 0 <= time.time() + LEASE - lease.until < 30
    assert west.kinds(transfer) == [Kind.RECEIVED]


def test_the_second_of_two_transfers_of_a_file_waits_and_is_then_compared_with_the_first(west):
    first, second = west.receive(b"abc"), west.receive(b"abc")
    assert claim(west, first).action is Action.DELIVER
    assert claim(west, second) == Decision(action=Action.WAIT)
    assert west.attempt(first) == Kind.DELIVERED
    assert claim(west, second) == Decision(action=Action.COMPARE, destinations=("partner",))
    assert compare(west, second) == Decision(action=Action.DONE, spared=(("partner", first.id),))
    assert complete(west, second, []) is Outcome.DUPLICATE
    assert west.fact(Kind.DUPLICATE, second).detail == {"of": first.id}
    (receipt,) = west.receipts_published(1)
    assert receipt["destinations"] == [{"name": "partner", "outcome": "duplicate", "of": first.id}]


@pytest.mark.parametrize("content", [b"xyz", b"longer"])
def test_another_content_is_sent_and_marked_as_a_conflict(west, content):
    first, second = west.receive(b"abc"), west.receive(content)
    claim(west, first)
    west.attempt(first)
    decision = claim(west, second)
    if len(content) == 3:
        assert decision.action is Action.COMPARE
        decision = compare(west, second)
    assert decision == Decision(action=Action.DELIVER, destinations=("partner",), conflicts=(first.id,))
    assert west.fact(Kind.CONFLICT, second).detail == {"delivered_before": [first.id]}
    west.attempt(second)
    assert west.at_partner() == content
    assert complete(west, second) is Outcome.DELIVERED


def test_a_delivery_between_the_reading_and_the_claim_is_seen(west):
    """The lease had run out; its holder delivered in the last moment."""
    first, second = west.receive(b"abc"), west.receive(b"abc")
    claim(west, first)

    class Slow:
        """The table, which sees the first transfer delivered just before the second one claims."""

        def __getattr__(self, name):
            if name == "update_item":
                record(west, first, Kind.DELIVERED)
            return getattr(west.client("dynamodb"), name)

    slow = west.with_client("dynamodb", Slow())
    slow.tracker = Tracker(
        table=west.table, side=west.side, client=Slow(), now=lambda: time.time() + LEASE + 5
    )
    assert claim(slow, second).action is Action.COMPARE


def test_a_transfer_whose_destinations_all_have_an_end_needs_no_lease(west):
    first, second = west.receive(b"abc"), west.receive(b"xyz")
    claim(west, second)
    record(west, first, Kind.DELIVERED)  # by the other region
    assert claim(west, first) == Decision(action=Action.DONE)
    assert west.tracker.newest(first.file).lease.owner == owner(second)


@pytest.mark.parametrize("kind", [Kind.DELIVERED, Kind.HELD, Kind.FAILED])
def test_the_lease_is_free_when_its_holder_has_ended_and_not_before(west, kind):
    """With two destinations a single end is not enough: the other destination is still being served."""
    west.register(routes=TWO, destinations={"partner": west.to_bucket(), "other": west.to_bucket("other")})
    first, second = west.receive(b"abc"), west.receive(b"longer")
    claim(west, first)
    record(west, first, kind, "partner", reason="no")
    assert claim(west, second).action is Action.WAIT
    record(west, first, kind, "other", reason="no")
    assert claim(west, second).action is Action.DELIVER


def test_a_claim_that_is_repeated_writes_nothing_twice(west):
    first, second = west.receive(b"abc"), west.receive(b"longer")
    claim(west, first)
    west.attempt(first)
    assert claim(west, second) == claim(west, second)
    assert compare(west, second) == compare(west, second)
    assert west.kinds(second) == [Kind.CONFLICT, Kind.RECEIVED]


def test_a_crash_between_the_claim_and_its_facts_is_made_good(west):
    first, second = west.receive(b"abc"), west.receive(b"longer")
    claim(west, first)
    west.attempt(first)
    dying = west.with_client("dynamodb", Dying(west.client("dynamodb"), "put_item"))
    with pytest.raises(CrashError):
        claim(dying, second)
    assert west.kinds(second) == [Kind.RECEIVED]
    assert claim(west, second).action is Action.DELIVER
    assert west.kinds(second) == [Kind.CONFLICT, Kind.RECEIVED]


def test_a_crash_among_the_facts_of_a_comparison_is_made_good(west):
    destinations = {"partner": west.to_bucket(), "other": west.to_bucket("other")}
    west.register(routes=TWO, destinations=destinations)
    first, second = west.receive(b"abc"), west.receive(b"abc")
    for name in destinations:
        record(west, first, Kind.DELIVERED, name)
    claim(west, second)
    dying = west.with_client("dynamodb", Dying(west.client("dynamodb"), "put_item", at="#DUPLICATE#other#"))
    with pytest.raises(CrashError):
        compare(dying, second)
    assert west.status(second) is Status.UNDER_WAY
    compare(west, second)
    assert west.kinds(second) == [Kind.DUPLICATE, Kind.DUPLICATE, Kind.RECEIVED]
    assert complete(west, second, []) is Outcome.DUPLICATE


# --- The lease during deliveries -----------------------------------------------------------------


def test_a_lease_with_time_left_is_kept_without_writing(west):
    transfer = west.receive(b"abc")
    claim(west, transfer)
    before = west.tracker.newest(transfer.file)
    Leases(tracker=west.tracker).keep(transfer, owner(transfer), before)
    assert west.tracker.newest(transfer.file) == before


@pytest.mark.parametrize(
    ("passed", "thawed"),
    [
        (RENEW_AFTER + 5, False),
        (ATTEMPT_SECONDS - 5, False),
        (ATTEMPT_SECONDS + 5, True),
        (LEASE + 5, True),
    ],
)
def test_a_lease_that_is_not_new_is_renewed_and_shows_how_long_its_holder_stood_still(west, passed, thawed):
    transfer = west.receive(b"abc")
    claim(west, transfer)
    leases = Leases(tracker=later(west, passed), now=lambda: time.time() + passed)
    assert leases.keep(transfer, owner(transfer), west.tracker.newest(transfer.file)) is thawed
    lease = west.tracker.newest(transfer.file).lease
    assert abs(lease.until - (time.time() + passed + LEASE)) < 30
    # Nothing that this execution does later makes up for what the other region may have done meanwhile.
    assert lease.thawed is thawed
    assert leases.keep(transfer, owner(transfer), west.tracker.newest(transfer.file)) is thawed
    west_later = west.with_client("dynamodb", west.client("dynamodb"))
    west_later.tracker = later(west, passed)
    claim(west_later, transfer)
    assert west.tracker.newest(transfer.file).lease.thawed is thawed


@pytest.mark.parametrize(
    ("since_submission", "since_answer", "thawed"),
    [
        (5, None, False),
        (ATTEMPT_SECONDS + 5, None, True),  # an event of an older definition does not say
        (ATTEMPT_SECONDS + 5, 5, False),  # it has waited for another transfer of the file
        (ATTEMPT_SECONDS + 5, ATTEMPT_SECONDS + 5, True),
    ],
)
def test_a_claim_shows_how_long_the_execution_stood_still_before_it(
    west, since_submission, since_answer, thawed
):
    transfer = west.receive(b"abc")
    now = time.time() + since_submission
    west.tracker = later(west, since_submission)
    workflow = west.workflow
    workflow._now = workflow._leases._now = lambda: now
    seen = None if since_answer is None else datetime.fromtimestamp(now - since_answer, UTC)
    workflow.claim(transfer, owner=owner(transfer), seen=seen)
    assert west.tracker.newest(transfer.file).lease.thawed is thawed


def test_a_lease_of_the_last_release_shows_no_thaw(west):
    transfer = west.receive(b"abc")
    claim(west, transfer)
    key = {"file": {"S": transfer.file}, "fact": {"S": "CLAIM#west"}}
    west.client("dynamodb").update_item(TableName=west.table, Key=key, UpdateExpression="REMOVE thawed")
    assert west.tracker.newest(transfer.file).lease.thawed is False


def test_another_execution_that_takes_the_lease_has_not_thawed(west):
    first, second = west.receive(b"abc"), west.receive(b"xyz")
    claim(west, first)
    thawed = Lease(owner=owner(first), transfer=first.id, until=0, thawed=True)
    west.tracker.claim(first.file, thawed, seen=None, seen_ended=False, expires=first.expires)
    assert claim(west, second).action is Action.DELIVER
    lease = west.tracker.newest(first.file).lease
    assert (lease.owner, lease.thawed) == (owner(second), False)


def test_a_lease_that_another_took_over_is_lost(west):
    first, second = west.receive(b"abc"), west.receive(b"xyz")
    claim(west, first)
    west_later = west.with_client("dynamodb", west.client("dynamodb"))
    west_later.tracker = later(west, LEASE + 5)
    assert claim(west_later, second).action is Action.DELIVER
    with pytest.raises(LeaseLostError, match=f"{owner(second)} holds the lease"):
        Leases(tracker=west.tracker).keep(first, owner(first), west.tracker.newest(first.file))


def test_a_lease_that_was_never_taken_cannot_be_kept(west):
    transfer = west.receive(b"abc")
    with pytest.raises(LeaseLostError, match="no execution holds the lease"):
        Leases(tracker=west.tracker).keep(transfer, owner(transfer), west.tracker.newest(transfer.file))
    assert west.tracker.newest(transfer.file).lease is None


def test_a_lost_lease_is_not_taken_back_even_when_its_holder_has_ended(west):
    first, second = west.receive(b"abc"), west.receive(b"xyz")
    claim(west, first)
    west.tracker.claim(
        first.file,
        Lease(owner=owner(second), transfer=second.id, until=int(time.time()) + LEASE),
        seen=west.tracker.newest(first.file).lease,
        seen_ended=True,
        expires=second.expires,
    )
    record(west, second, Kind.DELIVERED, sha256="0", size=3, path="p", sent=True)
    with pytest.raises(LeaseLostError, match=owner(second)):
        Leases(tracker=west.tracker).keep(first, owner(first), west.tracker.newest(first.file))


def test_a_comparison_without_the_lease_is_not_made(west):
    transfer = west.receive(b"abc")
    with pytest.raises(LeaseLostError):
        compare(west, transfer)


def test_a_transfer_that_waits_longer_is_checked_less_often(west):
    """Otherwise an execution's history, of 25,000 events, would be full before a destination is given up."""
    first, second = west.receive(b"abc"), west.receive(b"xyz")
    claim(west, first)
    for hours, seconds in [(0, 60), (1, 180), (24, 900)]:
        workflow = Workflow(
            side=west.side,
            tracker=west.tracker,
            directory=west.directory,
            receipts=west.receipts,
            now=lambda hours=hours: submitted(second.id).timestamp() + hours * 3600,
        )
        assert workflow.claim(second, owner=owner(second)) == Decision(action=Action.WAIT, wait=seconds)


def test_the_third_of_x_y_x_is_sent_because_the_partner_holds_y(west):
    transfers = []
    for content in (b"abc", b"xyz", b"abc"):
        transfer = west.receive(content)
        decision = claim(west, transfer)
        if decision.action is Action.COMPARE:
            decision = compare(west, transfer)
        assert decision.action is Action.DELIVER
        west.attempt(transfer)
        assert west.at_partner() == content
        transfers.append(transfer)
    assert west.fact(Kind.CONFLICT, transfers[2]).detail == {"delivered_before": [transfers[1].id]}


def test_the_policy_version_sends_files_that_are_alike(west):
    west.register(duplicates={"policy": "version", "window_seconds": 3600})
    for _ in range(2):
        transfer = west.receive(b"abc")
        assert claim(west, transfer) == Decision(action=Action.DELIVER, destinations=("partner",))
        west.attempt(transfer)
        assert complete(west, transfer) is Outcome.DELIVERED
        assert west.fact(Kind.DELIVERED, transfer).detail["sent"] is True
    assert not [fact for fact in west.facts() if fact.kind in (Kind.CONFLICT, Kind.DUPLICATE)]


# --- The other region --------------------------------------------------------------------------------


def sent_by(cell: Cell, peer: Cell):
    """Have a region claim a file; return the transfer once the claim has reached its peer."""
    transfer = cell.receive(b"abc")
    claim(cell, transfer)
    eventually(lambda: peer.tracker.newest(transfer.file).peers)
    eventually(lambda: Kind.RECEIVED in peer.kinds(transfer))
    return transfer


def test_a_resend_by_the_other_region_waits_for_the_first_and_is_compared_with_it(west, east):
    first, second = sent_by(west, east), east.receive(b"abc")
    assert claim(east, second) == Decision(action=Action.WAIT)
    assert east.tracker.newest(second.file).lease is None
    west.attempt(first)
    eventually(lambda: Kind.DELIVERED in east.kinds(first))
    assert claim(east, second).action is Action.COMPARE
    assert compare(east, second).spared == (("partner", first.id),)


@pytest.mark.parametrize(
    ("kind", "content", "then"),
    [
        (Kind.FAILED, b"abc", Action.DELIVER),
        (Kind.HELD, b"abc", Action.WAIT),  # the held one may be there, and this may be the same
        (Kind.HELD, b"other", Action.DELIVER),
    ],
)
def test_when_the_first_has_ended_a_resend_waits_only_for_a_held_one_of_its_size(
    west, east, kind, content, then
):
    first, second = sent_by(west, east), east.receive(content)
    record(west, first, kind, reason="no")
    eventually(lambda: kind in east.kinds(first))
    assert claim(east, second).action is then


def test_a_resend_waits_for_a_lost_region_no_longer_than_its_lease_runs(west, east):
    first, second = sent_by(west, east), east.receive(b"abc")
    history = east.tracker.newest(first.file)
    for passed, waits in ((LEASE - 60, True), (LEASE + 5, False)):
        leases = Leases(tracker=east.tracker, now=lambda passed=passed: time.time() + passed)
        assert leases.waits(second, owner(second), history) is waits


def test_a_transfer_that_is_taken_over_waits_for_nobody(west, east):
    sent_by(west, east)
    older = replace(east.receive(b"xyz"), taken_over=True)
    assert claim(east, older).action is Action.DELIVER


def test_the_same_transfer_is_not_waited_for(west, east):
    first = sent_by(west, east)
    assert east.workflow.claim(first, owner=f"{first.id}-takeover-1").action is Action.DELIVER


def test_the_policy_version_waits_for_nobody(west, east):
    east.register(duplicates={"policy": "version", "window_seconds": 3600})
    sent_by(west, east)
    assert claim(east, east.receive(b"abc")).action is Action.DELIVER


def test_two_transfers_that_have_their_leases_do_not_wait_for_each_other(west, east):
    second = east.receive(b"xyz")
    claim(east, second)
    first = west.receive(b"abc")
    Leases(tracker=west.tracker).take(first, owner(first), west.tracker.newest(first.file))
    eventually(lambda: east.tracker.newest(first.file).peers)
    assert claim(east, second).action is Action.DELIVER


# --- Complete ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (
            json.dumps(
                {
                    "errorMessage": "sftp.example:22: log in: permission denied",
                    "errorType": "PermanentDeliveryError",
                    "requestId": "6f747b00-52a0-4bd9-8f44-b2a3b4f5c6d7",
                    "stackTrace": ['  File "/var/task/runtime/handlers/deliver.py", line 36, in handler\n'],
                }
            ),
            "sftp.example:22: log in: permission denied",
        ),
        ("Lambda function timed out", "Lambda function timed out"),
        ('{"errorType": "Runtime.ExitError"}', '{"errorType": "Runtime.ExitError"}'),
        ("[1]", "[1]"),
        ("x" * 2000, "x" * 500),
    ],
)
def test_a_failure_is_recorded_with_its_reason_and_reported(west, cause, reason):
    transfer = west.receive(b"abc")
    claim(west, transfer)
    results = [failure("partner", cause)]
    assert [complete(west, transfer, results) for _ in range(2)] == [Outcome.FAILED] * 2
    assert west.fact(Kind.FAILED, transfer).detail == {"error": "PermanentDeliveryError", "reason": reason}
    (receipt,) = west.receipts_published(1)
    assert receipt["destinations"] == [{"name": "partner", "outcome": "failed", "reason": reason}]
    assert west.kinds(transfer) == [Kind.FAILED, Kind.RECEIPT, Kind.RECEIVED]


def test_several_destinations_are_reported_one_by_one(west):
    names = ["partner", "b", "c", "d"]
    west.register(
        routes=[{"match": "sdk/**", "to": names, "on_unknown": "hold"}],
        destinations={name: west.to_bucket(name) for name in names},
    )
    transfer = west.receive(b"abc")
    claim(west, transfer)
    west.attempt(transfer)
    record(west, transfer, Kind.HELD, "b")
    record(west, transfer, Kind.DUPLICATE, "d", of="20260101T000000Z-0")
    results = [*DELIVERED, {"destination": "b", "outcome": "HELD"}, failure("c", "refused")]
    assert complete(west, transfer, results) is Outcome.HELD
    (receipt,) = west.receipts_published(1)
    assert receipt["destinations"] == [
        {"name": "partner", "outcome": "delivered", "sha256": hashlib.sha256(b"abc").hexdigest()},
        {"name": "b", "outcome": "held", "reason": "nobody knows"},
        {"name": "c", "outcome": "failed", "reason": "refused"},
        {"name": "d", "outcome": "duplicate", "of": "20260101T000000Z-0"},
    ]


def test_the_facts_decide_and_not_the_result_of_the_last_attempt(west, east):
    """The attempt's answer was lost, or the other region delivered the file: the fact exists."""
    transfer = west.receive(b"abc")
    claim(west, transfer)
    record(east, transfer, Kind.DELIVERED)
    eventually(lambda: Kind.DELIVERED in west.kinds(transfer))
    assert complete(west, transfer, [failure("partner", "timed out", "States.Timeout")]) is Outcome.DELIVERED
    (receipt,) = west.receipts_published(1)
    assert receipt["destinations"][0]["outcome"] == "delivered"


def test_a_destination_without_any_result_is_a_failure(west):
    transfer = west.receive(b"abc")
    claim(west, transfer)
    assert complete(west, transfer, []) is Outcome.FAILED
    (receipt,) = west.receipts_published(1)
    assert receipt["destinations"] == [{"name": "partner"}]


def test_a_rejected_transfer_that_was_started_all_the_same_stays_rejected(west):
    """At first the registry had no route for the file, and its event came twice."""
    transfer = west.receive(b"abc")
    record(west, transfer, Kind.REJECTED, "", reason="no route")
    assert claim(west, transfer) == Decision(action=Action.DONE)
    assert complete(west, transfer, []) is Outcome.REJECTED
    assert west.receipts_published(1)[0]["outcome"] == "rejected"


def test_an_execution_that_lost_its_lease_reports_no_failure(west):
    """Another execution of the transfer, or a later submission, is about to deliver."""
    first, second = west.receive(b"abc"), west.receive(b"xyz")
    claim(west, first)
    other = west.with_client("dynamodb", west.client("dynamodb"))
    other.tracker = later(west, LEASE + 5)
    assert claim(other, second).action is Action.DELIVER
    for results in ([failure("partner", "timed out")], []):
        with pytest.raises(LeaseLostError, match=owner(second)):
            complete(west, first, results)
    assert west.kinds(first) == [Kind.RECEIVED]
    west.receipts_published(0)


def test_an_execution_that_lost_its_lease_sends_the_receipt_of_settled_destinations(west):
    first, second = west.receive(b"abc"), west.receive(b"longer")
    claim(west, first)
    west.attempt(first)
    claim(west, second)
    assert complete(west, first) is Outcome.DELIVERED
    west.receipts_published(1)


def test_a_crash_among_the_failures_is_made_good(west):
    west.register(routes=TWO, destinations={"partner": west.to_bucket(), "other": west.to_bucket("other")})
    transfer = west.receive(b"abc")
    claim(west, transfer)
    results = [failure("partner", "no"), failure("other", "no")]
    dying = west.with_client("dynamodb", Dying(west.client("dynamodb"), "put_item", at="#FAILED#other#"))
    with pytest.raises(CrashError):
        complete(dying, transfer, results)
    assert west.status(transfer) is Status.UNDER_WAY
    assert complete(west, transfer, results) is Outcome.FAILED
    assert west.kinds(transfer) == [Kind.FAILED, Kind.FAILED, Kind.RECEIPT, Kind.RECEIVED]
    west.receipts_published(1)
