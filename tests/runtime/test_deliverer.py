"""Attempts: real partners, an emulated table, and what both hold after successful and failed attempts."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import replace
from datetime import UTC, datetime

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.sftp.partners import AsyncsshPartner, Partner, partner
from local.sftp.partners.inprocess import Files
from runtime import contract
from runtime.contract import Kind
from runtime.deliverer import CONTINUE, THAWED
from runtime.delivery import PermanentDeliveryError, PlatformUnavailableError, TransientDeliveryError
from runtime.facts import submitted
from runtime.history import Lease
from runtime.overtaken import OvertakenError
from runtime.release import ReleaseDecision
from runtime.timing import ATTEMPT_SECONDS, FACTS_SECONDS
from runtime.workflow import LEASE, LeaseLostError
from tests.runtime.cells import NAMESPACE, Cell, CrashError, Dying, owner

CONTENT = b"a,b\n1,2\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(params=["deliver", "hold"])
def on_unknown(request: pytest.FixtureRequest) -> str:
    return request.param


def deliver_to(cell: Cell, partner: Partner, on_unknown: str = "deliver") -> None:
    """Route the customer's files to a partner's server."""
    cell.register(
        destinations={"partner": cell.to_server(partner)},
        routes=[{"match": "sdk/**", "to": ["partner"], "on_unknown": on_unknown}],
    )


def claimed(cell: Cell, content: bytes = CONTENT):
    """Receive a file and claim it; return the transfer."""
    transfer = cell.receive(content)
    cell.workflow.claim(transfer, owner=owner(transfer))
    return transfer


def inode(partner: Partner, name: str = "a.csv") -> int:
    """Return the file's inode, which changes when the file is written again."""
    return (partner.inbox / name).stat().st_ino


# --- Delivered -----------------------------------------------------------------------------------


def test_a_delivery_to_a_server_is_recorded(west, partner):
    deliver_to(west, partner)
    transfer = claimed(west)
    assert west.attempt(transfer, "01ATTEMPT") == Kind.DELIVERED
    assert partner.files() == {"a.csv": CONTENT}
    fact = west.fact(Kind.DELIVERED, transfer)
    assert (fact.destination, fact.writer, fact.side) == ("partner", "01ATTEMPT", "west")
    path = f"{partner.directory}/a.csv"
    expected = {"sha256": SHA256, "size": 8, "path": path, "sent": True, "after_unknown": False}
    assert fact.detail == expected


def test_a_file_that_the_partner_does_not_let_us_remove_is_in_the_fact_and_in_the_receipt(west):
    with partner("asyncssh", denied=("posix-rename", "remove")) as server:
        (server.inbox / "a.csv").write_bytes(b"older")
        deliver_to(west, server)
        transfer = claimed(west)
        assert west.attempt(transfer) == Kind.DELIVERED
        (aside,) = set(server.files()) - {"a.csv"}
    west.workflow.complete(transfer, [], owner=owner(transfer))
    note = west.fact(Kind.DELIVERED, transfer).detail["note"]
    assert f"did not remove /inbox/{aside}; ask the partner" in note
    (receipt,) = west.receipts_published(1)
    assert receipt["destinations"] == [
        {"name": "partner", "outcome": "delivered", "sha256": SHA256, "note": note}
    ]


@pytest.mark.parametrize(
    ("denied", "options"),
    [
        (("posix-rename", "rename"), {"publish": "write"}),
        (("stat",), {"verify": "none"}),
        ((), {"temporary_name": "*.uploading", "fsync": False}),
    ],
)
def test_options_of_a_destination_reach_its_server(west, denied, options):
    asked = []

    class Noting(Files):
        def open(self, path, pflags, attrs):
            asked.append(path)
            return super().open(path, pflags, attrs)

        def fsync(self, file_obj):
            asked.append("fsync")
            return super().fsync(file_obj)

    with AsyncsshPartner(files=Noting, denied=denied) as server:
        west.register(destinations={"partner": west.to_server(server) | options})
        transfer = claimed(west)
        assert west.attempt(transfer) == Kind.DELIVERED
        assert server.files() == {"a.csv": CONTENT}
    assert ("fsync" in asked) == options.get("fsync", True)
    assert asked[0].endswith(b".uploading") == ("temporary_name" in options)


