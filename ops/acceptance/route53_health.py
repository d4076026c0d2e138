"""Health checks as Route 53 sees them, and the answers of the zone's name servers that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from customers.model import Customer
from ops.acceptance.observation import Check, Observations
from ops.dns import dns_answers
from ops.dns.dns_changes import CONTROL_SIDE, HostedZone
from ops.dns.health_checks import ROUTE53, Checks, usual_check
from ops.dns.name_servers import NameServers
from ops.environment import Environment
from ops.health import cell_metrics
from ops.health.cell_metrics import RECENT, Series
from runtime.contract import REGION_OF, SIDES

#: How the description of a status begins that a health checker reports, if all is well:
#: https://docs.aws.amazon.com/Route53/latest/APIReference/API_StatusReport.html
_WELL = "Success"


def look(environment: Environment, customer: Customer, observed: Observations) -> None:
    """Note whether the checks of both cells and of a customer are healthy, and its names answer as usual."""
    with observed.attempt(Check.HEALTH, ROUTE53, "its health checks are known"):
        checks = list(HostedZone(environment).checks())
        known, named = {each["Id"]: each for each in checks}, Checks(environment, checks)
        for side in SIDES:
            for name in dict.fromkeys(("cell", usual_check(customer))):
                _check(environment, named, known, side, name, observed)
    with observed.attempt(Check.HEALTH, dns_answers.DNS, f"the names of {customer.id} answer as usual"):
        servers = NameServers.of(environment.zone)
        wanted = list(dns_answers.expected(environment, customer, ()))
        left = [*servers.silent, *servers.unseen(wanted, within=0)]
        found = "; ".join(left) or f"{len(wanted)} answers of {len(servers.servers)} name servers"
        what = f"the names of {customer.id} answer as usual"
        observed.note(Check.HEALTH, dns_answers.DNS, what, not left, found)


def _check(
    environment: Environment,
    named: Checks,
    known: Mapping[str, Mapping[str, Any]],
    side: str,
    name: str,
    observed: Observations,
) -> None:
    """Note whether a check of a side and everything that it combines are healthy."""
    what = f"the check `{name}` of {REGION_OF[side]} is healthy"
    with observed.attempt(Check.HEALTH, ROUTE53, what):
        id = named.id(side, name)
        if id is None:
            observed.note(Check.HEALTH, ROUTE53, what, False, "there is not exactly one such check")
            return
        is_well, said = _state(environment, known, id)
        observed.note(Check.HEALTH, ROUTE53, what, is_well, said)


def _state(environment: Environment, known: Mapping[str, Mapping[str, Any]], id: str) -> tuple[bool, str]:
    """Return whether a check is healthy, and what says so.

    That is, for a calculated check, its children: GetHealthCheckStatus does not take it
    (https://docs.aws.amazon.com/Route53/latest/APIReference/API_GetHealthCheckStatus.html). For
    another, it is the reports of health checkers or, where there are none, the check's metric.
    """
    config = known[id]["HealthCheckConfig"]
    if config.get("Disabled"):
        return True, "disabled, which counts as healthy"
    if config["Type"] == "CALCULATED":
        found = [_state(environment, known, child) for child in config.get("ChildHealthChecks", ())]
        well, threshold = sum(is_well for is_well, _ in found), config["HealthThreshold"]
        words = f"{well} of {len(found)} healthy, {threshold} needed ({'; '.join(said for _, said in found)})"
        return (well >= threshold) != bool(config.get("Inverted")), words
    route53 = environment.client("route53", CONTROL_SIDE)
    reports = route53.get_health_check_status(HealthCheckId=id)["HealthCheckObservations"]
    statuses = sorted({each["StatusReport"]["Status"] for each in reports})
    if not statuses:
        return _metric(environment, id)
    # What checkers report is not inverted.
    is_well = all(each.startswith(_WELL) for each in statuses) != bool(config.get("Inverted"))
    return is_well, ", ".join(statuses)


def _metric(environment: Environment, id: str) -> tuple[bool, str]:
    """Return what HealthCheckStatus says, the metric of checks of every type (1 is healthy).

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/monitoring-cloudwatch.html
    """
    series = [Series("AWS/Route53", "HealthCheckStatus", {"HealthCheckId": id}, "Minimum")]
    cloudwatch = environment.client("cloudwatch", CONTROL_SIDE)
    (values,) = cell_metrics.ask(cloudwatch, series, since=datetime.now(UTC) - RECENT)
    if not values:
        return False, "Route 53 has published no status"
    return values[-1][1] >= 1, f"HealthCheckStatus {values[-1][1]:.0f}"
