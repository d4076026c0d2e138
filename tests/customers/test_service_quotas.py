"""What registries need of Service Quotas, and the requests that remedy a shortage."""

from __future__ import annotations

import re
from pathlib import Path

from customer_samples import customer

from customers import service_quotas
from customers.quota import BUCKETS_OF_CUSTOMER, needs
from customers.service_quotas import QUOTAS, Shortage, needed, readable


def registry(*cells: str) -> list:
    return [
        customer().model_copy(update={"id": f"c{number:05}", "cell": cell})
        for number, cell in enumerate(cells)
    ]


def test_every_quota_has_its_own_code_and_a_need():
    assert len({each.label for each in QUOTAS}) == len(QUOTAS)
    assert all(bool(each.code) is not bool(each.name) for each in QUOTAS)
    assert set(needed(registry("1"), group_rules=60)) == set(QUOTAS)


def test_a_second_cell_needs_as_much_again_where_the_quota_is_of_the_region():
    one, two = (needed(registry(*cells), group_rules=60) for cells in (["1", "1"], ["1", "2"]))
    twice = {each.what for each in QUOTAS if not each.is_of_account and two[each] == 2 * one[each]}
    same = {each.what for each in QUOTAS if not each.is_of_account and two[each] == one[each]}
    assert twice == {
        *("Elastic IP addresses", "VPCs", "NAT gateways in each zone", "gateway VPC endpoints"),
        "log groups",
    }
    assert (one[service_quotas.CONCURRENCY], two[service_quotas.CONCURRENCY]) == (512, 924)  # 100 for others
    assert same == {
        *("interface endpoints in a VPC", "security groups of an interface"),
        "rules in a security group (mft:groupRuleQuota)",
        *("executions started at once", "executions started in a second"),
    }
    whole = needs(registry("1", "2"))
    assert two[service_quotas.HEALTH_CHECKS] == whole.health_checks
    assert two[service_quotas.RECORDS] == whole.records
    assert two[service_quotas.BUCKETS] == whole.buckets


def test_only_the_west_says_the_quotas_of_the_account():
    assert set(readable("us-gov-west-1")) == set(QUOTAS)
    assert set(readable("us-gov-east-1")) == {each for each in QUOTAS if not each.is_of_account}


def test_one_cell_fits_into_the_defaults_but_for_its_addresses():
    wanted = needed(registry("1"), group_rules=60)
    assert [each.what for each in QUOTAS if wanted[each] > each.default] == ["Elastic IP addresses"]


def test_two_cells_fit_into_an_account_whose_concurrency_is_the_default():
    wanted = needed(registry("1", "2"), group_rules=60)
    assert wanted[service_quotas.CONCURRENCY] <= service_quotas.CONCURRENCY.default


def test_a_request_adds_what_others_use_and_goes_to_the_right_region():
    addresses = Shortage(
        quota=service_quotas.ADDRESSES, region="us-gov-east-1", needed=6, allowed=7, others=1_234
    )
    assert addresses.what == (
        "the registry needs 6 Elastic IP addresses and others use 1,234, but quota L-0263D0A3 allows 7"
    )
    assert addresses.request == (
        "aws service-quotas request-service-quota-increase --service-code ec2"
        " --quota-code L-0263D0A3 --desired-value 1240 --region us-gov-east-1"
    )
    checks = service_quotas.request(service_quotas.HEALTH_CHECKS, 300, region="us-gov-east-1")
    assert checks.endswith("--quota-code L-ACB674F3 --desired-value 300 --region us-gov-west-1")


def test_the_page_about_deploying_has_every_quota_with_its_figures():
    page = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if "| L-" in line or "| *StartExecution" in line
    ]
    wanted = needed(registry("1"), group_rules=60)
    waiting = needs([each.model_copy(update={"lifecycle": "onboarding"}) for each in registry("1")])
    wanted = {
        **wanted,
        service_quotas.HEALTH_CHECKS: waiting.health_checks,
        service_quotas.RECORDS: waiting.records,
        service_quotas.BUCKETS: waiting.buckets - BUCKETS_OF_CUSTOMER,
    }
    assert [row[1:3] for row in rows] == [
        [f"`{each.service}`", each.code or f"*{each.name}*"] for each in QUOTAS
    ]
    for row, quota in zip(rows, QUOTAS, strict=True):
        assert quota.what.startswith(row[0])
        assert first_number(row[3]) == quota.default
        if quota is not service_quotas.GROUP_RULES:
            assert first_number(row[4]) == wanted[quota], row


def first_number(text: str) -> int:
    return int(re.match(r"[0-9,]*[0-9]", text)[0].replace(",", ""))