def test_a_delivery_to_a_bucket_is_recorded(west):
    transfer = claimed(west)
    assert west.attempt(transfer) == Kind.DELIVERED
    assert west.at_partner() == CONTENT
    path = f"s3://{west.partner_bucket}/in/a.csv"
    expected = {"sha256": SHA256, "size": 8, "path": path, "sent": True, "after_unknown": False}
    assert west.fact(Kind.DELIVERED, transfer).detail == expected


def test_the_version_that_was_submitted_is_delivered_and_not_the_current_one(west, partner):
    deliver_to(west, partner)
    transfer = claimed(west)
    west.upload(b"newer")
    west.attempt(transfer)
    assert partner.files() == {"a.csv": CONTENT}


@pytest.mark.parametrize("after_unknown", [False, True])
def test_a_repeated_attempt_finds_the_fact_and_sends_nothing(west, partner, after_unknown):
    deliver_to(west, partner)
    transfer = claimed(west)
    west.attempt(transfer)
    (partner.inbox / "a.csv").unlink()  # the partner has taken it
    assert west.attempt(transfer, "2", after_unknown=after_unknown) == Kind.DELIVERED
    assert partner.files() == {}
    assert west.kinds(transfer) == [Kind.DELIVERED, Kind.RECEIVED]


def test_a_file_that_the_other_region_delivered_is_not_sent_again(west, east, partner):
    deliver_to(west, partner)
    transfer = claimed(west)
    fact = transfer.fact(Kind.DELIVERED, side="east", writer="x", destination="partner", sha256="", size=8)
    east.tracker.record(fact)
    assert west.attempt(transfer) == Kind.DELIVERED
    assert partner.files() == {}


# --- An attempt whose end nobody knows -----------------------------------------------------------


def crash_between_rename_and_fact(cell: Cell, transfer) -> None:
    dying = cell.with_client("dynamodb", Dying(cell.client("dynamodb"), "put_item", at="#DELIVERED#"))
    with pytest.raises(CrashError):
        dying.attempt(transfer)
    assert cell.kinds(transfer) == [Kind.RECEIVED]


def test_after_a_crash_the_file_is_found_and_not_sent_again(west, partner, on_unknown):
    deliver_to(west, partner, on_unknown)
    transfer = claimed(west)
    crash_between_rename_and_fact(west, transfer)
    before = inode(partner)
    assert west.attempt(transfer, "2", after_unknown=True) == Kind.DELIVERED
    assert inode(partner) == before
    detail = west.fact(Kind.DELIVERED, transfer).detail
    assert (detail["sent"], detail["after_unknown"], detail["sha256"]) == (False, True, SHA256)


def test_after_a_crash_a_file_that_the_partner_took_is_held_or_sent_as_the_route_says(
    west, partner, on_unknown
):
    deliver_to(west, partner, on_unknown)
    transfer = claimed(west)
    crash_between_rename_and_fact(west, transfer)
    (partner.inbox / "a.csv").unlink()
    became = west.attempt(transfer, "2", after_unknown=True)
    if on_unknown == "hold":
        assert (became, partner.files()) == (Kind.HELD, {})
        held = west.fact(Kind.HELD, transfer)
        assert (held.destination, held.detail["name"]) == ("partner", "a.csv")
        assert west.workflow.complete(transfer, [], owner=owner(transfer)) == "held"
    else:
        assert (became, partner.files()) == (Kind.DELIVERED, {"a.csv": CONTENT})
        assert west.fact(Kind.DELIVERED, transfer).detail["sent"] is True


def test_another_file_of_that_name_is_not_taken_for_this_one(west, partner):
    deliver_to(west, partner, "hold")
    (partner.inbox / "a.csv").write_bytes(b"a,b\n9,9\n")
    assert west.attempt(claimed(west), after_unknown=True) == Kind.HELD
    assert partner.files() == {"a.csv": b"a,b\n9,9\n"}


def test_a_server_that_cannot_be_asked_does_not_lead_to_a_hold(west, partner):
    """A missing answer does not mean that the file is missing."""
    deliver_to(west, partner, "hold")
    transfer = claimed(west)
    partner.stop()
    with pytest.raises(TransientDeliveryError):
        west.attempt(transfer, after_unknown=True)
    assert west.kinds(transfer) == [Kind.RECEIVED]


