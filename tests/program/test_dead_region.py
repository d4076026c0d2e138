"""What a refresh of one stack asks of the other region, by what the AWS provider reads of each resource.

docs/deploy.md lists it: whoever deploys while a region is dead excludes these resources by their URNs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from components.settings import SwitchKind
from local import program
from local.program import Graph, Resource
from runtime.contract import REGION_OF, SIDE_OF, SIDES, peer_of
from tests.local.reads import READS
from tests.program.conftest import STACKS, recorded

#: IAM and Route 53 have one control plane for the partition, in us-gov-west-1.
#: https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/global-services.html
GLOBAL = {"iam": REGION_OF["west"], "route53": REGION_OF["west"]}

#: Types that name the other region in an input, though no call that reads them goes there, and why.
NAMED_ONLY = {
    "aws:cloudwatch/dashboard:Dashboard": "its text is read",
    "aws:iam/rolePolicy:RolePolicy": "its text is read",
    "aws:route53/healthCheck:HealthCheck": "Route 53 answers with the name of the alarm, or of the host",
    "aws:route53/record:Record": "its text is read",
    "aws:s3/bucketObjectv2:BucketObjectv2": "its text is read",
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": "the bucket that it belongs to is asked",
    "aws:sns/topicPolicy:TopicPolicy": "its text is read",
    "aws:sns/topicSubscription:TopicSubscription": "the topic that it belongs to is asked",
    "aws:ssm/parameter:Parameter": "it stands here, under a name that contains the other side",
}

_PLACES = [(stack, switch) for stack in STACKS for switch in SwitchKind]
_REGION = re.compile(r"^arn:[a-z-]+:[a-z0-9-]+:([a-z0-9-]+):")


def here(graph: Graph) -> str:
    """Return the region of a stack."""
    return str(program.stack_config(graph.stack)["mft:region"])


def asked(resource: Resource, graph: Graph, peer: Graph) -> set[str]:
    """Return the regions that the provider asks when it reads a resource."""
    match resource.type:
        case "aws:dynamodb/tableReplica:TableReplica":
            # resourceTableReplicaRead asks the region of the table that it is a replica of.
            return {here(graph), _region_of(resource.inputs["globalTableArn"])}
        case "aws:dynamodb/table:Table":
            # addReplicaPITRs asks the region of each replica. The other stack makes it.
            return {here(graph), *(here(peer) for _ in peer.of("aws:dynamodb/tableReplica:TableReplica"))}
    usual = resource.inputs.get("region") or here(graph)
    found = {GLOBAL.get(read.service, usual) for read in READS.get(resource.type, ())} or {usual}
    return found | {_region_of(value) for value in _identified_by(resource)} - {""}


def _identified_by(resource: Resource) -> Iterator[str]:
    """Yield the ARNs of which the requests that read a resource consist."""
    known: Mapping[str, Any] = {**resource.outputs, **resource.inputs, "id": resource.id}
    for read in READS.get(resource.type, ()):
        for name in re.findall(r"@(\w+)", json.dumps(read.request)):
            if isinstance(value := known.get(name), str):
                yield value


def _region_of(arn: str) -> str:
    found = _REGION.match(arn)
    return found[1] if found else ""


def needing_the_other(stack: str, switch: SwitchKind) -> set[str]:
    """Return the URNs of the resources of a stack that cannot be read while the other region is dead.

    Those of services with one control plane are left out: they are a matter of that control plane.
    """
    graph = recorded(stack, peer="present", switch=switch)
    other = next(each for each in STACKS if each != stack)
    peer = recorded(other, peer="present", switch=switch)
    return {
        each.urn
        for each in graph.resources
        if each.custom
        and not each.type.startswith("pulumi:")
        and here(peer) in asked(each, graph, peer)
        and not {read.service for read in READS.get(each.type, ())} & GLOBAL.keys()
    }


def listed(stack: str) -> set[str]:
    """Return the URNs that the page tells whoever deploys a stack to exclude."""
    page = (program.ROOT / "docs" / "deploy.md").read_text()
    section = page.partition("## Deploying while a region is dead")[2].partition("\n## ")[0]
    return {urn for urn in re.findall(r"--exclude '([^']+)'", section) if f":{stack}::" in urn}


@pytest.mark.parametrize("stack", STACKS)
def test_the_page_excludes_what_a_refresh_asks_of_the_other_region(stack: str) -> None:
    needing = set[str]().union(*(needing_the_other(stack, switch) for switch in SwitchKind))
    assert listed(stack) == needing


@pytest.mark.parametrize(("stack", "switch"), _PLACES)
def test_what_names_the_other_region_is_read_there_or_it_is_known_why_not(
    stack: str, switch: SwitchKind
) -> None:
    graph = recorded(stack, peer="present", switch=switch)
    needing = needing_the_other(stack, switch)
    other = REGION_OF[peer_of(SIDE_OF[here(graph)])]
    for each in graph.resources:
        if (
            each.urn in needing
            or each.type in NAMED_ONLY
            or not each.custom
            or each.type.startswith("pulumi:")
        ):
            continue
        inputs = {name: value for name, value in each.inputs.items() if name not in ("alarmDescription",)}
        inputs.pop("dimensions", None)  # CloudWatch answers with them
        assert other not in json.dumps(inputs, default=str), f"{each.urn}: who is asked when it is read?"


def test_a_reason_is_given_for_no_type_that_does_not_need_one() -> None:
    texts: dict[str, str] = {}
    for stack, switch in _PLACES:
        graph = recorded(stack, peer="present", switch=switch)
        for each in graph.resources:
            texts[each.type] = texts.get(each.type, "") + json.dumps(dict(each.inputs), default=str)
    for type in NAMED_ONLY:
        assert all(re.search(rf"\b{side}\b|{REGION_OF[side]}", texts[type]) for side in SIDES), type


@pytest.mark.parametrize("stack", STACKS)
def test_every_type_has_its_calls(stack: str) -> None:
    """Otherwise nobody knows whom a refresh asks."""
    of_region = {
        "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": "only its rules are read",
        "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": "Lambda is asked here",
        "aws:secretsmanager/secret:Secret": "it has no replicas",
        "aws:secretsmanager/secretVersion:SecretVersion": "it has no replicas",
    }
    for each in recorded(stack, peer="present", switch=SwitchKind.ALARM).resources:
        if each.custom and not each.type.startswith("pulumi:") and each.type not in of_region:
            assert each.type in READS, each.type


def test_a_new_resource_in_the_other_region_would_be_found() -> None:
    graph, peer = (recorded(stack, peer="present", switch=SwitchKind.ALARM) for stack in STACKS)
    [alarm, *_] = [
        each for each in graph.of("aws:cloudwatch/metricAlarm:MetricAlarm") if "region" not in each.inputs
    ]
    assert asked(alarm, graph, peer) == {here(graph)}
    assert asked(vary(alarm, region=here(peer)), graph, peer) == {here(peer)}
    [subscription, *_] = graph.of("aws:sns/topicSubscription:TopicSubscription")
    elsewhere = f"arn:aws-us-gov:sns:{here(peer)}:123456789012:t:1"
    assert here(peer) in asked(vary(subscription, id=elsewhere), graph, peer)


def vary(resource: Resource, id: str = "", **inputs: Any) -> Resource:
    """Return a resource with another id, or with more inputs."""
    return replace(resource, id=id or resource.id, inputs={**resource.inputs, **inputs})
