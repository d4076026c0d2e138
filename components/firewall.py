"""The permitted connections in a cell: one security group per role, and its rules."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from components.network import ZONES, Network, Placement
from customers.quota import CUSTOMER_GROUPS

SFTP, HTTPS = 22, 443

#: Route 53's health checkers in GovCloud, so that a check of the SFTP port can be made without a change here.
#: https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/govcloud-r53.html
HEALTH_CHECKERS = (
    "160.1.55.0/25",
    "160.1.55.128/25",
    "160.1.56.0/25",
    "18.253.167.0/25",
    "18.253.167.128/25",
    "18.253.168.0/25",
)


class Firewall(pulumi.ComponentResource):
    """The groups of the SFTP endpoint, of functions in the private subnets, and of the service endpoints.

    The endpoint always has the same number of groups, because changing a server's groups is an outage.
    `probes` are by zone, each in the subnet of its zone only.
    """

    endpoint_group_ids: list[pulumi.Output[str]]
    services_group_id: pulumi.Output[str]
    delivery: Placement
    canary: Placement
    probes: dict[str, Placement]

    def __init__(
        self,
        name: str,
        *,
        network: Network,
        source_cidrs: Sequence[str],
        group_rule_quota: int,
        partner_ports: Sequence[int],
        gateway_lists: Sequence[pulumi.Input[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`partner_ports` are ports of destinations, `gateway_lists` the prefix lists of S3 and DynamoDB."""
        super().__init__("mft:firewall:Firewall", name, None, opts)
        self._name, self._network = name, network
        self._child = pulumi.ResourceOptions(parent=self)
        egress = [pulumi.Output.concat(each.public_ip, "/32") for each in network.egress_addresses]
        own = self._group(
            "endpoint",
            "SFTP from health checkers and from functions of this cell",
            ingress=[
                _sftp_from("health checkers of Route 53", list(HEALTH_CHECKERS)),
                _sftp_from("functions of this cell", egress),
            ],
        )
        # Service-managed Transfer users have no source filter, so the groups let in the networks of all.
        customers = [
            self._group(
                f"endpoint-customers-{number}",
                "SFTP from customers of this cell",
                ingress=[_sftp_from("customers", cidrs)] if cidrs else [],
            )
            for number, cidrs in enumerate(spread(source_cidrs, group_rule_quota), start=1)
        ]
        self.endpoint_group_ids = [own, *customers]
        self.services_group_id = self._group("services", "AWS services, from functions of this cell")
        delivery = self._group("delivery", "Deliveries to partners")
        canary = self._group("canary", "Canary, which sends like a customer")
        probe = self._group("probe", "Probe of the SFTP endpoint")
        groups = {"delivery": delivery, "canary": canary, "probe": probe}
        for role, group in groups.items():
            self._out(f"{role}-services", group, HTTPS, referenced_security_group_id=self.services_group_id)
            aws.vpc.SecurityGroupIngressRule(
                f"{name}-services-{role}",
                security_group_id=self.services_group_id,
                ip_protocol="tcp",
                from_port=HTTPS,
                to_port=HTTPS,
                referenced_security_group_id=group,
                opts=self._child,
            )
            # Deliveries connect to it for the canary, whose partner it is.
            for number, address in enumerate(network.endpoint_addresses, start=1):
                cidr = pulumi.Output.concat(address.public_ip, "/32")
                self._out(f"{role}-endpoint-{number}", group, SFTP, cidr_ipv4=cidr)
        for role in ("delivery", "canary"):
            for number, prefix_list in enumerate(gateway_lists, start=1):
                self._out(f"{role}-gateway-{number}", groups[role], HTTPS, prefix_list_id=prefix_list)
        for port in partner_ports:
            # Partners are known by name, and may change their addresses.
            self._out(f"delivery-partners-{port}", delivery, port, cidr_ipv4="0.0.0.0/0")
        self.delivery = Placement(subnet_ids=network.private_subnet_ids, group_id=delivery)
        self.canary = Placement(subnet_ids=network.private_subnet_ids, group_id=canary)
        self.probes = {
            zone: Placement(subnet_ids=[subnet], group_id=probe)
            for zone, subnet in zip(ZONES, network.private_subnet_ids, strict=True)
        }
        self.register_outputs({"endpoint_group_ids": self.endpoint_group_ids})

    def _group(
        self, role: str, description: str, ingress: Sequence[aws.ec2.SecurityGroupIngressArgs] | None = None
    ) -> pulumi.Output[str]:
        group = aws.ec2.SecurityGroup(
            f"{self._name}-{role}",
            vpc_id=self._network.vpc_id,
            description=description,
            ingress=ingress,
            opts=self._child,
        )
        return group.id

    def _out(
        self,
        rule: str,
        group: pulumi.Output[str],
        port: int,
        *,
        cidr_ipv4: pulumi.Input[str] | None = None,
        prefix_list_id: pulumi.Input[str] | None = None,
        referenced_security_group_id: pulumi.Input[str] | None = None,
    ) -> None:
        """Let a group connect to one port of a network, a prefix list, or another group."""
        aws.vpc.SecurityGroupEgressRule(
            f"{self._name}-{rule}",
            security_group_id=group,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            cidr_ipv4=cidr_ipv4,
            prefix_list_id=prefix_list_id,
            referenced_security_group_id=referenced_security_group_id,
            opts=self._child,
        )


def spread(cidrs: Sequence[str], limit: int) -> list[list[str]]:
    """Return these networks in CUSTOMER_GROUPS lists of up to `limit`, each in its own order.

    A digest chooses a network's list, and the next one that has room if that list is full. So another network
    moves none, unless a list is full: a network that moves is shut out for a moment.
    """
    if len(cidrs) > limit * CUSTOMER_GROUPS:
        raise ValueError(f"{len(cidrs)} networks do not fit in {CUSTOMER_GROUPS} groups of {limit} rules")
    groups: list[list[str]] = [[] for _ in range(CUSTOMER_GROUPS)]
    for cidr in cidrs:
        first = int(hashlib.sha256(cidr.encode()).hexdigest(), 16)
        order = ((first + step) % CUSTOMER_GROUPS for step in range(CUSTOMER_GROUPS))
        groups[next(number for number in order if len(groups[number]) < limit)].append(cidr)
    return groups


def _sftp_from(whose: str, cidrs: Sequence[pulumi.Input[str]]) -> aws.ec2.SecurityGroupIngressArgs:
    return aws.ec2.SecurityGroupIngressArgs(
        protocol="tcp", from_port=SFTP, to_port=SFTP, cidr_blocks=list(cidrs), description=whose
    )
