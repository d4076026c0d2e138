"""Replicated objects without a transfer: which ones the survivor takes in, and which ones it lists."""

from __future__ import annotations

import hashlib
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from runtime import contract
from runtime.contract import EAST, Kind
from runtime.decision import Action
from runtime.executions import first
from runtime.facts import Status
from runtime.orphan_objects import PAUSE, OrphanObjects
from runtime.takeover import TakenOver
from runtime.timing import ATTEMPT_SECONDS
from runtime.workflow import Leases
from tests.runtime.cells import NAMESPACE, Cell, eventually
from tests.runtime.test_intake import completed, put, replicate
from tests.runtime.test_takeover import HOLD, NOTHING, declare, starting, take_over, taken_over, today

SDK, SFTP = "inbound/sdk/a.csv", "inbound/sftp/acme/a.csv"


@pytest.fixture
def east(west: Cell, sides: tuple[Cell, Cell]) -> Cell:
    east = sides[1].make()
    replicate(west, east)
    declare(west, "lost")
    return east


def arrived(east: Cell, event: dict[str, Any]) -> None:
    """Wait until the object of an event has replicated."""
    s3, entry = east.client("s3"), event["detail"]["object"]

    def there() -> bool:
        try:
            s3.head_object(Bucket=east.bucket, Key=entry["key"], VersionId=entry["version-id"])
        except ClientError:
            return False
        return True

    eventually(there)


def looking(cell: Cell, **instead: Any) -> OrphanObjects:
    usual = {
        "stem": NAMESPACE,
        "side": cell.side,
        "tracker": cell.tracker,
        "directory": cell.directory,
        "intake": cell.intake,
        "s3": cell.client("s3"),
    }
    return OrphanObjects(**usual | instead)


def forever() -> float:
    return float("inf")


def test_an_upload_whose_event_died_with_its_region_is_taken_in_and_asked_about_first(west, east):
    event = west.upload(b"abc")
    arrived(east, event)
    assert take_over(east, west) == TakenOver(adopted=(SDK,))
    (given,) = east.executions().values()
    assert (given["version_id"], given["bucket"]) == (event["detail"]["object"]["version-id"], east.bucket)
    assert given["taken_over"] is True
    received = east.facts()[0]
    assert (received.kind, received.side) == (Kind.RECEIVED, EAST)
    assert take_over(east, west) == NOTHING


def test_nothing_is_taken_in_while_the_peer_is_in(west, east):
    arrived(east, west.upload(b"abc"))
    declare(west, "in")
    assert take_over(east, west) == NOTHING
    assert east.facts() == []


def test_a_transfer_that_the_lost_region_had_received_is_left_to_the_takeover(west, east):
    transfer = west.receive(b"abc")
    assert take_over(east, west) == TakenOver(started=(transfer.id,))
    assert {fact.side for fact in east.facts()} == {"west"}
    assert list(east.executions()) == list(taken_over(east))


def test_an_upload_in_this_region_is_left_to_intake(west, east):
    """Its event is still to come; taken in twice it would be one transfer, but it is not searched for."""
    event = east.upload(b"abc")
    assert take_over(east, west) == NOTHING
    assert east.facts() == []
    assert east.accept(event) == "received"


def test_whether_an_sftp_upload_of_the_lost_region_is_complete_is_not_known(west, east):
    arrived(east, {"detail": {"object": {"key": SFTP, "version-id": put(west, b"ab")["VersionId"]}}})
    assert take_over(east, west) == TakenOver(unproven=(SFTP,))
    assert east.facts(SFTP) == []
    # West knows, and takes the upload in when it is back.
    assert west.accept(completed(west, b"abc")) == "received"


def test_folders_temporary_names_and_old_objects_are_passed_over(west, east):
    for key in ("inbound/sdk/", "inbound/sdk/x/", SFTP + ".filepart"):
        arrived(east, west.upload(b"", key))
    arrived(east, west.upload(b"abc"))
    later = datetime.now(UTC) + timedelta(days=3, minutes=1)
    assert looking(east, now=lambda: later).run(forever).adopted == ()
    assert looking(east).run(forever) == ((SDK,), (), ())


def test_an_upload_without_a_route_is_rejected_and_the_customer_notified(west, east):
    arrived(east, west.upload(b"abc"))
    east.register(routes=[])
    assert take_over(east, west).adopted == (SDK,)
    assert [fact.kind for fact in east.facts() if fact.kind is not Kind.RECEIPT] == [Kind.REJECTED]
    east.receipts_published(1)


def test_each_version_counts(west, east):
    west.receive(b"first")
    second = west.upload(b"second")
    arrived(east, second)
    done = starting(east, west).run(today())
    assert done.adopted == (SDK,)
    versions = {given["version_id"] for given in east.executions().values()}
    assert second["detail"]["object"]["version-id"] in versions


