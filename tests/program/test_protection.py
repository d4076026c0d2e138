"""What protects data is protected with it: no deletion leaves a bucket, queue or key without its guards."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.program import Graph, Resource
from tests.program.conftest import STACKS, record, recorded, with_lifecycle

#: Types whose removal weakens another resource, and the input that names that resource.
GUARDS = {
    "aws:s3/bucketVersioning:BucketVersioning": "bucket",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": "bucket",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": "bucket",
    "aws:s3/bucketPolicy:BucketPolicy": "bucket",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": "bucket",
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": "bucket",
    "aws:s3/bucketNotification:BucketNotification": "bucket",
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": "bucket",
    "aws:sqs/queuePolicy:QueuePolicy": "queueUrl",
    "aws:cloudwatch/eventTarget:EventTarget": "arn",
    "aws:kms/alias:Alias": "targetKeyId",
}

#: The other types of S3 whose names begin so: their removal weakens nothing else.
OTHERS = {
    "aws:s3/bucket:Bucket",
    "aws:s3/bucketObjectv2:BucketObjectv2",  # written again from the registry
}

#: The customers of the sample registry that are in service.
ACTIVE = ("c7k2m", "h4t9q", "x8p3v")

#: Types of protected resources that hold data or facts.
HOLDERS = {"aws:s3/bucket:Bucket", "aws:sqs/queue:Queue", "aws:kms/key:Key", "aws:dynamodb/table:Table"}


def exposed(graph: Graph) -> list[str]:
    """Return the guards of protected resources that a deletion would take although they are not protected."""
    by_urn = {each.urn: each for each in graph.resources}

    def guarded(guard: Resource) -> list[Resource]:
        return [by_urn[urn] for urn in guard.property_dependencies.get(GUARDS[guard.type], ())]

    return [
        guard.urn
        for guard in graph.resources
        if guard.type in GUARDS
        and not guard.protect
        and any(each.protect and each.type in HOLDERS for each in guarded(guard))
    ]


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("peer", ["absent", "present"])
@pytest.mark.parametrize("switch", ["alarm", "endpoint"])
def test_no_guard_of_protected_data_can_go_alone(stack: str, peer: str, switch: str) -> None:
    graph = recorded(stack, peer=peer, switch=switch)
    assert exposed(graph) == []
    known = GUARDS.keys() | OTHERS
    unknown = {each.type for each in graph.resources if each.type.startswith("aws:s3/bucket")} - known
    assert not unknown, "decide whether its removal weakens a bucket"
    for type, name in GUARDS.items():
        for each in graph.of(type):
            assert each.property_dependencies.get(name), f"{type} does not name what it guards by {name}"


def test_a_draining_customer_gives_up_only_what_retirement_takes(tmp_path: Path) -> None:
    """Pulumi refuses to delete what the state protects, so a stage must release what the next one takes."""
    graphs = []
    for stage in ("active", "closing", "draining", "retired"):
        folder = tmp_path / stage
        folder.mkdir()
        graphs.append(record("gov-west", root=with_lifecycle(stage, id="c7k2m", to=folder)))
    active, closing, draining, retired = graphs
    assert stranded(active, closing) == stranded(closing, draining) == stranded(draining, retired) == []
    assert exposed(active) == exposed(closing) == []
    assert types(exposed(draining)) == {
        "aws:s3/bucketNotification:BucketNotification",
        "aws:s3/bucketReplicationConfig:BucketReplicationConfig",
    }
    assert types(stranded(active, draining)) == {
        "aws:route53/record:Record",
        "aws:route53/healthCheck:HealthCheck",
    }, "a skipped stage is refused by Pulumi"
    assert types(stranded(closing, retired)) == {
        *("aws:sns/topic:Topic", "aws:s3/bucketObjectv2:BucketObjectv2"),
        *(
            "aws:s3/bucketNotification:BucketNotification",
            "aws:s3/bucketReplicationConfig:BucketReplicationConfig",
        ),
    }


def stranded(before: Graph, after: Graph) -> list[str]:
    """Return what Pulumi would refuse to delete on the way from one graph to the other."""
    left = {each.urn for each in after.resources}
    return [each.urn for each in before.resources if each.protect and each.urn not in left]


def types(urns: list[str]) -> set[str]:
    return {urn.split("::")[2].rpartition("$")[2] for urn in urns}


@pytest.mark.parametrize("stack", STACKS)
def test_a_customer_in_service_keeps_its_names_routing_and_receipts(stack: str) -> None:
    """The file of an active customer vanishes, and the preview that would refuse it is skipped."""
    graph = recorded(stack, peer="present", switch="alarm")
    by_urn = {each.urn: each for each in graph.resources}
    records = [each for each in graph.of("aws:route53/record:Record") if "healthCheckId" in each.inputs]
    assert len(records) == 6 * len(ACTIVE)
    checks = [by_urn[urn] for each in records for urn in each.property_dependencies["healthCheckId"]]
    assert [each.urn for each in (*records, *checks) if not each.protect] == []
    for id in ACTIVE:
        assert graph.one("aws:sns/topic:Topic", f"{id}-receipts").protect
        assert graph.one("aws:s3/bucketObjectv2:BucketObjectv2", f"{id}-routing").protect


def test_the_ways_to_the_data_are_protected(west: Graph) -> None:
    server = west.one("aws:transfer/server:Server", "cell1-endpoint-server")
    assert server.protect
    assert west.one("aws:route53/record:Record", "cell1-endpoint-host").protect
