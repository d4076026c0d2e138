"""The cell's network: a VPC of its own, public subnets in three zones for the SFTP endpoint."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from components.settings import Settings

ZONES = ("a", "b", "c")
_VPC_CIDR = ipaddress.ip_network("10.64.0.0/16")


class Network(pulumi.ComponentResource):
    """One cell's VPC: a public subnet and an Elastic IP per zone, and who may reach the SFTP port."""

    vpc_id: pulumi.Output[str]
    public_subnet_ids: list[pulumi.Output[str]]
    endpoint_addresses: list[aws.ec2.Eip]
    endpoint_group_id: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        settings: Settings,
        source_cidrs: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mft:network:Network", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        vpc = aws.ec2.Vpc(
            f"{name}-vpc",
            cidr_block=str(_VPC_CIDR),
            enable_dns_support=True,
            enable_dns_hostnames=True,
            opts=child,
        )
        gateway = aws.ec2.InternetGateway(f"{name}-gateway", vpc_id=vpc.id, opts=child)
        public = aws.ec2.RouteTable(f"{name}-public", vpc_id=vpc.id, opts=child)
        aws.ec2.Route(
            f"{name}-public-default",
            route_table_id=public.id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=gateway.id,
            opts=child,
        )
        blocks = list(_VPC_CIDR.subnets(new_prefix=20))
        self.public_subnet_ids = []
        self.endpoint_addresses = []
        for zone, block in zip(ZONES, blocks, strict=False):
            subnet = aws.ec2.Subnet(
                f"{name}-public-{zone}",
                vpc_id=vpc.id,
                availability_zone=f"{settings.region}{zone}",
                cidr_block=str(block),
                opts=child,
            )
            aws.ec2.RouteTableAssociation(
                f"{name}-public-{zone}", subnet_id=subnet.id, route_table_id=public.id, opts=child
            )
            self.public_subnet_ids.append(subnet.id)
            self.endpoint_addresses.append(
                aws.ec2.Eip(
                    f"{name}-endpoint-{zone}",
                    domain="vpc",
                    opts=pulumi.ResourceOptions(parent=self, protect=True),  # customers allow-list it
                )
            )
        # Service-managed Transfer users have no source filter of their own, so the group takes the union.
        group = aws.ec2.SecurityGroup(
            f"{name}-endpoint",
            vpc_id=vpc.id,
            description="SFTP from the customers of this cell",
            ingress=[
                aws.ec2.SecurityGroupIngressArgs(
                    protocol="tcp", from_port=22, to_port=22, cidr_blocks=list(source_cidrs)
                )
            ]
            if source_cidrs
            else [],
            opts=child,
        )
        self.vpc_id = vpc.id
        self.endpoint_group_id = group.id
        self.register_outputs({"vpc_id": self.vpc_id, "public_subnet_ids": self.public_subnet_ids})
