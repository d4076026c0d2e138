"""DNS records: this stack's halves of a customer's failover pairs."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from components.settings import Settings
from customers import dns
from customers.model import Customer


def records(
    customer: Customer,
    *,
    settings: Settings,
    health_check_id: pulumi.Input[str],
    parent: pulumi.Resource,
) -> None:
    """Make the six halves that point at this region: CNAME and TXT of `east.`, `west.` and `primary.`.

    All six carry the same health check and TTL, so they always fail over together.
    """
    for half in dns.halves(customer, settings.side, namespace=settings.namespace, zone=settings.zone):
        endpoint = half.name.removeprefix("_bucket.").partition(".")[0]
        aws.route53.Record(
            f"{customer.id}-{endpoint}-{half.type.lower()}",
            zone_id=settings.zone_id,
            name=half.name,
            type=half.type,
            ttl=half.ttl,
            records=[half.value],
            set_identifier=half.set_identifier,
            failover_routing_policies=[aws.route53.RecordFailoverRoutingPolicyArgs(type=half.failover)],
            health_check_id=health_check_id,
            opts=pulumi.ResourceOptions(
                parent=parent,
                protect=customer.keeps_names,
                ignore_changes=["healthCheckId"],  # `ops shift` changes it, one customer at a time
            ),
        )
