"""Where a sender's requests may come from, as the bucket's policy reads them."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import fields
from typing import Any

import pytest

from components import uploads
from components.settings import Settings
from tests.customers.customer_samples import customer
from tests.iam import granting, parsed

ARN = "arn:aws-us-gov:s3:::example-mft-c7k2m-west"
ROLE = "arn:aws-us-gov:iam::210987654321:role/feeds/uploader"
NETWORK, ENDPOINT = "198.51.100.0/24", "vpce-0123456789abcdef0"
INSIDE, OUTSIDE = "198.51.100.7", "203.0.113.7"


def settings() -> Settings:
    """Return settings of which only the partition and the account matter."""
    unused: dict[str, Any] = dict.fromkeys((each.name for each in fields(Settings)), "")
    return Settings(**{**unused, "partition": "aws-us-gov", "account": "123456789012"})


def may_send(sdk: dict[str, Any], **how: str) -> bool:
    """Return whether a principal may put an object when its request comes by an address or an endpoint."""
    statements = uploads.by_sdk(customer(sdk={"principals": [ROLE], **sdk}), ARN, settings())
    context = {"aws:PrincipalArn": ROLE}
    if "endpoint" in how:
        context["aws:SourceVpce"] = how["endpoint"]
    if "address" in how:
        networks = {
            cidr
            for each in statements
            for cidr in each["Condition"].get("IpAddress", {}).get("aws:SourceIp", ())
        }
        address = ipaddress.IPv4Address(how["address"])
        context["aws:SourceIp"] = next(
            (cidr for cidr in networks if address in ipaddress.IPv4Network(cidr)), how["address"]
        )
    policy = parsed(json.loads(json.dumps({"Statement": statements})))
    return bool(granting(policy, "s3:PutObject", f"{ARN}/inbound/sdk/file", context))


@pytest.mark.parametrize(
    ("sdk", "inside", "outside", "by_endpoint"),
    [
        ({}, True, True, True),
        ({"source_cidrs": [NETWORK]}, True, False, False),
        ({"vpc_endpoints": [ENDPOINT]}, False, False, True),
        ({"source_cidrs": [NETWORK], "vpc_endpoints": [ENDPOINT]}, True, False, True),
    ],
)
def test_a_sender_may_send_from_the_places_that_its_file_names(
    sdk: dict[str, Any], inside: bool, outside: bool, by_endpoint: bool
) -> None:
    assert may_send(sdk, address=INSIDE) is inside
    assert may_send(sdk, address=OUTSIDE) is outside
    assert may_send(sdk, endpoint=ENDPOINT) is by_endpoint
    assert may_send(sdk, endpoint="vpce-0fedcba9876543210") is (not sdk)
