"""Checks before the first resource: the place of the state, AWS's quotas, and the zone of the settings.

Quotas are compared twice: with the settings, without AWS, and with what Service Quotas says of the account.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pulumi
import pulumi_aws as aws

from components.settings import Settings, SettingsError
from customers import quota, service_quotas
from customers.problems import RegistryError
from customers.registry import Registry
from customers.service_quotas import ServiceQuota, Shortage
from customers.stack_files import StackFileError, served_cells

#: What a program sees as its organization if the state is in a backend of one's own, which has none:
#: https://github.com/pulumi/pulumi/blob/v3.272.0/pkg/backend/diy/snapshot.go
SELF_MANAGED = "organization"

_BACKEND = "PULUMI_BACKEND_URL"


def check_backend(settings: Settings) -> None:
    """Raise SettingsError if the stack's state is in Pulumi Cloud, or in a place other than its own region.

    A backend that was chosen by `pulumi login` cannot be seen, except that it is not Pulumi Cloud. A folder
    is accepted: a trial may keep its state there.
    """
    remedy = f"run: export {_BACKEND}='s3://BUCKET?region={settings.region}&awssdk=v2'"
    if (organization := pulumi.get_organization()) != SELF_MANAGED:
        raise SettingsError(
            f"{settings.stack}: the state is in Pulumi Cloud (organization {organization!r}), outside of "
            f"GovCloud; {remedy}"
        )
    url = urlsplit(os.environ.get(_BACKEND, ""))
    if url.scheme in ("", "file"):
        return
    if url.scheme != "s3":
        raise SettingsError(f"{_BACKEND}: {url.scheme}:// is not S3 in {settings.region}; {remedy}")
    region = parse_qs(url.query).get("region", [""])[-1]
    if region != settings.region:
        fault = f"is in {region}" if region else "names no region"
        raise SettingsError(
            f"{_BACKEND}: s3://{url.netloc} {fault}, but {settings.stack} is in {settings.region} and keeps "
            f"its state there, so that it outlives the loss of the other region; {remedy}"
        )


def check_cells(settings: Settings, registry: Registry, project: Path) -> frozenset[str]:
    """Return the numbers of the cells that have a pair of stack files below `project`, and of this one.

    Raises SettingsError if a customer names another cell: it would be in no stack, and nobody would notice.
    """
    try:
        cells = served_cells(project) | {settings.cell}
    except StackFileError as error:
        raise SettingsError(str(error)) from error
    if problems := registry.unserved(cells):
        raise SettingsError("\n".join(RegistryError(problems).lines))
    return cells


def check_quotas(settings: Settings, registry: Registry, cells: Collection[str]) -> None:
    """Raise SettingsError, with the numbers and remedies, if the registry needs more than AWS's quotas."""
    refused = quota.refusals(
        registry.placed,
        cells=cells,
        health_checks=settings.health_check_quota,
        group_rules=settings.group_rule_quota,
    )
    if refused:
        raise SettingsError("\n".join(refused))


def check_zone(settings: Settings, *, provider: aws.Provider) -> None:
    """Raise SettingsError unless the settings' hosted zone is a public one with the name in the settings.

    It is the first question to AWS, so what is wrong with the credentials shows here. The provider itself
    refuses a wrong account, by its `allowed_account_ids`.
    """
    where = f"Pulumi.{settings.stack}.yaml: mft:zoneId: {settings.zone_id}"
    remedy = f"run: pulumi config set mft:zoneId ID --stack {settings.stack}"
    try:
        zone = aws.route53.get_zone(zone_id=settings.zone_id, opts=pulumi.InvokeOptions(provider=provider))
    except Exception as error:  # an invoke raises nothing narrower
        raise SettingsError(
            _about_credentials(str(error), settings)
            or f"{where} cannot be read in account {settings.account}: {error}; {remedy}"
        ) from error
    if zone.private_zone:
        raise SettingsError(f"{where} is a private zone, which customers' resolvers do not see; {remedy}")
    if zone.name.rstrip(".") != settings.zone:
        raise SettingsError(f"{where} is the zone {zone.name!r}, not {settings.zone!r}; {remedy}")


def _about_credentials(said: str, settings: Settings) -> str | None:
    """Return the message for credentials that are missing or of another account, by the provider's words.

    https://github.com/hashicorp/terraform-provider-aws/blob/v6.0.0/internal/conns/config.go and
    https://github.com/hashicorp/aws-sdk-go-base
    """
    if "account ID not allowed" in said:
        return (
            f"Pulumi.{settings.stack}.yaml: mft:accountId: {settings.account} is not the account of the"
            f" credentials: {said}; use credentials of that account, or run:"
            f" pulumi config set mft:accountId ID --stack {settings.stack}"
        )
    if "No valid credential sources" in said:
        return f"there are no usable AWS credentials: {said}; give some of account {settings.account}"
    return None


def check_service_quotas(
    settings: Settings, registry: Registry, cells: Collection[str], *, provider: aws.Provider
) -> None:
    """Raise SettingsError, with a line for each quota of this region that allows less than is needed.

    What the account uses otherwise is not known here. A quota that cannot be read is a warning. The quotas of
    the whole account can be read in us-gov-west-1 only, so the eastern stack leaves them to the western one,
    and does not depend on that region.
    """
    needed = service_quotas.needed(registry.placed, cells=cells, group_rules=settings.group_rule_quota)
    short, unread, reason = [], [], ""
    for each in service_quotas.readable(settings.region):
        try:
            allowed, code = _allowed(each, provider)
        except Exception as error:  # an invoke raises nothing narrower
            unread.append(f"{needed[each]:,} {each.what} ({each.label})")
            reason = reason or str(error)
            continue
        if needed[each] > allowed:
            short.append(
                Shortage(quota=each, region=settings.region, needed=needed[each], allowed=allowed, code=code)
            )
    if unread:
        pulumi.log.warn(
            f"{settings.region}: some quotas cannot be read; check in Service Quotas that the account may"
            f" have {', '.join(unread)}: {reason}"
        )
    if short:
        raise SettingsError("\n".join(f"{each.region}: {each.what}; run: {each.request}" for each in short))


def _allowed(each: ServiceQuota, provider: aws.Provider) -> tuple[int, str]:
    """Return the value of a quota, and its code."""
    found = aws.servicequotas.get_service_quota(
        service_code=each.service,
        quota_code=each.code or None,
        quota_name=None if each.code else each.name,
        opts=pulumi.InvokeOptions(provider=provider),
    )
    return int(found.value), found.quota_code
