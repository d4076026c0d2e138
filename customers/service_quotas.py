"""The quotas in AWS's Service Quotas that a registry depends on, what it needs of each, and what to request.

Pure. Codes and defaults are those of these pages. The codes of Step Functions' quotas are on none of them, so
these are found by their names, as ListServiceQuotas has them:

- https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html (services `ec2` and `vpc`)
- https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-limits-endpoints.html
- https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
- https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html
- https://docs.aws.amazon.com/AmazonS3/latest/userguide/BucketRestrictions.html
- https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
- https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html

Both GovCloud regions have Service Quotas: https://docs.aws.amazon.com/general/latest/gr/servicequotas.html
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from customers import concurrency, quota
from customers.model import Customer
from customers.route53.batch import HEALTH_CHECK_LIMIT
from customers.route53.zone import ZONE_LIMIT
from runtime.contract import REGION_OF, WEST
from runtime.pace import START_EXECUTION

#: The quotas of a whole account can be read and raised in this region only:
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/BucketRestrictions.html
ACCOUNT_REGION = REGION_OF[WEST]

#: What a cell has in each region: an address of the endpoint and one of a NAT gateway in each of three zones.
ADDRESSES_OF_CELL = 6
GATEWAY_ENDPOINTS_OF_CELL = 2
INTERFACE_ENDPOINTS_OF_CELL = 2
#: At most: one of each function, and those of the workflow, of the endpoint's sessions and of the network.
LOG_GROUPS_OF_CELL = 30


@dataclass(frozen=True, kw_only=True)
class ServiceQuota:
    """A quota as Service Quotas names it, and AWS's default. One without a `code` is found by its `name`.

    `is_of_account` means that the quota is not one of each region. `is_shared` means that whatever else the
    account has counts too, as it does not for a quota of one VPC or one group.
    """

    service: str
    what: str
    default: int
    code: str = ""
    name: str = ""
    is_of_account: bool = False
    is_shared: bool = True

    @property
    def label(self) -> str:
        """The code, or, in quotes, the name."""
        return self.code or repr(self.name)


ADDRESSES = ServiceQuota(service="ec2", code="L-0263D0A3", what="Elastic IP addresses", default=5)
VPCS = ServiceQuota(service="vpc", code="L-F678F1CE", what="VPCs", default=5)
NAT_GATEWAYS = ServiceQuota(service="vpc", code="L-FE5A380F", what="NAT gateways in each zone", default=5)
GATEWAY_ENDPOINTS = ServiceQuota(service="vpc", code="L-1B52E74A", what="gateway VPC endpoints", default=20)
INTERFACE_ENDPOINTS = ServiceQuota(
    service="vpc", code="L-29B6F2EB", what="interface endpoints in a VPC", default=50, is_shared=False
)
GROUP_RULES = ServiceQuota(
    service="vpc",
    code="L-0EA8095F",
    what="rules in a security group (mft:groupRuleQuota)",
    default=60,
    is_shared=False,
)
GROUPS = ServiceQuota(
    service="vpc", code="L-2AFB9258", what="security groups of an interface", default=5, is_shared=False
)
CONCURRENCY = ServiceQuota(
    service="lambda", code="L-B99A9384", what="concurrent executions of functions", default=1_000
)
STARTS = ServiceQuota(
    service="states",
    name="StartExecution throttle token bucket size",
    what="executions started at once",
    default=START_EXECUTION.at_once,
)
START_RATE = ServiceQuota(
    service="states",
    name="StartExecution throttle token refill rate per second",
    what="executions started in a second",
    default=START_EXECUTION.a_second,
)
LOG_GROUPS = ServiceQuota(service="logs", code="L-C7B9AAAB", what="log groups", default=1_000_000)
HEALTH_CHECKS = ServiceQuota(
    service="route53",
    code="L-ACB674F3",
    what="health checks",
    default=HEALTH_CHECK_LIMIT,
    is_of_account=True,
)
RECORDS = ServiceQuota(
    service="route53",
    code="L-E209CC9F",
    what="records in the zone",
    default=ZONE_LIMIT,
    is_of_account=True,
    is_shared=False,
)
BUCKETS = ServiceQuota(
    service="s3", code="L-DC2B2D3D", what="buckets", default=quota.BUCKET_LIMIT, is_of_account=True
)

QUOTAS = (
    *(ADDRESSES, VPCS, NAT_GATEWAYS, GATEWAY_ENDPOINTS, INTERFACE_ENDPOINTS, GROUP_RULES, GROUPS),
    *(CONCURRENCY, STARTS, START_RATE, LOG_GROUPS, HEALTH_CHECKS, RECORDS, BUCKETS),
)


@dataclass(frozen=True, kw_only=True)
class Shortage:
    """A quota of a region that allows less than is needed.

    `others` is how much is used by what is not the registry's; None if that is not known. `code` is the one
    that AWS gives the quota, if it was found by its name.
    """

    quota: ServiceQuota
    region: str
    needed: int
    allowed: int
    others: int | None = None
    code: str = ""

    @property
    def what(self) -> str:
        """The clause with the numbers and the quota's code."""
        others = f" and others use {self.others:,}" if self.others else ""
        if self.others is None and self.quota.is_shared:
            others = " besides what others in the account use"
        return (
            f"the registry needs {self.needed:,} {self.quota.what}{others},"
            f" but quota {self.quota.label} allows {self.allowed:,}"
        )

    @property
    def request(self) -> str:
        """The command that requests the increase."""
        return request(self.quota, self.needed + (self.others or 0), region=self.region, code=self.code)


def request(quota: ServiceQuota, value: int, *, region: str, code: str = "") -> str:
    """Return the command that requests this value of a quota, which takes hours to days to be granted.

    `code` is that of a quota which has none here.
    """
    return (
        f"aws service-quotas request-service-quota-increase --service-code {quota.service}"
        f" --quota-code {quota.code or code} --desired-value {value}"
        f" --region {ACCOUNT_REGION if quota.is_of_account else region}"
    )


def needed(
    customers: Collection[Customer], *, group_rules: int, cells: Collection[str] = ()
) -> Mapping[ServiceQuota, int]:
    """Return what these customers' cells need in each region, or of the account's quotas in both together.

    `cells` are those that have stacks, with or without customers. `group_rules` is the number of rules up to
    which the program fills a security group.
    """
    count, whole = len({each.cell for each in customers}.union(cells)), quota.needs(customers, cells)
    return {
        ADDRESSES: ADDRESSES_OF_CELL * count,
        VPCS: count,
        NAT_GATEWAYS: count,
        GATEWAY_ENDPOINTS: GATEWAY_ENDPOINTS_OF_CELL * count,
        INTERFACE_ENDPOINTS: INTERFACE_ENDPOINTS_OF_CELL,
        GROUP_RULES: group_rules,
        GROUPS: quota.CUSTOMER_GROUPS + 1,
        CONCURRENCY: concurrency.OF_CELL * count + concurrency.UNRESERVED,
        # A takeover's time follows from these. Cells of an account share them: with less, nothing is lost,
        # and files that come together start later.
        STARTS: START_EXECUTION.at_once,
        START_RATE: START_EXECUTION.a_second,
        LOG_GROUPS: LOG_GROUPS_OF_CELL * count,
        HEALTH_CHECKS: whole.health_checks,
        RECORDS: whole.records,
        BUCKETS: whole.buckets,
    }


def readable(region: str) -> tuple[ServiceQuota, ...]:
    """Return the quotas that can be read in a region."""
    return tuple(each for each in QUOTAS if region == ACCOUNT_REGION or not each.is_of_account)