def test_a_file_that_was_found_is_not_looked_for_again(west, partner):
    """Between two checks the partner may collect it, and a route that holds must not send it then."""
    deliver_to(west, partner, "hold")
    transfer = claimed(west)
    crash_between_rename_and_fact(west, transfer)
    take, connections = partner.faults.take, []

    def partner_takes_the_file_before_a_second_look():
        connections.append(1)
        if len(connections) == 2:
            (partner.inbox / "a.csv").unlink()
        return take()

    partner.faults.take = partner_takes_the_file_before_a_second_look
    assert west.attempt(transfer, "2", after_unknown=True) == Kind.DELIVERED
    assert west.fact(Kind.DELIVERED, transfer).detail["sent"] is False
    assert partner.files() == {"a.csv": CONTENT}


def test_a_bucket_without_the_file_leads_to_a_hold_too(west):
    west.register(routes=[{"match": "sdk/**", "to": ["partner"], "on_unknown": "hold"}])
    transfer = claimed(west)
    assert west.attempt(transfer, after_unknown=True) == Kind.HELD
    assert west.at_partner() is None


def test_a_bucket_that_has_the_file_settles_a_hold(west):
    west.register(routes=[{"match": "sdk/**", "to": ["partner"], "on_unknown": "hold"}])
    transfer = claimed(west)
    crash_between_rename_and_fact(west, transfer)
    assert west.attempt(transfer, after_unknown=True) == Kind.DELIVERED
    assert west.fact(Kind.DELIVERED, transfer).detail["sent"] is False


# --- The lease -----------------------------------------------------------------------------------


def test_an_attempt_without_the_lease_stops_before_its_first_effect(west, partner):
    deliver_to(west, partner)
    first, second = west.receive(CONTENT), west.receive(b"another")
    west.workflow.claim(second, owner=owner(second))
    partner.stop()  # it would be noticed
    with pytest.raises(LeaseLostError):
        west.attempt(first)
    assert west.kinds(first) == [Kind.RECEIVED]


def stood_still(cell: Cell, transfer, seconds: float) -> None:
    """Make the lease of a transfer's execution one that was last renewed so many seconds ago."""
    until = int(time.time() - seconds) + LEASE
    low = Lease(owner=owner(transfer), transfer=transfer.id, until=until)
    cell.tracker.claim(transfer.file, low, seen=None, seen_ended=False, expires=transfer.expires)


def test_an_attempt_renews_a_lease_that_is_not_new(west):
    transfer = claimed(west)
    stood_still(west, transfer, 300)
    west.attempt(transfer)
    assert west.tracker.newest(transfer.file).lease.until > time.time() + LEASE - 30


# --- Late transfers, and executions that stood still -----------------------------------------------


def attempt_at(cell: Cell, transfer, age: float, number: str = "1", **how) -> str:
    """Make an attempt as if the transfer had been submitted so many seconds ago."""
    deliverer = cell.deliverer
    deliverer._now = lambda: submitted(transfer.id).timestamp() + age
    usual = {"owner": owner(transfer), "attempt": number, "after_unknown": False}
    return deliverer.attempt(transfer, "partner", **usual | how)


@pytest.mark.parametrize(("age", "asks"), [(FACTS_SECONDS - 1, False), (FACTS_SECONDS + 1, True)])
@pytest.mark.parametrize("kind", ["server", "bucket"])
def test_a_late_attempt_finds_what_the_other_region_delivered(west, partner, on_unknown, kind, age, asks):
    """The fact about it has not replicated."""
    if kind == "server":
        deliver_to(west, partner, on_unknown)
        (partner.inbox / "a.csv").write_bytes(CONTENT)
    else:
        west.client("s3").put_object(Bucket=west.partner_bucket, Key="in/a.csv", Body=CONTENT)
    transfer = claimed(west)
    assert attempt_at(west, transfer, age) == Kind.DELIVERED
    detail = west.fact(Kind.DELIVERED, transfer).detail
    assert (detail["sent"], detail["after_unknown"]) == (not asks, asks)


@pytest.mark.parametrize(("silent", "asks"), [(60, False), (ATTEMPT_SECONDS + 60, True)])
def test_an_attempt_that_goes_on_with_an_upload_asks_only_after_a_thaw(west, silent, asks):
    west.client("s3").put_object(Bucket=west.partner_bucket, Key="in/a.csv", Body=CONTENT)
    transfer = claimed(west)
    stood_still(west, transfer, silent)
    assert attempt_at(west, transfer, 7200, goes_on=True) == Kind.DELIVERED
    assert west.fact(Kind.DELIVERED, transfer).detail["sent"] is not asks


