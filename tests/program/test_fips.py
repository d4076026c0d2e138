"""FIPS endpoints: who uses them, and that both regions have them where the page says so."""

from __future__ import annotations

import re
from collections.abc import Iterator

import botocore.session
import pytest
from botocore.config import Config

from local.program import Graph
from ops import environment
from runtime.contract import REGION_OF
from tests.program.conftest import STACKS
from tests.test_house import ROOT

PAGE = (ROOT / "docs/deploy.md").read_text()


def called() -> set[str]:
    """Return the services of which the functions and `ops` make clients."""
    text = "".join(path.read_text() for name in ("runtime", "ops") for path in (ROOT / name).rglob("*.py"))
    return set(re.findall(r"client(?:_once)?\(\s*\"([a-z0-9-]+)\"", text))


def host(service: str, region: str, *, fips: bool) -> str:
    client = botocore.session.get_session().create_client(
        service,
        region_name=region,
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=Config(use_fips_endpoint=fips),
    )
    try:
        return client.meta.endpoint_url.removeprefix("https://")
    finally:
        client.close()


def known() -> Iterator[tuple[str, ...]]:
    """Yield a row for each service: what botocore calls in each region when it is asked for FIPS."""
    for service in sorted(called()):
        row = [service]
        for region in (REGION_OF["west"], REGION_OF["east"]):
            name, usual = host(service, region, fips=True), host(service, region, fips=False)
            assert name == usual or "-fips." in name, f"{service} in {region} would be called at {name}"
            row.append("the usual host" if name == usual else "a FIPS host")
        yield tuple(row)


def test_the_page_says_what_botocore_knows() -> None:
    assert {"s3", "dynamodb", "route53"} <= called()
    listed = re.findall(r"^\| `([a-z0-9-]+)` \| ((?:a|the) \w+ host) \| ((?:a|the) \w+ host) \|$", PAGE, re.M)
    assert listed == list(known())


@pytest.mark.parametrize("stack", STACKS)
def test_the_provider_and_the_functions_outside_of_the_vpc_use_them(
    graphs: dict[str, Graph], stack: str
) -> None:
    graph = graphs[stack]
    (provider,) = graph.of("pulumi:providers:aws")
    assert provider.inputs["useFipsEndpoint"] in (True, "true")
    functions = graph.of("aws:lambda/function:Function")
    inside = {each.name for each in functions if each.inputs.get("vpcConfig")}
    using = {
        each.name
        for each in functions
        if each.inputs["environment"]["variables"].get("AWS_USE_FIPS_ENDPOINT")
    }
    assert inside
    assert using == {each.name for each in functions} - inside


@pytest.mark.parametrize("stack", STACKS)
def test_a_function_in_the_vpc_calls_hosts_that_the_endpoints_serve(
    graphs: dict[str, Graph], stack: str
) -> None:
    """Private DNS of an endpoint service is the name of the service before the region's domain."""
    graph = graphs[stack]
    region = graph.one("pulumi:providers:aws", stack).inputs["region"]
    endpoints = graph.of("aws:ec2/vpcEndpoint:VpcEndpoint")
    served = {
        f"{each.inputs['serviceName'].rpartition('.')[2]}.{region}.amazonaws.com"
        for each in endpoints
        if each.inputs["vpcEndpointType"] == "Interface" and each.inputs["privateDnsEnabled"]
    }
    fips = {host(service, region, fips=True) for service in ("secretsmanager", "cloudwatch")}
    assert served == fips
    for each in graph.of("aws:lambda/function:Function"):
        given = {
            name: value
            for name, value in each.inputs["environment"]["variables"].items()
            if name.startswith("AWS_ENDPOINT_URL")
        }
        secrets = f"https://{host('secretsmanager', region, fips=True)}"
        assert given == (
            {"AWS_ENDPOINT_URL_SECRETS_MANAGER": secrets} if each.inputs.get("vpcConfig") else {}
        )


def test_boto3_takes_the_host_of_one_service_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    region = REGION_OF["west"]
    wanted = f"https://{host('secretsmanager', region, fips=True)}"
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", wanted)
    assert host("secretsmanager", region, fips=False) == wanted.removeprefix("https://")
    assert host("s3", region, fips=False) == f"s3.{region}.amazonaws.com"


def test_ops_uses_them_unless_an_endpoint_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    assert environment.with_fips(Config()).use_fips_endpoint is True
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    config = environment.with_fips(Config(read_timeout=7))
    assert (config.use_fips_endpoint, config.read_timeout) == (False, 7)


def test_every_client_of_ops_is_made_so() -> None:
    for path in (ROOT / "ops").rglob("*.py"):
        for made in re.findall(r"boto3\.client\(.*", path.read_text()):
            assert "config=with_fips(" in made, f"{path.name}: {made}"