def test_the_lost_regions_own_event_comes_late_and_sends_nothing_twice(west, east):
    """West has returned, and its queue still has the event. East's facts have replicated by then."""
    event = west.upload(b"abc")
    arrived(east, event)
    take_over(east, west)
    ((execution, _),) = east.executions().items()
    mine = east.received(SDK)
    east.workflow.claim(mine, owner=execution)
    east.attempt(mine, owner=execution, after_unknown=True, first=True)
    assert east.at_partner() == b"abc"
    assert west.accept(event) == "received"
    (name,) = west.executions()
    theirs = west.received(SDK)
    eventually(lambda: west.workflow.claim(theirs, owner=name).action is Action.DONE)
    assert west.status(theirs) is Status.DELIVERED


def test_two_regions_that_both_took_a_file_in_do_not_both_begin_with_it(west, east):
    """West has returned and taken in its own event. Neither region has had the other's lease yet."""
    event = west.upload(b"abc")
    arrived(east, event)
    take_over(east, west)
    ((execution, _),) = east.executions().items()
    mine = east.received(SDK)
    assert west.accept(event) == "received"
    theirs = west.received(SDK)
    eventually(lambda: len(east.facts()) == len(west.facts()) == 2)
    there, here = west.tracker.newest(theirs.file), east.tracker.newest(mine.file)
    assert there.lease is None
    assert here.lease is None
    assert east.workflow.claim(mine, owner=execution).action is Action.WAIT, "it was the first"
    assert west.workflow.claim(theirs, owner=first(theirs.id)).action is Action.DELIVER
    by_then = Leases(tracker=east.tracker, now=lambda: time.time() + ATTEMPT_SECONDS + 30)
    assert not by_then.yields(mine, here), "West has died again"


def test_an_adopted_file_is_held_where_its_route_says_so(west, east):
    arrived(east, west.upload(b"abc"))
    east.register(routes=HOLD)
    take_over(east, west)
    ((execution, _),) = east.executions().items()
    mine = east.received(SDK)
    east.workflow.claim(mine, owner=execution)
    assert east.attempt(mine, owner=execution, after_unknown=True, first=True) == Kind.HELD


def test_an_event_that_waited_long_asks_the_destination_first(west):
    """The peer may have adopted the object while the event waited."""
    event = west.upload(b"abc")
    late = west.intake_at(datetime.now(UTC) + timedelta(minutes=16))
    assert late(event) == "received"
    (given,) = west.executions().values()
    assert given["taken_over"] is True


def test_looks_are_minutes_apart_and_one_that_ran_out_of_time_is_continued(west, east):
    keys = [f"inbound/sdk/{n}.csv" for n in range(5)]
    for key in keys:
        arrived(east, west.upload(b"abc", key))
    clock = [0.0]
    orphans = looking(east, clock=lambda: clock[0])
    moments = iter([1000.0] * 3)
    assert orphans.run(lambda: next(moments, 0.0)).adopted == tuple(keys[:2])
    assert orphans.run(forever).adopted == tuple(keys[2:])
    new = west.upload(b"xyz")
    arrived(east, new)
    clock[0] = PAUSE - 1
    assert orphans.run(forever).adopted == ()
    clock[0] = PAUSE + 1
    assert orphans.run(forever).adopted == (SDK,)


def test_a_bucket_that_is_refused_holds_back_no_other(west, east):
    arrived(east, west.upload(b"abc"))
    key = contract.config_key(east.customer)
    for stranger in ("aaa", "zzz"):
        copied = {"Bucket": east.config_bucket, "Key": key}
        document = east.client("s3").get_object(**copied)["Body"].read()
        body = document.replace(east.customer.encode(), stranger.encode())
        east.client("s3").put_object(Bucket=east.config_bucket, Key=contract.config_key(stranger), Body=body)
    assert re.fullmatch("aaa: .*NoSuchBucket.* zzz: .*NoSuchBucket.*", " ".join(take_over(east, west).failed))
    assert len(east.executions()) == 1


def test_each_bucket_is_looked_through_from_its_beginning(west, east):
    s3, bucket = east.client("s3"), contract.bucket_of("aaa", NAMESPACE, EAST)
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": east.region})
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for name in "yz":
        s3.put_object(Bucket=bucket, Key=f"inbound/sdk/{name}.csv", Body=b"abc")
    own = {"Bucket": east.config_bucket, "Key": contract.config_key(east.customer)}
    document = s3.get_object(**own)["Body"].read().replace(east.customer.encode(), b"aaa")
    s3.put_object(Bucket=east.config_bucket, Key=contract.config_key("aaa"), Body=document)
    arrived(east, west.upload(b"abc"))
    assert looking(east).run(forever) == ((SDK,), (), ())


def test_the_adopted_content_is_the_one_that_was_uploaded(west, east):
    arrived(east, west.upload(b"abc"))
    take_over(east, west)
    assert east.source(east.received(SDK)).sha256() == hashlib.sha256(b"abc").hexdigest()
