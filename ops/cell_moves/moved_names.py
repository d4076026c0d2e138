"""The twelve DNS records of a customer, changed to another cell in one request: all of them, or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from customers import dns
from customers.model import Customer
from customers.route53 import ROLES, Record, RecordChange, absolute
from ops.dns.dns_changes import HostedZone
from ops.dns.health_checks import Checks, usual_check
from ops.dns.name_servers import NameServers
from ops.environment import Environment
from ops.finding import deploy
from ops.plan import COMMAND, RefusedError
from runtime.contract import REGION_OF, SIDES

#: Seconds within which the zone's name servers answer with changes that Route 53 reports to be in sync.
_SEEN_WITHIN = 30.0


@dataclass(frozen=True, kw_only=True)
class MovedNames:
    """The records as they will be, or are already, and what is left to change."""

    records: tuple[Record, ...]
    changes: tuple[RecordChange, ...]

    @classmethod
    def plan(cls, customer: Customer, environment: Environment, zone: HostedZone) -> MovedNames:
        """Return what leads a customer's names to the cell that it is given as, which `environment` is of.

        Raises RefusedError if a record, or the health check that it will carry, is missing.
        """
        found = {(each.host, each.type, each.set_identifier): each for each in zone.records()}
        checks = Checks(environment, zone.checks())
        wanted = [each for side in SIDES for each in _wanted(customer, side, environment, found, checks)]
        now = {(each.host, each.type, each.set_identifier): each for each in wanted}
        changes = [RecordChange("UPSERT", each) for key, each in now.items() if found[key] != each]
        return cls(records=tuple(wanted), changes=tuple(changes))

    @property
    def document(self) -> dict[str, list[Any]]:
        """The records as they will be, by name, type and side."""
        return {
            f"{each.host} {each.type} {each.set_identifier}": [list(each.values), each.health_check]
            for each in self.records
        }

    def apply(self, zone: HostedZone, comment: str, *, name: str) -> list[str]:
        """Change what is left, and wait for it; return what name servers of the zone `name` say instead."""
        if self.changes and (change := zone.change(self.changes, comment)):
            zone.wait([change])
        servers = NameServers.of(name)
        primaries = [each for each in self.records if each.failover == ROLES[0]]
        silent = [f"the name server {each}" for each in servers.silent]
        return [*silent, *servers.unseen(primaries, within=_SEEN_WITHIN)]


def elsewhere(customer: Customer, environment: Environment, zone: HostedZone) -> list[str]:
    """Return a sentence if any of a customer's names leads to another cell than the one it is given as."""
    ours = {
        (absolute(half.name), half.type, side): dns.record(half, health_check=None).values
        for side in SIDES
        for half in dns.halves(customer, side, environment.namespace, environment.zone)
    }
    found = {(each.host, each.type, each.set_identifier): each.values for each in zone.records()}
    moved = sorted(key[0] for key, values in ours.items() if found.get(key, values) != values)
    if not moved:
        return []
    return [
        f"{customer.id}: {moved[0]} leads to another cell already, so the way is forward:"
        f" {COMMAND} cell move {customer.id}"
    ]


def _wanted(
    customer: Customer,
    side: str,
    environment: Environment,
    found: Mapping[Any, Record],
    checks: Checks,
) -> list[Record]:
    check = usual_check(customer)
    id = checks.id(side, check)
    if id is None:
        raise RefusedError(
            f"{REGION_OF[side]} has no health check {check!r} in cell {customer.cell}; {deploy(side)}"
        )
    records = []
    for half in dns.halves(customer, side, environment.namespace, environment.zone):
        key = (absolute(half.name), half.type, side)
        if key not in found:
            raise RefusedError(f"{half.name} {half.type} of {side} does not exist; {deploy(side)}")
        values = dns.record(half, health_check=id).values
        records.append(replace(found[key], values=values, health_check=id))
    return records
