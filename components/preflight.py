"""Checks before the first resource: AWS's quotas are sufficient, and the zone of the settings exists."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from components.settings import Settings, SettingsError
from customers import quota
from customers.registry import Registry


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
