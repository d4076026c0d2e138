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

    When a customer moves to another cell, the records pass from one stack to another, and exist throughout.
    The provider would delete whatever record has the name, type and set identifier, even one that another
    stack has written since, and with `allow_overwrite` it takes over the one that is there
    (https://github.com/hashicorp/terraform-provider-aws/blob/v6.0.0/internal/service/route53/record.go). So
    the first stack forgets its records without deleting them, and the second one takes them over.
    """
    is_first = customer.hands_names_over and not customer.keeps_names
    changed_by_ops = ["healthCheckId"]  # `ops shift` changes it, one customer at a time
    if is_first:
        changed_by_ops.append("records")  # `ops cell move` changes them, before this stack forgets them
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
            allow_overwrite=True if customer.hands_names_over and not is_first else None,
            opts=pulumi.ResourceOptions(
                parent=parent,
                protect=customer.keeps_names,
                retain_on_delete=is_first,
                ignore_changes=changed_by_ops,
            ),
        )
