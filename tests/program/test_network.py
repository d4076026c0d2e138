"""The network of both stacks: three zones, a NAT gateway in each, and security groups with named peers."""

from __future__ import annotations

import ipaddress
import json

import pytest
import yaml

from components.firewall import spread
from customers.registry import load
from local import program
from local.program import Graph, Resource
from tests.program.conftest import STACKS, record, with_lifecycle

EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EVERYWHERE = "0.0.0.0/0"

#: In the order of the GovCloud user guide. Other networks have no health checkers.
CHECKERS = {
    *("160.1.56.0/25", "160.1.55.0/25", "160.1.55.128/25"),
    *("18.253.167.128/25", "18.253.168.0/25", "18.253.167.0/25"),
}


@pytest.fixture(params=STACKS)
def graph(request: pytest.FixtureRequest, graphs: dict[str, Graph]) -> Graph:
    return graphs[request.param]


def group(graph: Graph, role: str) -> Resource:
    return graph.one("aws:ec2/securityGroup:SecurityGroup", f"cell1-firewall-{role}")


def endpoint_groups(graph: Graph) -> list[Resource]:
    """Return the security groups of the SFTP server."""
    (server,) = graph.of("aws:transfer/server:Server")
    ids = server.inputs["endpointDetails"]["securityGroupIds"]
    return [each for each in graph.of("aws:ec2/securityGroup:SecurityGroup") if each.id in ids]


def let_in_by_the_endpoint(graph: Graph) -> set[str]:
    rules = [rule for each in endpoint_groups(graph) for rule in each.inputs.get("ingress", ())]
    assert {(rule["fromPort"], rule["toPort"], rule["protocol"]) for rule in rules} == {(22, 22, "tcp")}
    return {cidr for rule in rules for cidr in rule["cidrBlocks"]}


def test_every_zone_has_a_way_in_and_a_way_out_of_its_own(graph: Graph) -> None:
    subnets = {each.id: each for each in graph.of("aws:ec2/subnet:Subnet")}
    blocks = [ipaddress.ip_network(each.inputs["cidrBlock"]) for each in subnets.values()]
    assert len(blocks) == 6
    assert not [1 for one in blocks for other in blocks if one is not other and one.overlaps(other)]
    tables = {
        each.inputs["subnetId"]: each.inputs["routeTableId"]
        for each in graph.of("aws:ec2/routeTableAssociation:RouteTableAssociation")
    }
    ways = {each.inputs["routeTableId"]: each.inputs for each in graph.of("aws:ec2/route:Route")}
    gateways = {each.id: each for each in graph.of("aws:ec2/natGateway:NatGateway")}
    private = {id: each for id, each in subnets.items() if "private" in each.name}
    zones = set()
    for id, subnet in private.items():
        nat = gateways[ways[tables[id]]["natGatewayId"]]
        public = subnets[nat.inputs["subnetId"]]
        assert "gatewayId" in ways[tables[public.id]], "its gateway is itself in a public subnet"
        assert public.inputs["availabilityZone"] == subnet.inputs["availabilityZone"]
        zones.add(subnet.inputs["availabilityZone"])
    assert len(zones) == len(gateways) == 3


def test_addresses_that_others_allow_are_protected_and_exported(graph: Graph) -> None:
    assert all(each.protect for each in graph.of("aws:ec2/eip:Eip"))
    assert len(graph.exports["addresses"]) == len(graph.exports["egressAddresses"]) == 3
    assert not set(graph.exports["addresses"]) & set(graph.exports["egressAddresses"])


def test_deliveries_leave_from_the_private_subnets(graph: Graph) -> None:
    private = {each.id for each in graph.of("aws:ec2/subnet:Subnet") if "private" in each.name}
    (deliver,) = [each for each in graph.of("aws:lambda/function:Function") if each.name.endswith("-deliver")]
    assert set(deliver.inputs["vpcConfig"]["subnetIds"]) == private
    assert deliver.inputs["vpcConfig"]["securityGroupIds"] == [group(graph, "delivery").id]


def test_the_endpoint_lets_in_customers_health_checkers_and_the_cells_own_probe(graph: Graph) -> None:
    let_in = let_in_by_the_endpoint(graph)
    registry = load(program.ROOT / "customers").customers
    networks = (ipaddress.ip_network(cidr) for each in registry for cidr in each.source_cidrs)
    customers = {str(network) for network in ipaddress.collapse_addresses(networks)}
    own = {f"{address}/32" for address in graph.exports["egressAddresses"]}
    assert let_in == customers | CHECKERS | own
    assert all("egress" not in each.inputs for each in endpoint_groups(graph))


