"""The account's quotas: what AWS allows, what is in use, and what the registry needs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from customers import service_quotas
from customers.concurrency import UNRESERVED
from customers.quota import Needs
from customers.service_quotas import (
    ADDRESSES,
    BUCKETS,
    CONCURRENCY,
    HEALTH_CHECKS,
    RECORDS,
    ServiceQuota,
    Shortage,
)
from ops.cell_manifest import CellManifest, ManifestError
from ops.dns.dns_changes import Limit
from ops.dns.health_checks import ROUTE53
from ops.finding import Finding
from runtime import contract

#: Service-managed users of a server: https://docs.aws.amazon.com/general/latest/gr/transfer-service.html
USERS_LIMIT = 10_000

#: Returns the client of a service in one region.
ClientOf = Callable[[str], Any]


def of_route53(needs: Needs, *, checks: Limit, records: Limit, health_check_quota: int) -> Iterator[Finding]:
    """Yield where Route 53 allows less than the registry needs, or than the stack files say."""
    where = ROUTE53
    if health_check_quota > checks.allowed:
        yield Finding(
            where=where,
            what=f"mft:healthCheckQuota is {health_check_quota:,}, and AWS allows {checks.allowed:,}",
            remedy=f"{_request(HEALTH_CHECKS, health_check_quota)},"
            f" or set it to {checks.allowed:,} in both stack files",
        )
    for quota, limit, needed in (
        (HEALTH_CHECKS, checks, needs.health_checks),
        (RECORDS, records, needs.records),
    ):
        if needed > limit.allowed:
            yield Finding(
                where=where,
                what=f"the registry needs {needed:,} {quota.what}, but quota {quota.code} allows"
                f" {limit.allowed:,}",
                remedy=_request(quota, needed),
            )
        elif limit.used >= limit.allowed:
            yield Finding(
                where=where,
                what=f"all {limit.allowed:,} {quota.what} that quota {quota.code} allows exist:"
                " none can be added",
                remedy="ask AWS for more, or remove those that nobody uses",
            )


def of_region(
    needed: Mapping[ServiceQuota, int],
    *,
    region: str,
    namespace: str,
    cells: Collection[str],
    client: ClientOf,
) -> Iterator[Finding]:
    """Yield each quota of a region that allows less than the registry and others in the account need.

    `cells` are the registry's. What others use is known of addresses, of reserved concurrency and of buckets;
    where AWS does not say it, and where a quota cannot be read, that is a finding. Route 53 itself says what
    it allows: see of_route53.
    """
    uses: Mapping[ServiceQuota, Callable[[], tuple[int, int]]] = {
        ADDRESSES: lambda: _addresses(client("ec2"), cells),
        CONCURRENCY: lambda: _concurrency(client, namespace, region, cells),
        BUCKETS: lambda: _buckets(client("s3"), namespace),
    }
    quotas = client("service-quotas")
    unread, reason = [], ""
    for quota in service_quotas.readable(region):
        if quota in (HEALTH_CHECKS, RECORDS):
            continue
        try:
            found = _by_code(quotas, quota) if quota.code else _by_name(quotas, quota)
        except (ClientError, BotoCoreError, LookupError) as error:
            unread.append(f"{needed[quota]:,} {quota.what} ({quota.label})")
            reason = reason or str(error)
            continue
        allowed = int(found["Value"])
        own, others = 0, None
        if quota in uses:
            try:
                own, others = uses[quota]()
            except (ClientError, BotoCoreError) as error:
                what = f"how many {quota.what} ({quota.label}) are in use is not known: {error}"
                yield Finding(where=region, what=what)
        wanted = max(own, needed[quota])
        if wanted + (others or 0) > allowed:
            short = Shortage(
                quota=quota,
                region=region,
                needed=wanted,
                allowed=allowed,
                others=others,
                code=found["QuotaCode"],
            )
            yield Finding(where=region, what=short.what, remedy=f"run `{short.request}`")
    if unread:
        yield Finding(
            where=region,
            what=f"whether the account may have {', '.join(unread)} is not known: {reason}",
            remedy="allow `servicequotas:Get*` and `servicequotas:List*`, or look in Service Quotas' console",
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


def _by_code(quotas: Any, quota: ServiceQuota) -> Mapping[str, Any]:
    """Return a quota with the value that applies to the account; AWS states it only if it is not the default.

    https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html
    """
    which = {"ServiceCode": quota.service, "QuotaCode": quota.code}
    try:
        found = quotas.get_service_quota(**which)
    except quotas.exceptions.NoSuchResourceException:
        found = quotas.get_aws_default_service_quota(**which)
    return found["Quota"]  # type: ignore[no-any-return]  # botocore has no types


def _by_name(quotas: Any, quota: ServiceQuota) -> Mapping[str, Any]:
    """Return the same of a quota whose code is not known; LookupError if AWS lists none of its name.

    https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_ListServiceQuotas.html
    """
    for listing in ("list_service_quotas", "list_aws_default_service_quotas"):
        for page in quotas.get_paginator(listing).paginate(ServiceCode=quota.service):
            for found in page["Quotas"]:
                if found["QuotaName"] == quota.name:
                    return found  # type: ignore[no-any-return]  # botocore has no types
    raise LookupError(f"AWS lists no quota of {quota.service} of the name {quota.name!r}")


def _addresses(ec2: Any, cells: Collection[str]) -> tuple[int, int]:
    """Return how many Elastic IP addresses cells of the registry have, by their tags, and others."""
    owners = [
        next((tag["Value"] for tag in address.get("Tags", ()) if tag["Key"] == "mft:cell"), None)
        for address in ec2.describe_addresses()["Addresses"]
    ]
    own = sum(owner in cells for owner in owners)
    return own, len(owners) - own


def _concurrency(client: ClientOf, namespace: str, region: str, cells: Collection[str]) -> tuple[int, int]:
    """Return what cells of the registry, and others, need of a region's concurrency.

    AWS keeps a part of it for functions that reserve nothing; the registry's need contains that part.
    """
    functions = client("lambda")
    limits = functions.get_account_settings()["AccountLimit"]
    reserved = limits["ConcurrentExecutions"] - limits["UnreservedConcurrentExecutions"]
    own = sum(
        functions.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions", 0)
        for manifest in _deployed(client("ssm"), namespace, region, cells)
        for name in manifest.functions.values()
    )
    return own + UNRESERVED, reserved - own


def _deployed(parameters: Any, namespace: str, region: str, cells: Collection[str]) -> list[CellManifest]:
    """Return the manifests of the cells that are deployed in a region."""
    found, side = [], contract.SIDE_OF[region]
    for cell in sorted(cells):
        with suppress(ManifestError):
            found.append(CellManifest.read(namespace=namespace, cell=cell, side=side, parameters=parameters))
    return found


def _buckets(s3: Any, namespace: str) -> tuple[int, int]:
    """Return how many buckets have names of the namespace, and others."""
    pages = s3.get_paginator("list_buckets").paginate()
    names = [bucket["Name"] for page in pages for bucket in page["Buckets"]]
    own = sum(name.startswith(f"{namespace}-") for name in names)
    return own, len(names) - own


def _request(quota: ServiceQuota, value: int) -> str:
    return f"run `{service_quotas.request(quota, value, region=service_quotas.ACCOUNT_REGION)}`"
