"""Service Quotas of the emulated AWS: defaults, what is granted, what tests set, and what AWS refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from customers.service_quotas import (
    ADDRESSES,
    ADDRESSES_OF_CELL,
    BUCKETS,
    QUOTAS,
    START_RATE,
    STARTS,
    ServiceQuota,
)
from local.aws.ministack.service_quotas import code_of
from tests.local.conftest import EAST, WEST, World


def value(client: Any, quota: ServiceQuota) -> float:
    found = client.get_service_quota(ServiceCode=quota.service, QuotaCode=code_of(quota))["Quota"]
    assert (found["ServiceCode"], found["QuotaCode"]) == (quota.service, code_of(quota))
    return float(found["Value"])


@pytest.fixture
def five(aws: World) -> Iterator[float]:
    aws.emulator.service_quota(EAST, ADDRESSES.code, 5)
    yield 5
    aws.emulator.service_quota(EAST, ADDRESSES.code, None)


def test_quotas_are_the_defaults_but_for_the_addresses_of_a_cell(aws: World) -> None:
    client = aws("service-quotas", WEST)
    values = {quota: value(client, quota) for quota in QUOTAS}
    assert values == {**{quota: quota.default for quota in QUOTAS}, ADDRESSES: ADDRESSES_OF_CELL}


def test_quotas_are_listed_with_their_names(aws: World) -> None:
    listed = aws("service-quotas", EAST).list_service_quotas(ServiceCode=STARTS.service)["Quotas"]
    assert {each["QuotaName"]: (each["QuotaCode"], each["Value"]) for each in listed} == {
        each.name: (code_of(each), each.default) for each in (STARTS, START_RATE)
    }
    assert not aws("service-quotas", EAST).list_service_quotas(ServiceCode="s3")["Quotas"]


def test_a_value_is_of_its_region_and_not_the_default(aws: World, five: float) -> None:
    east, west = (aws("service-quotas", region) for region in (EAST, WEST))
    assert value(east, ADDRESSES) == five
    assert value(west, ADDRESSES) == ADDRESSES_OF_CELL
    which = {"ServiceCode": ADDRESSES.service, "QuotaCode": ADDRESSES.code}
    assert west.get_aws_default_service_quota(**which)["Quota"]["Value"] == ADDRESSES.default


@pytest.mark.parametrize(
    ("region", "service", "code"),
    [(EAST, BUCKETS.service, BUCKETS.code), (WEST, "ec2", "L-00000000"), (WEST, "vpc", ADDRESSES.code)],
)
def test_quotas_that_a_region_does_not_have(aws: World, region: str, service: str, code: str) -> None:
    client = aws("service-quotas", region)
    for read in (client.get_service_quota, client.get_aws_default_service_quota):
        with pytest.raises(ClientError) as refused:
            read(ServiceCode=service, QuotaCode=code)
        assert refused.value.response["Error"]["Code"] == "NoSuchResourceException"
