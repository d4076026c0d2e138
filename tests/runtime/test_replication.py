"""Replication events, and what else the functions of a cell count in their logs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import pytest

from runtime import contract
from runtime.arrival import Arrival, IntakeResult
from runtime.contract import Outcome, Position
from runtime.facts import submitted
from runtime.inbound_sweep import Swept
from runtime.metric_names import cell_dimensions
from runtime.metrics import Metrics
from runtime.replication import Incident, ReplicationEvent, incidents
from runtime.switch import Switch
from tests.runtime.cells import NAMESPACE, Cell, owner
from tests.runtime.test_handlers import STATES, Functions, message
from tests.runtime.watching import embedded

DIMENSIONS = cell_dimensions(NAMESPACE, "1")


@pytest.fixture
def functions(west: Cell, monkeypatch: pytest.MonkeyPatch) -> Iterator[Functions]:
    with contextlib.closing(Functions(west, monkeypatch)) as made:
        yield made


def notification(event: str = "OperationFailedReplication", key: str = "inbound/sdk/a.csv") -> dict[str, Any]:
    """Return what S3 puts on the queue.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    return {
        "eventVersion": "2.2",
        "eventSource": "aws:s3",
        "awsRegion": "us-gov-west-1",
        "eventTime": "2026-01-02T03:04:05.678Z",
        "eventName": f"Replication:{event}",
        "userIdentity": {"principalId": "s3.amazonaws.com"},
        "requestParameters": {"sourceIPAddress": "s3.amazonaws.com"},
        "responseElements": {
            "x-amz-request-id": "123bf045-2b4b-4ca8-a211-c34a63c59426",
            "x-amz-id-2": "12VA",
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "replication",
            "bucket": {
                "name": "mft-c7k2m-west",
                "ownerIdentity": {"principalId": "A3NL1KOZZKExample"},
                "arn": "arn:aws-us-gov:s3:::mft-c7k2m-west",
            },
            "object": {
                "key": key,
                "size": 520080,
                "eTag": "e12345ca7e88a38428305d3ff7fcb99f",
                "versionId": "abcdeH0Xp66ep__QDjR76LK7Gc9X4wKO",
                "sequencer": "0066DA1CBF104C0D51",
            },
        },
        "replicationEventData": {
            "replicationRuleId": "to-peer",
            "destinationBucket": "arn:aws-us-gov:s3:::mft-c7k2m-east",
            "s3Operation": "OBJECT_PUT",
            "requestTime": "2026-01-02T03:04:00.123Z",
            "failureReason": "DstKmsKeyInvalidState",
        },
    }


def records(*notifications: dict[str, Any]) -> list[dict[str, Any]]:
    return [message({"Records": [each]}, str(number)) for number, each in enumerate(notifications)]


TEST_EVENT = {
    "Service": "Amazon S3",
    "Event": "s3:TestEvent",
    "Time": "2026-01-02T03:04:05.678Z",
    "Bucket": "mft-c7k2m-west",
    "RequestId": "5582815E1AEA5ADF",
    "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE",
}


# --- Replication ---------------------------------------------------------------------------------


def test_notifications_are_parsed():
    (incident,) = incidents({"Records": [notification(key="inbound/sdk/Gro%C3%9F+und+klein.csv")]})
    assert incident == Incident(
        event=ReplicationEvent.FAILED,
        bucket="mft-c7k2m-west",
        key="inbound/sdk/Groß und klein.csv",
        version_id="abcdeH0Xp66ep__QDjR76LK7Gc9X4wKO",
        to="mft-c7k2m-east",
        reason="DstKmsKeyInvalidState",
    )


def test_a_notification_that_is_not_about_replication_is_refused():
    stranger = {**notification(), "eventName": "ObjectCreated:Put"}
    with pytest.raises(ValueError, match="ObjectCreated:Put"):
        list(incidents({"Records": [stranger]}))


def test_the_function_counts_and_logs_each_event(
    functions: Functions, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
):
    names = [event.value for event in ReplicationEvent]
    answer = functions.call("replication", {"Records": records(*map(notification, [*names, names[0]]))})
    assert answer == {"batchItemFailures": []}
    lines = [vars(line) for line in caplog.records if line.message == "replication"]
    assert [line["event"] for line in lines] == [*names, names[0]]
    (failed,) = incidents({"Records": [notification()]})
    without_name = {name: value for name, value in asdict(failed).items() if name != "key"}
    file = contract.file_id("c7k2m", failed.key)
    assert {**without_name, "customer": "c7k2m", "file": file}.items() <= lines[0].items()
    assert sorted(embedded(capsys)) == sorted(
        (name, 1, "Count", DIMENSIONS)
        for name in (
            "ReplicationFailed",
            "ReplicationFailed",
            "ReplicationMissed",
            "ReplicationLate",
            "ReplicationUntracked",
        )
    )


