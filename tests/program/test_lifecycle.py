"""The resources of a customer in each stage of the lifecycle, and the steps of a stack."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local.program import Graph, Resource
from tests.program.conftest import record, with_lifecycle

IDS = ("c7k2m", "h4t9q")  # one sends by SFTP, the other by SDK
SATELLITES = {
    "s3/bucket",
    "s3/bucketVersioning",
    "s3/bucketServerSideEncryptionConfiguration",
    "s3/bucketPublicAccessBlock",
    "s3/bucketPolicy",
    "s3/bucketLifecycleConfiguration",
}
TOPIC = {"sns/topic", "sns/topicPolicy", "sns/topicSubscription"}
SENDERS = {"transfer/user", "transfer/sshKey"}
ROUTING = {"s3/bucketObjectv2", "s3/bucketNotification", "s3/bucketReplicationConfig"}
NAMES = {"route53/record", "route53/healthCheck"}

#: The types of resources of each stage.
HAS = {
    "onboarding": SATELLITES | TOPIC | SENDERS,
    "active": SATELLITES | TOPIC | SENDERS | ROUTING | NAMES,
    "closing": SATELLITES | TOPIC | SENDERS | ROUTING | NAMES,
    "draining": SATELLITES | TOPIC | ROUTING,
    "retired": SATELLITES,
}


def tenants(graph: Graph) -> list[Resource]:
    """Return the resources of both customers."""
    return [each for id in IDS for each in graph.below(graph.one("mft:tenant:Tenant", id))]


def registry(stage: str, folder: Path) -> Path:
    for id in IDS:
        with_lifecycle(stage, id=id, to=folder)
    return folder


@pytest.fixture(scope="module", params=HAS)
def stage(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def graph(stage: str, tmp_path_factory: pytest.TempPathFactory) -> Graph:
    return record("gov-west", root=registry(stage, tmp_path_factory.mktemp(stage)))


def test_each_stage_has_exactly_what_it_should(stage: str, graph: Graph) -> None:
    found = {each.type.removeprefix("aws:").partition(":")[0] for each in tenants(graph)}
    assert found == HAS[stage]


def test_data_is_protected_until_it_is_retired_and_then_outlives_us(stage: str, graph: Graph) -> None:
    retired = stage == "retired"
    buckets = [each for each in tenants(graph) if each.type == "aws:s3/bucket:Bucket"]
    assert [each.protect for each in buckets] == [not retired] * len(IDS)
    assert {each.retain_on_delete for each in tenants(graph)} == {retired}, (
        "a bucket that stays keeps its policy, its encryption and its expiry"
    )


def test_each_stage_releases_what_the_next_one_takes(stage: str, graph: Graph) -> None:
    def protected(type: str) -> set[bool]:
        return {each.protect for each in tenants(graph) if each.type == type}

    in_service = stage in ("active", "closing")
    is_routed = in_service or stage == "draining"
    assert protected("aws:s3/bucketObjectv2:BucketObjectv2") == ({in_service} if is_routed else set())
    for type in ("aws:route53/record:Record", "aws:route53/healthCheck:HealthCheck"):
        assert protected(type) == ({stage == "active"} if in_service else set())


def test_nobody_uploads_to_a_customer_that_takes_no_files(stage: str, graph: Graph) -> None:
    policies = [each for each in tenants(graph) if each.type == "aws:s3/bucketPolicy:BucketPolicy"]
    statements = [s for each in policies for s in json.loads(each.inputs["policy"])["Statement"]]
    allowed = [each for each in statements if each["Effect"] == "Allow"]
    assert bool(allowed) is (stage in ("onboarding", "active", "closing"))


def test_uploads_are_refused_whoever_sends_while_nothing_would_process_them(stage: str, graph: Graph) -> None:
    """SFTP users and SDK roles alike; replicas, which the other region's stack may send already, are not."""
    policies = [each for each in tenants(graph) if each.type == "aws:s3/bucketPolicy:BucketPolicy"]
    assert len(policies) == len(IDS)
    for each in policies:
        refused = [
            (s["Principal"], s["Action"], s["Resource"])
            for s in json.loads(each.inputs["policy"])["Statement"]
            if s["Effect"] == "Deny" and "Condition" not in s
        ]
        everything = f"arn:aws-us-gov:s3:::{each.inputs['bucket']}/*"
        everybody = ({"AWS": "*"}, ["s3:PutObject"], [everything])
        assert refused == ([everybody] if stage == "onboarding" else [])


def test_nothing_may_be_uploaded_before_its_event_would_be_seen(stage: str, graph: Graph) -> None:
    notifications = {
        each.name: each
        for each in tenants(graph)
        if each.type == "aws:s3/bucketNotification:BucketNotification"
    }
    assert bool(notifications) is (stage in ("active", "closing", "draining"))
    targets = {
        each.urn
        for each in graph.of("aws:cloudwatch/eventTarget:EventTarget")
        if each.name.startswith("cell1-intake-")
    }
    assert len(targets) == 4
    for name, each in notifications.items():
        assert set(each.depends_on) >= targets
        policy = graph.one("aws:s3/bucketPolicy:BucketPolicy", name)
        assert each.urn in policy.depends_on


def test_a_retired_customer_can_go(tmp_path: Path) -> None:
    """The last step: the file is removed, and no resource that it leaves in the state is protected."""
    before = record("gov-west", root=registry("retired", tmp_path))
    for path in (tmp_path / "customers").glob("*.yaml"):
        if "lifecycle: retired" in path.read_text():
            path.unlink()
    after = {each.urn for each in record("gov-west", root=tmp_path).resources}
    gone = [each for each in before.resources if each.urn not in after]
    assert {each.name for each in gone if each.type == "mft:tenant:Tenant"} == set(IDS)
    assert [each.urn for each in gone if each.protect] == []
    assert all(each.retain_on_delete for each in gone if each.custom)


def test_a_first_deployment_is_three_runs(graphs: dict[str, Graph]) -> None:
    """West without a peer, East, West again: the third only adds what needs the peer's buckets."""
    first = record("gov-west", config={"mft:peer": "absent"})
    second, third = graphs["gov-east"], graphs["gov-west"]
    assert {each.urn for each in first.resources} < {each.urn for each in third.resources}
    added = {each.type for each in third.resources} - {each.type for each in first.resources}
    assert added == {"aws:s3/bucketReplicationConfig:BucketReplicationConfig"}
    for graph, made_by in ((second, first), (third, second)):
        buckets = {each.inputs["bucket"] for each in made_by.of("aws:s3/bucket:Bucket")}
        for each in graph.of("aws:s3/bucketReplicationConfig:BucketReplicationConfig"):
            (rule,) = each.inputs["rules"]
            assert rule["destination"]["bucket"].rpartition(":")[2] in buckets, "S3 refuses it otherwise"
    (replica,) = second.of("aws:dynamodb/tableReplica:TableReplica")
    (table,) = first.of("aws:dynamodb/table:Table")
    assert replica.inputs["globalTableArn"] == table.outputs["arn"], "a replica joins a table that is there"
