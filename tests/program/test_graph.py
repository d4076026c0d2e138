"""What the program makes of the sample registry, per stack and across both."""

from __future__ import annotations

import gc
import json
from collections.abc import Mapping
from typing import Any

import pytest

from components.endpoint import SECURITY_POLICY
from customers.registry import load
from customers.route53 import Record, quoted, violations
from local import program
from local.preview.recording_aws import echo
from local.program import Graph, Resource
from runtime.contract import EAST, WEST
from tests.program.conftest import SECRETS, STACKS, policies, record

ZONE = "mft.example.gov"
DATA = (
    "aws:s3/bucket:Bucket",
    "aws:kms/key:Key",
    "aws:dynamodb/table:Table",
    "aws:dynamodb/tableReplica:TableReplica",
    "aws:sqs/queue:Queue",
    "aws:transfer/server:Server",
    "aws:ec2/eip:Eip",
)


@pytest.fixture(params=STACKS)
def graph(request: pytest.FixtureRequest, graphs: dict[str, Graph]) -> Graph:
    return graphs[request.param]


def test_every_aws_resource_has_the_explicit_provider(graph: Graph) -> None:
    strays = [each.urn for each in graph.resources if each.type.startswith("aws:") and not each.provider]
    assert not strays, "a resource without it would go wherever the shell points"
    (provider,) = graph.of("pulumi:providers:aws")
    assert json.loads(provider.inputs["allowedAccountIds"]) == ["123456789012"]


def test_data_is_protected_and_configuration_is_not_kept_by_accident(graph: Graph) -> None:
    unprotected = {each.name for kind in DATA for each in graph.of(kind) if not each.protect}
    assert unprotected == {
        "cell1-storage-config",  # the program writes it again from the registry
        "cell1-replication-queue",  # reports of events, which metrics have counted
        "cell1-replication-dead-letters",
        "cell1-invocations-dead-letters",  # the next run does the work of one that failed
        "cell1-canary-bucket",  # nobody's files
    }
    assert not [each.urn for each in graph.resources if each.retain_on_delete]


def test_every_bucket_is_private_versioned_encrypted_and_tls_only(graph: Graph) -> None:
    buckets = {each.inputs["bucket"] for each in graph.of("aws:s3/bucket:Bucket")}
    settings = {
        "aws:s3/bucketVersioning:BucketVersioning": lambda i: (
            i["versioningConfiguration"]["status"] == "Enabled"
        ),
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": lambda i: (
            i["rules"][0]["applyServerSideEncryptionByDefault"]["sseAlgorithm"] == "aws:kms"
            and i["rules"][0]["bucketKeyEnabled"]
        ),
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": lambda i: all(
            i[switch]
            for switch in (
                "blockPublicAcls",
                "blockPublicPolicy",
                "ignorePublicAcls",
                "restrictPublicBuckets",
            )
        ),
        "aws:s3/bucketPolicy:BucketPolicy": lambda i: _denies_plain_http(
            json.loads(i["policy"]), i["bucket"]
        ),
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": lambda i: any(
            "abortIncompleteMultipartUpload" in rule for rule in i["rules"]
        ),
    }
    for kind, good in settings.items():
        assert {each.inputs["bucket"] for each in graph.of(kind) if good(each.inputs)} == buckets, kind


def _denies_plain_http(policy: dict, bucket: str) -> bool:
    arn = f"arn:aws-us-gov:s3:::{bucket}"
    return any(
        statement["Effect"] == "Deny"
        and statement["Principal"] == {"AWS": "*"}
        and set(statement["Resource"]) == {arn, f"{arn}/*"}
        and statement["Action"] == ["s3:*"]
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        for statement in policy["Statement"]
    )


def test_the_two_stacks_halves_make_complete_failover_pairs(graphs: dict[str, Graph]) -> None:
    records = []
    for graph in graphs.values():
        for each in graph.of("aws:route53/record:Record"):
            policies_ = each.inputs.get("failoverRoutingPolicies", [])
            values = each.inputs["records"]
            records.append(
                Record(
                    name=each.inputs["name"],
                    type=each.inputs["type"],
                    ttl=int(each.inputs["ttl"]),
                    values=tuple(map(quoted, values) if each.inputs["type"] == "TXT" else values),
                    set_identifier=each.inputs.get("setIdentifier"),
                    failover=policies_[0]["type"] if policies_ else None,
                    health_check=each.inputs.get("healthCheckId"),
                )
            )
    active = [each for each in _registry() if each.lifecycle == "active"]
    assert len(records) == 2 * 6 * len(active) + 2, (
        "twelve halves for each active customer, a host for each cell"
    )
    assert violations(records, ZONE) == []


def test_a_stack_owns_only_halves_that_point_at_itself(graphs: dict[str, Graph]) -> None:
    for stack, side in (("gov-west", WEST), ("gov-east", EAST)):
        for each in graphs[stack].of("aws:route53/record:Record"):
            if each.inputs["type"] == "CNAME":
                assert each.inputs["records"] == [f"sftp.{side}1.{ZONE}"], each.name
            if each.inputs["type"] == "TXT":
                assert f"-{side};region=" in each.inputs["records"][0], each.name
            assert each.inputs.get("setIdentifier", side) == side