def test_a_late_file_that_is_not_there_is_sent_whatever_the_route_says(west, partner, on_unknown):
    """The execution was at work all the time: it has waited for its partner or for its turn."""
    deliver_to(west, partner, on_unknown)
    transfer = claimed(west)
    stood_still(west, transfer, ATTEMPT_SECONDS - 60)
    assert attempt_at(west, transfer, 7200) == Kind.DELIVERED
    assert partner.files() == {"a.csv": CONTENT}


def test_after_a_thaw_a_file_that_is_not_there_is_sent_or_held_as_the_route_says(west, partner, on_unknown):
    deliver_to(west, partner, on_unknown)
    transfer = claimed(west)
    stood_still(west, transfer, ATTEMPT_SECONDS + 60)
    if on_unknown == "deliver":
        assert attempt_at(west, transfer, 7200) == Kind.DELIVERED
        return
    assert attempt_at(west, transfer, 7200) == Kind.HELD
    assert west.fact(Kind.HELD, transfer).detail["reason"] == THAWED
    assert partner.files() == {}


def test_a_thaw_is_remembered_when_the_first_attempt_after_it_fails(west, partner):
    deliver_to(west, partner, "hold")
    transfer = claimed(west)
    stood_still(west, transfer, ATTEMPT_SECONDS + 60)
    partner.faults.refuse()
    with pytest.raises(TransientDeliveryError):
        attempt_at(west, transfer, 7200)
    partner.faults.clear()
    assert attempt_at(west, transfer, 7300, "2") == Kind.HELD
    assert partner.files() == {}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("call", "at"), [("update_item", "CLAIM#"), ("put_item", "#HELD#")])
def test_a_thaw_is_remembered_when_the_attempt_dies(west, partner, call, at, after):
    """It dies before or after the lease is renewed, or the file held."""
    deliver_to(west, partner, "hold")
    transfer = claimed(west)
    stood_still(west, transfer, ATTEMPT_SECONDS + 60)
    dying = west.with_client("dynamodb", Dying(west.client("dynamodb"), call, after=after, at=at))
    with pytest.raises(CrashError):
        attempt_at(dying, transfer, 7200)
    assert attempt_at(west, transfer, 7300, "2") == Kind.HELD
    assert partner.files() == {}


def test_a_release_that_thaws_is_held_again(west, partner):
    """Its region stood still after the operator's decision, and the other may have carried it out."""
    deliver_to(west, partner, "hold")
    transfer = west.receive(CONTENT)
    west.workflow.claim(transfer, owner=owner(transfer))
    assert west.attempt(transfer, after_unknown=True) == Kind.HELD
    about = {"who": "somebody", "why": "asked"}
    name = west.release.release(transfer, "partner", ReleaseDecision.RESEND, **about)
    mine = replace(transfer, taken_over=True)
    west.workflow.claim(mine, owner=name, seen=datetime.now(UTC))
    until = int(time.time() - ATTEMPT_SECONDS - 60) + LEASE
    low = Lease(owner=name, transfer=transfer.id, until=until)
    west.tracker.claim(transfer.file, low, seen=None, seen_ended=False, expires=transfer.expires)
    assert west.attempt(mine, "2", owner=name, after_unknown=True, first=True) == Kind.HELD
    assert partner.files() == {}


class Meanwhile:
    """The table, in which something happens just before it is queried for the `nth` time."""

    def __init__(self, client, what, nth: int = 2) -> None:
        self._client, self._what, self._left = client, what, nth

    def __getattr__(self, name):
        if name == "get_paginator":
            self._left -= 1
            if self._left == 0:
                self._what()
        return getattr(self._client, name)


@pytest.mark.parametrize("kind", ["server", "bucket"])
@pytest.mark.parametrize("after_unknown", [False, True])
def test_a_lease_that_is_lost_during_the_upload_stops_it_before_the_file_appears(
    west, partner, kind, after_unknown
):
    if kind == "server":
        deliver_to(west, partner)
    transfer, other = claimed(west), west.receive(b"another")

    def lose() -> None:
        lease = Lease(owner=owner(other), transfer=other.id, until=int(time.time()) + LEASE)
        seen = west.tracker.newest(transfer.file).lease
        west.tracker.claim(transfer.file, lease, seen=seen, seen_ended=True, expires=transfer.expires)

    table = Meanwhile(west.client("dynamodb"), lose)
    with pytest.raises(LeaseLostError, match=owner(other)):
        west.with_client("dynamodb", table).attempt(transfer, after_unknown=after_unknown)
    assert partner.files() == {}
    assert west.at_partner() is None
    assert west.kinds(transfer) == [Kind.RECEIVED]


