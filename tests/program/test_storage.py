"""The buckets of both stacks: replication, its events, and the lock of the audit trail."""

from __future__ import annotations

import json
import re

import pytest

from customers.registry import load
from local import program
from local.program import Graph
from runtime.contract import EAST, SIDE_OF, WEST
from tests.program.conftest import STACKS, record

_REPLICATION = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
_NOTIFICATION = "aws:s3/bucketNotification:BucketNotification"


@pytest.fixture(params=STACKS)
def graph(request: pytest.FixtureRequest, graphs: dict[str, Graph]) -> Graph:
    return graphs[request.param]


def test_replication_goes_to_the_peers_bucket_under_the_peers_key(graph: Graph) -> None:
    (provider,) = graph.of("pulumi:providers:aws")
    here = SIDE_OF[provider.inputs["region"]]
    there, region = (EAST, "us-gov-east-1") if here == WEST else (WEST, "us-gov-west-1")
    rules = {each.inputs["bucket"]: each.inputs["rules"] for each in graph.of(_REPLICATION)}
    registry = load(program.ROOT / "customers")
    active = {f"example-mft-{each.id}-{here}" for each in registry.customers if each.lifecycle == "active"}
    assert set(rules) == active | {f"example-mft-cell1-archive-{here}"}
    for bucket, (rule,) in rules.items():
        to = rule["destination"]
        assert to["bucket"] == "arn:aws-us-gov:s3:::" + bucket.removesuffix(here) + there
        assert to["encryptionConfiguration"]["replicaKmsKeyId"].split(":")[3] == region
        assert rule["status"] == to["replicationTime"]["status"] == to["metrics"]["status"] == "Enabled"
        assert to["replicationTime"]["time"]["minutes"] == to["metrics"]["eventThreshold"]["minutes"] == 15
        assert rule["deleteMarkerReplication"]["status"] == "Disabled"
        assert rule["sourceSelectionCriteria"]["replicaModifications"]["status"] == "Disabled"
        assert rule["sourceSelectionCriteria"]["sseKmsEncryptedObjects"]["status"] == "Enabled"


def test_without_a_peer_nothing_refers_to_its_buckets() -> None:
    """S3 refuses replication to a bucket that does not exist. Policies name all of them by one pattern."""
    graph = record("gov-west", config={"mft:peer": "absent"})
    assert not graph.of(_REPLICATION)
    assert not [each.name for each in graph.of(_NOTIFICATION) if each.inputs.get("queues")]
    theirs = re.compile(r"\bexample-mft-[a-z0-9-]+-east\b")
    assert not [each.name for each in graph.resources if theirs.search(json.dumps(each.inputs, default=str))]


def test_every_replicated_bucket_reports_what_misses_the_fifteen_minutes(graph: Graph) -> None:
    queue = graph.one("aws:sqs/queue:Queue", "cell1-replication-queue").outputs["arn"]
    reporting = {
        each.inputs["bucket"]: set(reports["events"])
        for each in graph.of(_NOTIFICATION)
        for reports in each.inputs.get("queues", ())
        if reports["queueArn"] == queue
    }
    assert reporting.keys() == {each.inputs["bucket"] for each in graph.of(_REPLICATION)}
    wanted = {"OperationFailedReplication", "OperationMissedThreshold", "OperationReplicatedAfterThreshold"}
    assert all(wanted <= {event.rpartition(":")[2] for event in events} for events in reporting.values())


def test_only_our_buckets_can_report(graph: Graph) -> None:
    policies = {each.inputs["queueUrl"]: each for each in graph.of("aws:sqs/queuePolicy:QueuePolicy")}
    url = graph.one("aws:sqs/queue:Queue", "cell1-replication-queue").outputs["url"]
    (statement,) = json.loads(policies[url].inputs["policy"])["Statement"]
    assert statement["Principal"] == {"Service": "s3.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}
    assert statement["Condition"]["ArnLike"] == {"aws:SourceArn": "arn:aws-us-gov:s3:::example-mft-*"}


def test_nobody_can_remove_an_audit_record_for_its_time(graph: Graph) -> None:
    audit = graph.one("aws:s3/bucket:Bucket", "cell1-storage-audit")
    assert audit.inputs["objectLockEnabled"]
    assert audit.protect
    (lock,) = graph.of("aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration")
    assert lock.inputs["bucket"] == audit.inputs["bucket"]
    assert lock.inputs["rule"]["defaultRetention"] == {"mode": "COMPLIANCE", "days": 913}
    lifecycle = graph.one(
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", "cell1-storage-audit"
    )
    (expiry, _) = lifecycle.inputs["rules"]
    assert expiry["expiration"]["days"] > 913, "S3 would mark for deletion what it must keep"


def test_a_trial_keeps_its_audit_records_for_the_days_of_its_settings() -> None:
    graph = record("gov-west", config={"mft:auditDays": "1"})
    (lock,) = graph.of("aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration")
    assert lock.inputs["rule"]["defaultRetention"] == {"mode": "COMPLIANCE", "days": 1}


def test_the_archive_of_a_customer_who_left_goes_too(graph: Graph) -> None:
    lifecycle = graph.one(
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", "cell1-storage-archive"
    )
    whole = [each for each in lifecycle.inputs["rules"] if each["filter"] == {"prefix": ""}]
    longest = max(each["expiration"]["days"] for each in lifecycle.inputs["rules"] if "expiration" in each)
    assert [each["expiration"]["days"] for each in whole if "expiration" in each] == [longest]


def test_what_the_program_deletes_goes_with_its_objects_and_what_it_keeps_does_not(graph: Graph) -> None:
    """S3 refuses to delete a bucket with objects, so the stack or its switch could not be taken down."""
    for each in graph.of("aws:s3/bucket:Bucket"):
        is_ours_alone = bool(re.search(r"-(canary[0-9]+|cell[0-9]+-(config|switch))-", each.inputs["bucket"]))
        assert each.inputs.get("forceDestroy", False) is is_ours_alone, each.name
        assert each.protect is not is_ours_alone