def test_a_customers_six_halves_can_never_disagree(graph: Graph) -> None:
    for tenant in graph.of("mft:tenant:Tenant"):
        halves = [each for each in graph.below(tenant) if each.type == "aws:route53/record:Record"]
        assert len(halves) in (0, 6)
        assert len({(each.inputs["healthCheckId"], each.inputs["ttl"]) for each in halves}) == (
            1 if halves else 0
        )
        assert all(each.ignore_changes == ("healthCheckId",) for each in halves), "ops shift re-points it"


def test_the_sftp_server_is_fips_and_its_keys_are_secret_and_the_same(graphs: dict[str, Graph]) -> None:
    keys = []
    for graph in graphs.values():
        (server,) = graph.of("aws:transfer/server:Server")
        assert server.inputs["securityPolicyName"] == SECURITY_POLICY
        assert "FIPS" in SECURITY_POLICY
        assert server.inputs["endpointType"] == "VPC", "GovCloud has no other"
        assert len(server.inputs["endpointDetails"]["addressAllocationIds"]) == 3
        (second,) = graph.of("aws:transfer/hostKey:HostKey")
        for resource, name in ((server, "hostKey"), (second, "hostKeyBody")):
            assert name in resource.secrets
            assert name in resource.secret_outputs, "the provider tells it again, for the state to keep"
        keys.append((server.inputs["hostKey"], second.inputs["hostKeyBody"]))
    assert keys == [(SECRETS["mft:hostKeyRsa"], SECRETS["mft:hostKeyEcdsa"])] * 2


def test_secrets_are_in_no_other_input(graph: Graph) -> None:
    for each in graph.resources:
        text = json.dumps({k: v for k, v in each.inputs.items() if k not in each.secrets}, default=str)
        assert not [key for key in SECRETS.values() if key.splitlines()[1] in text]


def test_an_sftp_user_sees_its_own_folder_of_its_own_bucket(graph: Graph) -> None:
    ids = {user.name: customer.id for customer in _registry() for user in customer.sftp.users}
    folders = {name: f"inbound/sftp/{name}" for name in (*ids, "canary1")}
    folders |= {"canary1-partner": "delivered/sftp"}
    ids |= {"canary1": "canary1", "canary1-partner": "canary1"}
    users = graph.of("aws:transfer/user:User")
    assert {each.inputs["userName"] for each in users} == set(ids)
    for each in users:
        name = each.inputs["userName"]
        (home,) = each.inputs["homeDirectoryMappings"]
        assert home["target"].split("/")[1].startswith(f"example-mft-{ids[name]}-")
        assert home["target"].endswith(f"/{folders[name]}")
        allowed = [
            r for s in json.loads(each.inputs["policy"])["Statement"] for r in s["Resource"] if ":s3:" in r
        ]
        bucket = f"arn:aws-us-gov:s3:::{home['target'].split('/')[1]}"
        assert set(allowed) == {bucket, f"{bucket}/{folders[name]}/*"}


def test_no_names_of_customers_leave_the_registry(graph: Graph) -> None:
    everything = json.dumps([(each.name, each.inputs) for each in graph.resources], default=str)
    for customer in _registry():
        assert customer.name not in everything


def test_the_collector_rests_while_the_program_runs() -> None:
    collecting = set()

    def make(resource: Resource) -> tuple[str, Mapping[str, Any]]:
        collecting.add(gc.isenabled())
        return echo(resource)

    record("gov-west", make=make)
    assert collecting == {False}, "two thirds of a run with many customers"
    assert gc.isenabled(), "this process goes on"


def test_each_function_has_a_role_of_its_own(graph: Graph) -> None:
    functions = graph.of("aws:lambda/function:Function")
    assert len({each.inputs["role"] for each in functions}) == len(functions) > 8


def test_no_policy_allows_every_action_or_holds_a_hole(graph: Graph) -> None:
    for where, document in policies(graph).items():
        assert None not in [*_leaves(document)], f"{where}: an unresolved output"
        for statement in document["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            if statement["Effect"] == "Allow":
                assert not [action for action in actions if action == "*" or action.endswith(":*")], where


def _leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in _leaves(inner)]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in _leaves(inner)]
    return [value]


def test_everything_is_in_the_govcloud_partition(graph: Graph) -> None:
    wrong = "arn:" + "aws:"
    for each in graph.resources:
        assert wrong not in json.dumps(each.inputs, default=str), each.urn


def test_a_customer_stays_within_its_budget_of_resources(graph: Graph) -> None:
    for tenant in graph.of("mft:tenant:Tenant"):
        customer = next(each for each in _registry() if each.id == tenant.name)
        further_users = sum(1 + len(user.public_keys) for user in customer.sftp.users[1:])
        further = further_users + max(0, len(customer.receipts) - 1) + len(customer.sdk.principals)
        assert 1 + len([*graph.below(tenant)]) <= 22 + further, tenant.name


def _registry() -> tuple:
    return load(program.ROOT / "customers").customers
