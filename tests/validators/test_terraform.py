"""Terraform's AWS provider, on which Pulumi's is built, takes every resource; planted faults are found.

The rendering as a Terraform configuration is tested everywhere, the provider where it is installed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local.aws.emulator import Emulator
from local.program import Graph
from runtime.contract import EAST, REGION_OF, WEST
from tests.validators import terraform, terraform_provider
from tests.validators.planting import planted
from tests.validators.recordings import CONFIGURATIONS, recorded, region
from tests.validators.terraform import arguments, configuration, label, type_of
from tests.validators.translation import UnmappedError

installed = pytest.mark.skipif(bool(terraform_provider.MISSING), reason="; ".join(terraform_provider.MISSING))
REGIONS = (REGION_OF[EAST], REGION_OF[WEST])
SCHEMAS = json.loads(terraform.RECORDED.read_text())["types"]


def rendered(graph: Graph) -> dict[str, Any]:
    here = region(graph)
    (peer,) = {*REGIONS} - {here}
    return configuration(graph, here, peer)


@pytest.mark.parametrize(
    ("token", "name"),
    [
        ("aws:ec2/vpc:Vpc", "aws_vpc"),
        ("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", "aws_vpc_security_group_egress_rule"),
        ("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "aws_s3_bucket_public_access_block"),
        ("aws:s3/bucketObjectv2:BucketObjectv2", "aws_s3_object"),
    ],
)
def test_a_type_has_terraforms_name(token: str, name: str) -> None:
    assert type_of(token) == name


def test_blocks_are_lists_maps_keep_their_keys_and_an_archive_is_its_path(sample: Graph) -> None:
    whole = rendered(sample)["resource"]
    (rule,) = whole["aws_s3_bucket_server_side_encryption_configuration"]["r_cell1-storage-archive"]["rule"]
    assert rule["bucket_key_enabled"] is True
    assert rule["apply_server_side_encryption_by_default"]["sse_algorithm"] == "aws:kms"
    rules = whole["aws_s3_bucket_lifecycle_configuration"]["r_c7k2m-inbound"]["rule"]
    assert rules[0]["filter"] == [{"prefix": "inbound/"}]
    assert rules[0]["noncurrent_version_expiration"] == [{"noncurrent_days": 30}]
    function = whole["aws_lambda_function"]["r_cell1-workflow-claim"]
    assert function["environment"]["variables"]["MFT_CELL"] == "1"
    assert function["memory_size"] == 512
    assert Path(function["filename"]).name.endswith(".zip")
    (index,) = whole["aws_dynamodb_table"]["r_cell1-tracker-table"]["global_secondary_index"]
    assert (index["hash_key"], index["range_key"]) == ("customer_day", "fact")


def test_the_value_of_an_attribute_has_all_of_its_members(sample: Graph) -> None:
    group = sample.one("aws:ec2/securityGroup:SecurityGroup", "cell1-firewall-endpoint")
    ingress = arguments(group, SCHEMAS)["ingress"][0]
    assert (ingress["from_port"], ingress["protocol"]) == (22, "tcp")
    assert {name for name, value in ingress.items() if value is None} == {
        *("ipv6_cidr_blocks", "prefix_list_ids", "security_groups", "self"),
    }


def test_no_text_is_a_template_and_no_reference_is_left(sample: Graph) -> None:
    whole = rendered(sample)
    assert "${" not in json.dumps(whole).replace("$${", "")
    vpc = sample.one("aws:ec2/vpc:Vpc", "cell1-network-vpc")
    assert all(each["vpc_id"] == vpc.id for each in whole["resource"]["aws_security_group"].values())
    literal = replace(vpc, inputs={**vpc.inputs, "cidrBlock": "${var.a} %{if}"})
    (found,) = rendered(replace(sample, resources=(literal,)))["resource"]["aws_vpc"].values()
    assert found["cidr_block"] == "$${var.a} %%{if}"


def test_what_stands_in_the_peer_region_has_the_peers_provider(sample: Graph) -> None:
    one = sample.of("aws:cloudwatch/metricAlarm:MetricAlarm")[0]
    there, here = (replace(one, name=each, inputs={**one.inputs, "region": each}) for each in REGIONS)
    whole = rendered(replace(sample, resources=(one, here, there)))
    alarms = whole["resource"]["aws_cloudwatch_metric_alarm"]
    assert {name for name, each in alarms.items() if each.get("provider") == "aws.peer"} == {
        "r_us-gov-east-1"
    }
    first, second = whole["provider"]["aws"]
    assert (first["region"], second["alias"], second["region"]) == ("us-gov-west-1", "peer", "us-gov-east-1")


def test_an_input_that_the_provider_does_not_have_is_found(sample: Graph) -> None:
    queue = sample.of("aws:sqs/queue:Queue")[0]
    with pytest.raises(UnmappedError, match=r"^visibilityTimeout$"):
        arguments(replace(queue, inputs={"visibilityTimeout": 30}), SCHEMAS)


@pytest.fixture(scope="module")
def aws() -> Iterator[Emulator]:
    """What the provider asks while it plans: whether a state machine's definition is valid."""
    with Emulator() as emulator:
        yield emulator


@installed
@pytest.mark.parametrize(
    ("stack", "peer", "switch"),
    [
        pytest.param(*each, marks=() if each[1:] == ("present", "endpoint") else pytest.mark.exhaustive)
        for each in CONFIGURATIONS
    ],
)
def test_the_provider_plans_every_resource(
    aws: Emulator, tmp_path: Path, stack: str, peer: str, switch: str
) -> None:
    whole = rendered(recorded(stack, peer, switch))
    assert terraform_provider.complaints(whole, tmp_path, aws.endpoint) == []


@installed
@pytest.mark.parametrize(
    ("type", "inputs", "said"),
    [
        (
            "aws:cloudwatch/metricAlarm:MetricAlarm",
            {"comparisonOperator": "Above"},
            "expected comparison_operator to be one of",
        ),
        (
            "aws:lambda/function:Function",
            {"memorySize": 64},
            "expected memory_size to be in the range",
        ),
        (
            "aws:dynamodb/table:Table",
            {
                "attributes": [
                    {"name": each, "type": "S"} for each in ("file", "fact", "customer_day", "idle")
                ]
            },
            "all attributes must be indexed",
        ),
        (
            "aws:kms/key:Key",
            {"deletionWindowInDays": 3},
            "expected deletion_window_in_days to be in the range",
        ),
    ],
)
def test_a_planted_fault_is_found(
    sample: Graph, aws: Emulator, tmp_path: Path, type: str, inputs: dict[str, Any], said: str
) -> None:
    broken = planted(sample.resources, type, **inputs)
    whole = rendered(replace(sample, resources=(broken,)))
    (complaint,) = terraform_provider.complaints(whole, tmp_path, aws.endpoint)
    assert said in complaint
    assert f"{type_of(type)}.{label(broken)}" in complaint.replace('"', "").replace(" ", ".")
