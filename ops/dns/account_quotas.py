"""The account's quotas: what AWS allows, what is in use, and what the registry needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from customers.quota import BUCKET_LIMIT, Needs
from ops.dns.dns_changes import Limit
from ops.dns.health_checks import ROUTE53
from ops.finding import Finding

#: Service-managed users of a server: https://docs.aws.amazon.com/general/latest/gr/transfer-service.html
USERS_LIMIT = 10_000


def of_route53(needs: Needs, *, checks: Limit, records: Limit, health_check_quota: int) -> Iterator[Finding]:
    """Yield where Route 53 allows less than the registry needs, or than the stack files say."""
    where = ROUTE53
    if health_check_quota > checks.allowed:
        yield Finding(
            where=where,
            what=f"mft:healthCheckQuota is {health_check_quota:,}, and AWS allows {checks.allowed:,}",
            remedy=f"ask AWS for more health checks, or set it to {checks.allowed:,} in both stack files",
        )
    for what, limit, needed in (
        ("health checks", checks, needs.health_checks),
        ("records", records, needs.records),
    ):
        if needed > limit.allowed:
            yield Finding(
                where=where,
                what=f"the registry needs {needed:,} {what}, and {limit.allowed:,} are allowed",
                remedy=f"ask AWS for {needed:,}",
            )
        elif limit.used >= limit.allowed:
            yield Finding(
                where=where,
                what=f"all {limit.allowed:,} {what} that are allowed exist: none can be added",
                remedy="ask AWS for more, or remove those that nobody uses",
            )


def of_account(needs: Needs, *, region: str, buckets: int) -> Iterator[Finding]:
    """Yield whether the account has room for the buckets it needs. Any region lists all of an account's."""
    if max(needs.buckets, buckets) >= BUCKET_LIMIT:
        yield Finding(
            where=region,
            what=f"the account has {buckets:,} buckets, the registry needs {needs.buckets:,}, and"
            f" {BUCKET_LIMIT:,} are allowed",
            remedy="ask AWS for more, or serve some customers from another account",
        )


def of_servers(users: Mapping[str, int]) -> Iterator[Finding]:
    """Yield the regions whose server has as many users as AWS allows."""
    for region, count in users.items():
        if count >= USERS_LIMIT:
            yield Finding(
                where=region,
                what=f"the SFTP server has {count:,} users, and {USERS_LIMIT:,} are allowed",
                remedy="serve new customers from another cell",
            )
