"""Checks before the first resource: AWS's quotas are sufficient, and the zone of the settings exists.

Quotas are compared twice: with the settings, without AWS, and with what Service Quotas says of the account.
"""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from components.settings import Settings, SettingsError
from customers import quota, service_quotas
from customers.registry import Registry
from customers.service_quotas import ServiceQuota, Shortage


def check_quotas(settings: Settings, registry: Registry) -> None:
    """Raise SettingsError, with the numbers and remedies, if the registry needs more than AWS's quotas."""
    refused = quota.refusals(
        registry.customers,
        health_checks=settings.health_check_quota,
        group_rules=settings.group_rule_quota,
    )
    if refused:
        raise SettingsError("\n".join(refused))


def check_zone(settings: Settings, *, provider: aws.Provider) -> None:
    """Raise SettingsError unless the hosted zone of the settings exists and has the name in the settings.

    The provider itself refuses a wrong account, by its `allowed_account_ids`.
    """
    where = f"Pulumi.{settings.stack}.yaml: mft:zoneId: {settings.zone_id}"
    remedy = f"run: pulumi config set mft:zoneId ID --stack {settings.stack}"
    try:
        zone = aws.route53.get_zone(zone_id=settings.zone_id, opts=pulumi.InvokeOptions(provider=provider))
    except Exception as error:  # an invoke raises nothing narrower
        raise SettingsError(
            f"{where} cannot be read in account {settings.account}: {error}; {remedy}"
        ) from error
    if zone.name.rstrip(".") != settings.zone:
        raise SettingsError(f"{where} is the zone {zone.name!r}, not {settings.zone!r}; {remedy}")


def check_service_quotas(settings: Settings, registry: Registry, *, provider: aws.Provider) -> None:
    """Raise SettingsError, with a line for each quota of this region that allows less than is needed.

    What the account uses otherwise is not known here. A quota that cannot be read is a warning. The quotas of
    the whole account can be read in us-gov-west-1 only, so the eastern stack leaves them to the western one,
    and does not depend on that region.
    """
    needed = service_quotas.needed(registry.customers, group_rules=settings.group_rule_quota)
    short, unread, reason = [], [], ""
    for each in service_quotas.readable(settings.region):
        try:
            allowed = _allowed(each, provider)
        except Exception as error:  # an invoke raises nothing narrower
            unread.append(f"{needed[each]:,} {each.what} ({each.code})")
            reason = reason or str(error)
            continue
        if needed[each] > allowed:
            short.append(Shortage(quota=each, region=settings.region, needed=needed[each], allowed=allowed))
    if unread:
        pulumi.log.warn(
            f"{settings.region}: some quotas cannot be read; check in Service Quotas that the account may"
            f" have {', '.join(unread)}: {reason}"
        )
    if short:
        raise SettingsError("\n".join(f"{each.region}: {each.what}; run: {each.request}" for each in short))


def _allowed(each: ServiceQuota, provider: aws.Provider) -> int:
    found = aws.servicequotas.get_service_quota(
        service_code=each.service, quota_code=each.code, opts=pulumi.InvokeOptions(provider=provider)
    )
    return int(found.value)