def test_a_file_that_the_peer_delivered_during_the_upload_is_not_delivered_again(west, partner):
    deliver_to(west, partner)
    transfer = claimed(west)
    fact = transfer.fact(Kind.DELIVERED, side="east", writer="x", destination="partner", sha256="", size=8)
    table = Meanwhile(west.client("dynamodb"), lambda: west.tracker.record(fact))
    with pytest.raises(OvertakenError, match="served by another execution"):
        west.with_client("dynamodb", table).attempt(transfer)
    assert partner.files() == {}
    assert west.attempt(transfer, "2") == Kind.DELIVERED


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("policy", ["content", "version"])
def test_a_newer_version_that_the_peer_delivered_is_not_overwritten(west, partner, nth, policy):
    """This does not apply to a feed whose every version counts."""
    destinations = {"partner": west.to_server(partner)}
    west.register(destinations=destinations, duplicates={"policy": policy, "window_seconds": 3600})
    transfer = claimed(west)
    fact = transfer.fact(Kind.DELIVERED, side="east", writer="x", destination="partner", sha256="", size=8)
    newer = replace(fact, transfer=f"2999{transfer.id[4:]}")
    cell = west.with_client(
        "dynamodb", Meanwhile(west.client("dynamodb"), lambda: west.tracker.record(newer), nth)
    )
    if policy == "content":
        with pytest.raises(OvertakenError, match="which is newer"):
            cell.attempt(transfer)
        assert partner.files() == {}
    else:
        assert cell.attempt(transfer) == Kind.DELIVERED


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("policy", ["content", "version"])
@pytest.mark.parametrize("content", [CONTENT, b"x,y\n1,2\n"])
def test_another_transfer_that_the_peer_delivered_is_compared_first(west, partner, nth, policy, content):
    """A resend through the other region: both were decided on before either was delivered."""
    destinations = {"partner": west.to_server(partner)}
    west.register(destinations=destinations, duplicates={"policy": policy, "window_seconds": 3600})
    transfer = claimed(west)
    detail = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    fact = transfer.fact(Kind.DELIVERED, side="east", writer="x", destination="partner", **detail)
    other = replace(fact, transfer=f"{transfer.id[:-1]}{'0' if transfer.id[-1] != '0' else '1'}")
    table = Meanwhile(west.client("dynamodb"), lambda: west.tracker.record(other), nth)
    meanwhile = west.with_client("dynamodb", table)
    if policy == "version":
        assert meanwhile.attempt(transfer) == Kind.DELIVERED
        return
    with pytest.raises(OvertakenError, match="not compared"):
        meanwhile.attempt(transfer)
    assert partner.files() == {}
    who = owner(transfer)
    assert west.workflow.claim(transfer, owner=who).action == "compare"
    verdict = west.workflow.compare(transfer, west.source(transfer), owner=who)
    if content == CONTENT:
        assert verdict.spared == (("partner", other.transfer),)
    else:
        assert verdict.conflicts == (other.transfer,)
        assert west.attempt(transfer, "2") == Kind.DELIVERED


def test_a_file_is_compared_again_with_each_transfer_that_the_peer_delivers(west, partner):
    """The second comparison finds another conflict, which the fact of the first does not name."""
    deliver_to(west, partner)
    transfer = claimed(west)
    delivered = transfer.fact(
        Kind.DELIVERED, side="east", writer="x", destination="partner", sha256="0", size=9
    )
    others = [replace(delivered, transfer=f"{transfer.id[:-2]}{n}") for n in ("-1", "-2")]
    who = owner(transfer)
    for number, other in enumerate(others, 1):
        west.tracker.record(replace(other, at=f"{other.at[:-6]}{number}{other.at[-5:]}"))
        with pytest.raises(OvertakenError):
            west.attempt(transfer, str(number))
        assert west.workflow.claim(transfer, owner=who).action == "deliver"
    assert west.attempt(transfer, "3") == Kind.DELIVERED


def test_a_delivery_by_the_peer_outside_the_window_is_not_compared(west, partner):
    destinations = {"partner": west.to_server(partner)}
    west.register(destinations=destinations, duplicates={"policy": "content", "window_seconds": 60})
    transfer = claimed(west)
    fact = transfer.fact(Kind.DELIVERED, side="east", writer="x", destination="partner", sha256="0", size=8)
    west.tracker.record(replace(fact, transfer=f"2020{transfer.id[4:]}"))
    assert west.attempt(transfer) == Kind.DELIVERED