def test_the_most_networks_that_aws_allows_by_default_fit_in_five_groups_of_sixty_rules(tmp_path) -> None:
    """Two thirds of all pairs of lists are full at the end, so networks have moved on to the next list."""
    (tmp_path / "customers").mkdir()
    for sample in (program.ROOT / "customers").glob("*.yaml"):
        document = yaml.safe_load(sample.read_text())
        for user in document.get("sftp", {}).get("users", ()):
            user["source_cidrs"] = [f"198.51.{2 * n // 256}.{2 * n % 256}/32" for n in range(240)]
        (tmp_path / "customers" / sample.name).write_text(yaml.safe_dump(document))
    graph = record("gov-west", root=tmp_path)
    counts = [
        sum(len(rule["cidrBlocks"]) for rule in each.inputs.get("ingress", ()))
        for each in endpoint_groups(graph)
    ]
    assert sorted(counts) == [9, 60, 60, 60, 60]
    assert len(let_in_by_the_endpoint(graph)) == 249


def test_another_network_moves_no_other_to_another_group() -> None:
    networks = [f"198.51.100.{number}/32" for number in range(0, 200, 2)]
    before = spread(networks[:-1], 60)
    after = spread(networks, 60)
    assert [[each for each in group if each != networks[-1]] for group in after] == before
    assert all(before), "every group is used"


def test_networks_of_customers_that_send_nothing_more_are_shut_out(tmp_path) -> None:
    graph = record("gov-west", root=with_lifecycle("draining", id="c7k2m", to=tmp_path))
    registry = {each.id: each for each in load(tmp_path / "customers").customers}
    let_in = let_in_by_the_endpoint(graph)
    assert registry["c7k2m"].source_cidrs
    assert not registry["c7k2m"].source_cidrs & let_in


def test_every_group_names_whom_it_reaches(graph: Graph) -> None:
    ports = {
        each.port
        for customer in load(program.ROOT / "customers").customers
        for each in customer.destinations.values()
        if each.kind == "sftp"
    }
    delivery, canary, probe, services = (
        group(graph, role).id for role in ("delivery", "canary", "probe", "services")
    )
    reached: dict[str, set[tuple[int, str]]] = {delivery: set(), canary: set(), probe: set()}
    for rule in graph.of(EGRESS):
        its = rule.inputs
        (peer,) = [
            its[name] for name in ("cidrIpv4", "prefixListId", "referencedSecurityGroupId") if name in its
        ]
        assert its["fromPort"] == its["toPort"]
        reached[its["securityGroupId"]].add((int(its["fromPort"]), peer))
    lists = {
        (443, each.outputs["prefixListId"])
        for each in graph.of("aws:ec2/vpcEndpoint:VpcEndpoint")
        if each.inputs["vpcEndpointType"] == "Gateway"
    }
    partners = {(port, EVERYWHERE) for port in ports | {443}}  # 443: buckets in the other region
    endpoint = {(22, f"{ip}/32") for ip in graph.exports["addresses"]}
    assert reached[delivery] == {(443, services)} | lists | endpoint | partners
    assert reached[canary] == {(443, services)} | lists | endpoint
    assert reached[probe] == {(443, services)} | endpoint
    inside = {each.inputs["referencedSecurityGroupId"] for each in graph.of(INGRESS)}
    assert inside == {delivery, canary, probe}
    assert {each.inputs["securityGroupId"] for each in graph.of(INGRESS)} == {services}
    (default,) = graph.of("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup")
    assert not {"ingress", "egress"} & default.inputs.keys()


def test_bulk_goes_by_gateways_and_the_rest_by_interfaces(graph: Graph) -> None:
    (provider,) = graph.of("pulumi:providers:aws")
    region = provider.inputs["region"]
    private = {
        each.inputs["routeTableId"]
        for each in graph.of("aws:ec2/routeTableAssociation:RouteTableAssociation")
        if "private" in each.name
    }
    endpoints = {
        each.inputs["serviceName"].removeprefix(f"com.amazonaws.{region}."): each.inputs
        for each in graph.of("aws:ec2/vpcEndpoint:VpcEndpoint")
    }
    assert set(endpoints["s3"]["routeTableIds"]) == set(endpoints["dynamodb"]["routeTableIds"]) == private
    for service in ("secretsmanager-fips", "monitoring"):
        assert endpoints[service]["privateDnsEnabled"], "or the functions would go around it"
        assert endpoints[service]["securityGroupIds"] == [group(graph, "services").id]
    for inputs in endpoints.values():
        for statement in json.loads(inputs["policy"])["Statement"]:
            assert statement["Condition"]["StringEquals"]


def test_every_connection_is_logged(graph: Graph) -> None:
    (flows,) = graph.of("aws:ec2/flowLog:FlowLog")
    (vpc,) = graph.of("aws:ec2/vpc:Vpc")
    assert (flows.inputs["vpcId"], flows.inputs["trafficType"]) == (vpc.id, "ALL")
