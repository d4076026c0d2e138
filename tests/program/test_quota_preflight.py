"""What the program asks of Service Quotas before the first resource, and whether it counts what it makes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pytest

from customers import service_quotas
from customers.registry import load
from local import program
from local.program import Graph
from runtime.contract import EAST, REGION_OF, WEST
from tests.program.conftest import CODE_OF_NAMED, RUNTIME, SECRETS, STACKS, ask, quota_of, record, spelled

TOKEN = "aws:servicequotas/getServiceQuota:getServiceQuota"
REQUEST = "run: aws service-quotas request-service-quota-increase --service-code"
EASTERN, WESTERN = REGION_OF[EAST], REGION_OF[WEST]


def allowing(**values: float) -> program.Ask:
    """Return an account that has these values of quotas, by code without its `L-`, and otherwise room."""

    def answer(function: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
        if function == TOKEN:
            quota = quota_of(args)
            value = values.get(quota.code.removeprefix("L-") or quota.name.partition(" ")[0])
            if value is not None:
                return {"value": value, "quotaCode": quota.code or CODE_OF_NAMED}
        return ask(function, args)

    return answer


def run(stack: str, answer: program.Ask, *, made: list[str] | None = None, **config: str) -> Graph:
    def make(resource: program.Resource) -> tuple[str, Mapping[str, Any]]:
        if made is not None and not resource.type.startswith("pulumi:providers:"):
            made.append(resource.urn)
        return spelled(stack)(resource)

    settings = {f"mft:{key}": value for key, value in config.items()}
    return program.run(
        stack,
        make=make,
        ask=answer,
        config={**program.stack_config(stack), "mft:lambdaRuntime": RUNTIME, **settings},
        secrets=SECRETS,
    )


def refusal(stack: str, answer: program.Ask, **config: str) -> list[str]:
    """Return the lines with which the program refuses; it has made nothing."""
    made: list[str] = []
    with pytest.raises(program.ProgramError) as refused:
        run(stack, answer, made=made, **config)
    assert made == []
    return str(refused.value).splitlines()


def test_an_account_with_the_default_of_addresses() -> None:
    assert refusal("gov-east", allowing(**{"0263D0A3": 5})) == [
        f"{EASTERN}: the registry needs 6 Elastic IP addresses besides what others in the account use,"
        " but quota L-0263D0A3 allows 5;"
        f" {REQUEST} ec2 --quota-code L-0263D0A3 --desired-value 6 --region {EASTERN}"
    ]


def test_all_shortages_are_reported_at_once() -> None:
    answer = allowing(**{"0263D0A3": 5, "B99A9384": 10, "0EA8095F": 60, "ACB674F3": 21, "DC2B2D3D": 17})
    assert refusal("gov-west", answer, groupRuleQuota="100") == [
        f"{WESTERN}: the registry needs 6 Elastic IP addresses besides what others in the account use,"
        " but quota L-0263D0A3 allows 5;"
        f" {REQUEST} ec2 --quota-code L-0263D0A3 --desired-value 6 --region {WESTERN}",
        f"{WESTERN}: the registry needs 100 rules in a security group (mft:groupRuleQuota),"
        " but quota L-0EA8095F allows 60;"
        f" {REQUEST} vpc --quota-code L-0EA8095F --desired-value 100 --region {WESTERN}",
        f"{WESTERN}: the registry needs 512 concurrent executions of functions"
        " besides what others in the account use, but quota L-B99A9384 allows 10;"
        f" {REQUEST} lambda --quota-code L-B99A9384 --desired-value 512 --region {WESTERN}",
        f"{WESTERN}: the registry needs 22 health checks besides what others in the account use,"
        " but quota L-ACB674F3 allows 21;"
        f" {REQUEST} route53 --quota-code L-ACB674F3 --desired-value 22 --region {WESTERN}",
        f"{WESTERN}: the registry needs 18 buckets besides what others in the account use,"
        " but quota L-DC2B2D3D allows 17;"
        f" {REQUEST} s3 --quota-code L-DC2B2D3D --desired-value 18 --region {WESTERN}",
    ]


def test_the_east_does_not_ask_for_quotas_of_the_account() -> None:
    def asked(stack: str) -> set[str]:
        codes: set[str] = set()

        def answer(function: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
            if function == TOKEN:
                codes.add(quota_of(args).label)
            return ask(function, args)

        run(stack, answer)
        return codes

    west, east = asked("gov-west"), asked("gov-east")
    assert west == {each.label for each in service_quotas.QUOTAS}
    assert west - east == {"L-ACB674F3", "L-E209CC9F", "L-DC2B2D3D"}


def test_a_quota_without_a_known_code_is_asked_by_its_name_and_requested_by_its_code() -> None:
    first, second = refusal("gov-east", allowing(StartExecution=100))
    assert first == (
        f"{EASTERN}: the registry needs 800 executions started at once besides what others in the"
        " account use, but quota 'StartExecution throttle token bucket size' allows 100;"
        f" {REQUEST} states --quota-code {CODE_OF_NAMED} --desired-value 800 --region {EASTERN}"
    )
    assert "150 executions started in a second" in second


#: By code or name.
UNREAD = ("L-0263D0A3", "L-B99A9384", "'StartExecution throttle token refill rate per second'")


def test_a_quota_that_cannot_be_read_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    def denied(function: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
        if function == TOKEN and quota_of(args).label in UNREAD:
            raise RuntimeError("AccessDeniedException: not authorized")
        return ask(function, args)

    with caplog.at_level(logging.WARNING):
        assert run("gov-east", denied).of("aws:ec2/eip:Eip")
    (message,) = [each.getMessage() for each in caplog.records if "quota" in each.getMessage()]
    assert message.startswith(
        f"{EASTERN}: some quotas cannot be read; check in Service Quotas that the account may have"
        " 6 Elastic IP addresses (L-0263D0A3), 512 concurrent executions of functions (L-B99A9384),"
        " 150 executions started in a second"
        " ('StartExecution throttle token refill rate per second'): "
    )
    assert "AccessDeniedException: not authorized" in message


@pytest.mark.parametrize("stack", STACKS)
def test_what_is_needed_is_what_the_program_makes(stack: str) -> None:
    graph = record(stack)
    config = program.stack_config(stack)
    registry = load(program.ROOT / "customers", namespace=config["mft:namespace"], zone=config["mft:zone"])
    needed = service_quotas.needed(registry.customers, group_rules=60)
    endpoints = [each.inputs["vpcEndpointType"] for each in graph.of("aws:ec2/vpcEndpoint:VpcEndpoint")]
    zones = {each.inputs["availabilityZone"] for each in graph.of("aws:ec2/subnet:Subnet")}
    (server,) = graph.of("aws:transfer/server:Server")
    made: Mapping[service_quotas.ServiceQuota, int] = {
        service_quotas.ADDRESSES: len(graph.of("aws:ec2/eip:Eip")),
        service_quotas.VPCS: len(graph.of("aws:ec2/vpc:Vpc")),
        service_quotas.NAT_GATEWAYS: len(graph.of("aws:ec2/natGateway:NatGateway")) // len(zones),
        service_quotas.GATEWAY_ENDPOINTS: endpoints.count("Gateway"),
        service_quotas.INTERFACE_ENDPOINTS: endpoints.count("Interface"),
        service_quotas.GROUPS: len(server.inputs["endpointDetails"]["securityGroupIds"]),
    }
    assert made == {each: needed[each] for each in made}
    batches = sum(
        int(each.inputs["scalingConfig"]["maximumConcurrency"])
        for each in graph.of("aws:lambda/eventSourceMapping:EventSourceMapping")
    )
    others = len(graph.of("aws:lambda/function:Function")) - len(
        graph.of("aws:lambda/eventSourceMapping:EventSourceMapping")
    )
    groups = len(graph.of("aws:cloudwatch/logGroup:LogGroup"))
    assert 10 < groups <= needed[service_quotas.LOG_GROUPS]
    assert batches == 22
    assert batches + others < needed[service_quotas.CONCURRENCY]