def test_one_bad_notification_does_not_hold_back_the_others(functions: Functions, capsys):
    bad, worse = message({"Records": [{**notification(), "eventName": "x"}]}, "bad"), message({}, "worse")
    batch = [bad, *records(notification()), worse, message(TEST_EVENT, "trial")]
    answer = functions.call("replication", {"Records": batch})
    assert [each["itemIdentifier"] for each in answer["batchItemFailures"]] == ["bad", "worse"]
    assert embedded(capsys) == [("ReplicationFailed", 1, "Count", DIMENSIONS)]


# --- Transfers -----------------------------------------------------------------------------------


def test_intake_counts_refused_and_missing_files(west: Cell, functions: Functions, capsys):
    unrouted, gone = west.upload(b"abc", "inbound/other/a.csv"), west.upload(b"abc")
    gone["detail"]["object"]["version-id"] = "of-a-version-that-never-was"
    failed = west.event(
        "aws.transfer",
        "SFTP Server File Upload Failed",
        {"file-path": f"/{west.bucket}/inbound/sftp/u/a.csv", "failure-code": "PARTIAL_UPLOAD"},
    )
    events = [west.upload(b"abc", "inbound/sdk/good.csv"), unrouted, gone, failed]
    batch = [message(event, str(number)) for number, event in enumerate(events)]
    assert functions.call("ingest", {"Records": batch}) == {"batchItemFailures": []}
    assert embedded(capsys) == [("Rejected", 1, "Count", DIMENSIONS), ("ObjectGone", 1, "Count", DIMENSIONS)]


def test_completion_counts_failures(west: Cell, functions: Functions, capsys):
    transfer = west.receive(b"abc")
    functions.step("claim", STATES["Claim"], owner(transfer), transfer=transfer.document())
    failure = {"destination": "partner", "failure": {"Error": "PermanentDeliveryError", "Cause": "no"}}
    given = {"transfer": transfer.document(), "results": [failure]}
    assert functions.step("complete", STATES["Complete"], owner(transfer), **given) == {"outcome": "failed"}
    assert embedded(capsys) == [("Failed", 1, "Count", DIMENSIONS)]


def test_completion_says_how_long_a_delivery_took(west: Cell, capsys):
    transfer = west.receive(b"abc")
    later = submitted(transfer.id) + timedelta(seconds=90)
    metrics = Metrics(dimensions=DIMENSIONS, now=lambda: later)
    for outcome in (Outcome.DELIVERED, Outcome.HELD, Outcome.DUPLICATE):
        metrics.completed(transfer, outcome)
    assert embedded(capsys) == [
        ("DeliverySeconds", 90, "Seconds", DIMENSIONS),
        ("Held", 1, "Count", DIMENSIONS),
    ]


def test_the_sweep_says_in_seconds_how_old_its_oldest_pass_is(capsys):
    Metrics(dimensions=DIMENSIONS).swept(Swept(taken=["a", "b"], age=timedelta(hours=2)))
    assert embedded(capsys) == [
        ("UnknownToTracker", 2, "Count", DIMENSIONS),
        ("UploadsUnproven", 0, "Count", DIMENSIONS),
        ("SweepAge", 7200, "Seconds", DIMENSIONS),
    ]


@pytest.mark.parametrize("outcome", [Outcome.DELIVERED, Outcome.FAILED, Outcome.HELD])
@pytest.mark.parametrize("uncounted", [{"customer": contract.canary("1")}, {"asks": True}])
def test_no_canary_is_counted_and_no_file_twice(west: Cell, capsys, outcome, uncounted):
    transfer = replace(west.receive(b"abc"), **uncounted)
    Metrics(dimensions=DIMENSIONS).completed(transfer, outcome)
    assert embedded(capsys) == []


def test_an_upload_that_left_nothing_is_not_gone(capsys):
    arrived = Arrival(bucket="b", key="k", failure="PARTIAL_UPLOAD")
    Metrics(dimensions=DIMENSIONS).taken_in(arrived, IntakeResult.GONE)
    assert embedded(capsys) == []


@pytest.mark.parametrize(("position", "value"), [(Position.OUT, 1), (Position.IN, 0)])
def test_the_peers_position_is_published_every_minute(
    west: Cell, functions: Functions, capsys, position, value
):
    Switch(
        namespace=NAMESPACE,
        cell="1",
        side=contract.peer_of(west.side),
        parameters=west.client("ssm"),
        metrics=west.client("cloudwatch"),
    ).move(position)
    assert functions.call("switch", {}) == {"position": position, "forced": False}
    assert embedded(capsys) == [("PeerOut", value, "Count", DIMENSIONS)]
