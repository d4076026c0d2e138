"""Recorded graphs in which every id, ARN and generated name has the form that AWS gives it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from local import program
from local.program import Graph, Resource
from tests.program.conftest import STACKS, record, spelled
from tests.program.graph_store import recorded_once

#: What the providers generate where the program gives no name: Pulumi a hyphen and 7 hexadecimal digits,
#: https://www.pulumi.com/docs/iac/concepts/resources/names/#autonaming;
#: Terraform's AWS provider 26 digits after a prefix (`id.UniqueIDSuffixLength` of its plugin SDK).
PULUMI_SUFFIX, TERRAFORM_SUFFIX = 7, 26

#: The property of each type that Pulumi fills with a generated name.
GENERATED = {
    "aws:cloudwatch/eventRule:EventRule": "name",
    "aws:cloudwatch/eventTarget:EventTarget": "targetId",
    "aws:cloudwatch/logGroup:LogGroup": "name",
    "aws:cloudwatch/metricAlarm:MetricAlarm": "name",
    "aws:ec2/securityGroup:SecurityGroup": "name",
    "aws:iam/role:Role": "name",
    "aws:iam/rolePolicy:RolePolicy": "name",
    "aws:lambda/function:Function": "name",
    "aws:lambda/permission:Permission": "statementId",
    "aws:sfn/stateMachine:StateMachine": "name",
    "aws:sns/topic:Topic": "name",
    "aws:sqs/queue:Queue": "name",
}

#: The prefix of the ids of a type; 17 hexadecimal digits follow.
_IDS = {
    "aws:ec2/eip:Eip": "eipalloc-",
    "aws:ec2/flowLog:FlowLog": "fl-",
    "aws:ec2/internetGateway:InternetGateway": "igw-",
    "aws:ec2/natGateway:NatGateway": "nat-",
    "aws:ec2/routeTable:RouteTable": "rtb-",
    "aws:ec2/securityGroup:SecurityGroup": "sg-",
    "aws:ec2/subnet:Subnet": "subnet-",
    "aws:ec2/vpc:Vpc": "vpc-",
    "aws:ec2/vpcEndpoint:VpcEndpoint": "vpce-",
    "aws:transfer/server:Server": "s-",
}

#: The eight graphs of the sample registry: stack, `mft:peer`, `mft:switch`.
CONFIGURATIONS = [
    (stack, peer, switch)
    for stack in STACKS
    for peer in ("present", "absent")
    for switch in ("endpoint", "alarm")
]

#: Four of them, in which each stack has both values of either setting.
HALF = [each for each in CONFIGURATIONS if each[1:] in (("present", "alarm"), ("absent", "endpoint"))]


@cache
def recorded(stack: str, peer: str, switch: str) -> Graph:
    """Return the graph of the sample registry under one configuration; change nothing in it."""
    config = {"mft:peer": peer, "mft:switch": switch}
    return recorded_once(
        ("as AWS", stack, peer, switch),
        lambda: with_names(record(stack, config=config, make=as_aws(stack))),
    )


def distinct(graphs: list[Graph]) -> list[Resource]:
    """Return the AWS resources of some graphs, one of those with equal inputs in one region."""
    found: dict[tuple[str, str, str], Resource] = {}
    for graph in graphs:
        for each in graph.resources:
            if each.custom and each.type.startswith("aws:"):
                inputs = json.dumps(each.inputs, sort_keys=True, default=repr)
                found.setdefault((each.type, each.inputs.get("region", region(graph)), inputs), each)
    return list(found.values())


def region(graph: Graph) -> str:
    """Return the region that a graph's stack stands in."""
    return program.stack_config(graph.stack)["mft:region"]


def generated_name(resource: Resource) -> str:
    """Return a name as the providers generate it for a resource that the program gives none."""
    if prefix := resource.inputs.get("namePrefix"):
        return str(prefix) + _digest(resource.urn, TERRAFORM_SUFFIX)
    return f"{resource.name}-{_digest(resource.urn, PULUMI_SUFFIX)}"


def as_aws(stack: str) -> program.Make:
    """Return an echo whose ids, ARNs and names have the form that AWS gives them in the stack's region."""
    make_spelled = spelled(stack)
    config = program.stack_config(stack)

    def make(resource: Resource) -> tuple[str, Mapping[str, Any]]:
        named = resource
        if GENERATED.get(resource.type) == "name" and "name" not in resource.inputs:
            named = replace(resource, inputs={**resource.inputs, "name": generated_name(resource)})
        if resource.type == "aws:kms/key:Key":
            named = replace(resource, inputs={**resource.inputs, "name": _uuid(resource.urn)})
        id, outputs = make_spelled(named)
        number = _digest(resource.urn, 17)
        if resource.type in _IDS:
            id = _IDS[resource.type] + number
        elif resource.type == "aws:route53/healthCheck:HealthCheck":
            id = _uuid(resource.urn)
        queue = (
            f"https://sqs.{config['mft:region']}.amazonaws.com/{config['mft:accountId']}/{outputs['name']}"
        )
        ids = {"allocationId": f"eipalloc-{number}", "prefixListId": f"pl-{number}", "url": queue}
        return queue if "sqs" in resource.type else id, {**outputs, **ids, "name": outputs["name"]}

    return make


def with_names(graph: Graph) -> Graph:
    """Return a graph whose resources have the names, too, that the providers generate."""
    resources = []
    for each in graph.resources:
        name = GENERATED.get(each.type)
        if name and name not in each.inputs:
            inputs = {key: value for key, value in each.inputs.items() if key != "namePrefix"}
            each = replace(each, inputs={**inputs, name: generated_name(each)})
        resources.append(each)
    return replace(graph, resources=tuple(resources))


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def _uuid(text: str) -> str:
    digits = _digest(text, 32)
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