def test_an_attempt_that_runs_out_of_time_says_so_and_the_next_goes_on(west, partner):
    deliver_to(west, partner)
    content = os.urandom(9_000_000)
    transfer = claimed(west, content)
    moments = iter([1000.0] * 6)
    assert west.attempt(transfer, remaining=lambda: next(moments, 1.0)) == CONTINUE
    assert west.kinds(transfer) == [Kind.RECEIVED]
    (left,) = partner.files()
    assert left == f".a.csv.{owner(transfer)}.part"
    assert west.attempt(transfer, "2") == Kind.DELIVERED
    assert partner.files() == {"a.csv": content}


def test_leftovers_of_a_dead_execution_are_removed_by_the_next_one(west, partner):
    deliver_to(west, partner)
    transfer = claimed(west)
    second = f"{transfer.id}-takeover-2"
    for name in (owner(transfer), f"{transfer.id}-takeover-1"):
        (partner.inbox / f".a.csv.{name}.part").write_bytes(b"x")
    lease = Lease(owner=second, transfer=transfer.id, until=int(time.time()) + LEASE)
    seen = west.tracker.newest(transfer.file).lease
    west.tracker.claim(transfer.file, lease, seen=seen, seen_ended=True, expires=transfer.expires)
    assert west.attempt(transfer, owner=second, after_unknown=True, first=True) == Kind.DELIVERED
    assert partner.files() == {"a.csv": CONTENT}


def test_an_aws_that_does_not_answer_before_the_rename_is_not_the_partners_failure(west, partner):
    deliver_to(west, partner, "hold")
    transfer = claimed(west)

    def refuse() -> None:
        raise ClientError({"Error": {"Code": "InternalServerError", "Message": "x"}}, "Query")

    with pytest.raises(PlatformUnavailableError, match="partner: prepare: "):
        west.with_client("dynamodb", Meanwhile(west.client("dynamodb"), refuse)).attempt(transfer)
    assert partner.files() == {}


@pytest.mark.parametrize("to", ["server", "bucket"])
def test_an_empty_file_is_delivered_and_its_resend_is_a_duplicate(west, partner, to):
    if to == "server":
        deliver_to(west, partner)
    first, again = claimed(west, b""), west.receive(b"")
    assert west.attempt(first) == Kind.DELIVERED
    assert (partner.files() if to == "server" else {"a.csv": west.at_partner()}) == {"a.csv": b""}
    assert west.workflow.claim(again, owner=owner(again)).action == "compare"
    verdict = west.workflow.compare(again, west.source(again), owner=owner(again))
    assert verdict.spared == (("partner", first.id),)


# --- Errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "registry", [{"destinations": {}}, {"routes": []}], ids=["destination gone", "route gone"]
)
def test_a_destination_that_the_registry_dropped_is_a_permanent_error(west, registry):
    transfer = claimed(west)
    west.register(**registry)
    with pytest.raises(PermanentDeliveryError, match="no longer routes this file to the destination"):
        west.attempt(transfer)
    assert west.kinds(transfer) == [Kind.RECEIVED]


def test_a_missing_secret_is_a_permanent_error_that_names_it(west, partner):
    deliver_to(west, partner)
    transfer = claimed(west)
    name = contract.secret_name(NAMESPACE, west.customer, "key")
    west.client("secretsmanager").delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    with pytest.raises(PermanentDeliveryError, match=name):
        west.attempt(transfer)


@pytest.mark.parametrize("service", ["dynamodb", "s3", "secretsmanager"])
def test_an_aws_that_does_not_answer_before_anything_was_sent_is_not_the_partners_failure(
    west, partner, service
):
    """It is not an unknown outcome: a route that holds would keep the file until a person decides."""
    deliver_to(west, partner, "hold")
    transfer = claimed(west)
    dead = boto3.client(
        service,
        region_name=west.region,
        endpoint_url="http://127.0.0.1:9",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}),
    )
    with pytest.raises(PlatformUnavailableError, match="partner: prepare: EndpointConnectionError"):
        west.with_client(service, dead).attempt(transfer)
    dead.close()
    assert west.attempt(transfer) == Kind.DELIVERED


def test_a_server_that_is_down_leaves_no_fact(west, partner):
    deliver_to(west, partner)
    transfer = claimed(west)
    partner.stop()
    with pytest.raises(TransientDeliveryError):
        west.attempt(transfer)
    assert west.kinds(transfer) == [Kind.RECEIVED]
    partner.start()
    assert west.attempt(transfer, "2") == Kind.DELIVERED
