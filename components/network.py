"""The cell's network: its own VPC in three zones, not connected to the other region."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import log
from components.settings import Settings

ZONES = ("a", "b", "c")
_VPC_CIDR = ipaddress.IPv4Network("10.64.0.0/16")


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where in the network a function runs: its subnets and its security group."""

    subnet_ids: list[pulumi.Output[str]]
    group_id: pulumi.Output[str]


class Network(pulumi.ComponentResource):
    """One cell's VPC: in each zone a public and a private subnet, a NAT gateway, and two Elastic IPs.

    Customers reach the SFTP endpoint at `endpoint_addresses`; deliveries reach partners from
    `egress_addresses`. Neither may ever change, because others' firewalls name them.
    """

    vpc_id: pulumi.Output[str]
    public_subnet_ids: list[pulumi.Output[str]]
    private_subnet_ids: list[pulumi.Output[str]]
    private_route_table_ids: list[pulumi.Output[str]]
    endpoint_addresses: list[aws.ec2.Eip]
    egress_addresses: list[aws.ec2.Eip]
    nat_gateway_ids: list[pulumi.Output[str]]

    def __init__(
        self,
        name: str,
        *,
        settings: Settings,
        key_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mft:network:Network", name, None, opts)
        self._name, self._settings = name, settings
        self._child = pulumi.ResourceOptions(parent=self)
        vpc = aws.ec2.Vpc(
            f"{name}-vpc",
            cidr_block=str(_VPC_CIDR),
            enable_dns_support=True,
            enable_dns_hostnames=True,
            opts=self._child,
        )
        self.vpc_id = vpc.id
        # A resource without a security group is in this one, which allows no traffic.
        aws.ec2.DefaultSecurityGroup(f"{name}-default", vpc_id=vpc.id, opts=self._child)
        gateway = aws.ec2.InternetGateway(f"{name}-gateway", vpc_id=vpc.id, opts=self._child)
        public = self._route_table("public", gateway_id=gateway.id)
        self.public_subnet_ids, self.private_subnet_ids, self.private_route_table_ids = [], [], []
        self.endpoint_addresses, self.egress_addresses, self.nat_gateway_ids = [], [], []
        blocks = list(_VPC_CIDR.subnets(new_prefix=20))
        for zone, block in zip(ZONES, blocks[:3], strict=True):
            self.public_subnet_ids.append(self._subnet(f"public-{zone}", block, public))
            self.endpoint_addresses.append(self._address(f"endpoint-{zone}"))
            self.egress_addresses.append(self._address(f"egress-{zone}"))
        for number, (zone, block) in enumerate(zip(ZONES, blocks[3:6], strict=True)):
            # One per zone, so that the loss of a zone does not cut off the others.
            nat = aws.ec2.NatGateway(
                f"{name}-nat-{zone}",
                subnet_id=self.public_subnet_ids[number],
                allocation_id=self.egress_addresses[number].allocation_id,
                opts=pulumi.ResourceOptions(parent=self, depends_on=[gateway]),  # it needs the gateway
            )
            table = self._route_table(f"private-{zone}", nat_gateway_id=nat.id)
            self.private_subnet_ids.append(self._subnet(f"private-{zone}", block, table))
            self.private_route_table_ids.append(table)
            self.nat_gateway_ids.append(nat.id)
        self._flow_logs(key_arn)
        self.register_outputs({"vpc_id": self.vpc_id})

    def _route_table(
        self,
        role: str,
        *,
        gateway_id: pulumi.Input[str] | None = None,
        nat_gateway_id: pulumi.Input[str] | None = None,
    ) -> pulumi.Output[str]:
        """Make a route table whose default route leads to one of these gateways."""
        table = aws.ec2.RouteTable(f"{self._name}-{role}", vpc_id=self.vpc_id, opts=self._child)
        aws.ec2.Route(
            f"{self._name}-{role}-default",
            route_table_id=table.id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=gateway_id,
            nat_gateway_id=nat_gateway_id,
            opts=self._child,
        )
        return table.id

    def _subnet(
        self, role: str, block: ipaddress.IPv4Network, table: pulumi.Output[str]
    ) -> pulumi.Output[str]:
        subnet = aws.ec2.Subnet(
            f"{self._name}-{role}",
            vpc_id=self.vpc_id,
            availability_zone=f"{self._settings.region}{role[-1]}",
            cidr_block=str(block),
            opts=self._child,
        )
        aws.ec2.RouteTableAssociation(
            f"{self._name}-{role}", subnet_id=subnet.id, route_table_id=table, opts=self._child
        )
        return subnet.id

    def _address(self, role: str) -> aws.ec2.Eip:
        return aws.ec2.Eip(
            f"{self._name}-{role}",
            domain="vpc",
            opts=pulumi.ResourceOptions(parent=self, protect=True),  # others' firewalls name this address
        )

    def _flow_logs(self, key_arn: pulumi.Input[str]) -> None:
        """Log every connection: https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html."""
        name = f"{self._name}-flows"
        logs, role = log.written_by(
            "vpc-flow-logs.amazonaws.com", name, settings=self._settings, key_arn=key_arn, parent=self
        )
        aws.ec2.FlowLog(
            name,
            vpc_id=self.vpc_id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=logs.arn,
            iam_role_arn=role.arn,
            opts=self._child,
        )
