"""Whether Route 53 holds the records and health checks that the registry requires."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from customers import dns, names, quota
from customers.model import Customer
from customers.registry import Registry
from customers.route53 import Record, absolute
from ops.cell_manifest import CellManifest
from ops.dns import account_quotas
from ops.dns.dns_changes import CONTROL_REGION, ControlPlaneError, HostedZone, WrongZoneError
from ops.dns.health_checks import ROUTE53, Checks, usual_check
from ops.environment import Environment
from ops.finding import Finding, deploy
from ops.plan import command
from runtime.contract import REGION_OF, SIDES


class Records:
    """The records of the zone that Route 53 holds."""

    def __init__(self, environment: Environment, records: Iterable[Record], checks: Checks) -> None:
        self._environment, self._checks = environment, checks
        self._found = {(each.host, each.type, each.set_identifier): each for each in records}

    def shifted(self, customer: Customer) -> list[str]:
        """Return the sides that a customer is shifted out of: a record there carries the check `out`."""
        return [
            side
            for side in SIDES
            if (out := self._checks.id(side, "out"))
            and any(
                found.health_check == out
                for half in self._halves(customer, side)
                if (found := self._found.get((absolute(half.name), half.type, side)))
            )
        ]

    def of_cells(self, manifests: Mapping[str, CellManifest]) -> Iterator[Finding]:
        """Yield where the address records of the cells' endpoints differ from the cells' addresses."""
        environment = self._environment
        for side, its in manifests.items():
            host = names.cell_host(side, environment.cell, environment.zone)
            found = self._found.get((absolute(host), "A", None))
            if found is None or set(found.values) != set(its.addresses):
                held = ", ".join(sorted(found.values)) if found else "nothing"
                wanted = ", ".join(sorted(its.addresses))
                what = f"{host} A is {held}, and the cell's addresses are {wanted}"
                yield Finding(where=ROUTE53, what=what, remedy=deploy(side))

    def of_customer(self, customer: Customer) -> Iterator[Finding]:
        """Yield how a customer's twelve records differ; a customer that is not active must have none.

        While it moves, the records may be those of its other cell.
        """
        for side in SIDES:
            halves = self._halves(customer, side)
            for what in filter(None, (self._half(customer, half) for half in halves)):
                yield Finding(where=ROUTE53, customer=customer.id, what=what, remedy=deploy(side))
        if customer.is_in_service:
            for side in self.shifted(customer):
                yield Finding(
                    where=ROUTE53,
                    customer=customer.id,
                    what=f"it is shifted out of {REGION_OF[side]}",
                    remedy=command("shift", customer.id, "--back"),
                )

    def strangers(self, known: Iterable[str]) -> Iterator[Finding]:
        """Yield the ids that have records but are not in `known`, the customers of the whole registry."""
        tail = absolute(self._environment.zone)
        hosts = {host.removesuffix(f".{tail}") for host, _, side in self._found if side in SIDES}
        ids = {host.rpartition(".")[2] for host in hosts}
        for id in sorted(ids - set(known)):
            what = "it has records, but is not in the registry"
            yield Finding(where=ROUTE53, customer=id, what=what, remedy=deploy(*SIDES))

    def _halves(self, customer: Customer, side: str) -> tuple[dns.Half, ...]:
        return dns.halves(customer, side, self._environment.namespace, self._environment.zone)

    def _half(self, customer: Customer, half: dns.Half) -> str | None:
        side = half.set_identifier
        found = self._found.get((absolute(half.name), half.type, side))
        name = f"{half.name} {half.type} of {side}"
        if not customer.is_in_service:
            if found is None or customer.move is not None:
                return None
            return f"{name} exists, and a customer that is {customer.stage} has none"
        if found is None:
            return f"{name} does not exist"
        wanted = dns.record(half, health_check=found.health_check)
        fields = {"failover": "role", "ttl": "TTL", "values": "value"}
        different = [
            f"{word} {_shown(getattr(found, field))}, not {_shown(getattr(wanted, field))}"
            for field, word in fields.items()
            if not _is_same(half.type, getattr(found, field), getattr(wanted, field))
        ]
        own = usual_check(customer)
        usual = {self._checks.id(side, own), self._checks.id(side, "out")}
        if found.health_check not in usual or not found.health_check:
            different.append(f"health check {found.health_check or 'none'}, not that of `{own}`")
        return f"{name} has {'; '.join(different)}" if different else None


def _is_same(type: str, found: Any, wanted: Any) -> bool:
    if type == "CNAME" and isinstance(found, tuple):
        return [absolute(each) for each in found] == [absolute(each) for each in wanted]
    return bool(found == wanted)


def _shown(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def look(
    environment: Environment,
    zone: HostedZone,
    registry: Registry,
    customers: Sequence[Customer],
    *,
    manifests: Mapping[str, CellManifest],
    health_check_quota: int,
) -> tuple[list[Finding], dict[str, set[str]]]:
    """Return the findings, and, by customer, the sides that it is shifted out of according to Route 53."""
    shifted: dict[str, set[str]] = {each.id: set() for each in customers}
    try:
        checks = Checks(environment, zone.checks())
        records = Records(environment, zone.records(), checks)
        of_checks, of_records = zone.limits()
    except ControlPlaneError as error:
        what = f"its control plane, in {CONTROL_REGION}, does not answer: {error.__cause__}"
        remedy = "records, health checks and quotas are not compared; `mft-ops evacuate` does not need it"
        return [Finding(where=ROUTE53, what=what, remedy=remedy)], shifted
    except WrongZoneError as error:
        return [Finding(where=ROUTE53, what=str(error))], shifted
    except (ClientError, BotoCoreError) as error:
        return [Finding(where=ROUTE53, what=f"what it holds is not known: {error}")], shifted
    findings = [*checks.differences(customers), *records.of_cells(manifests)]
    for customer in customers:
        findings += records.of_customer(customer)
        if customer.is_in_service:
            shifted[customer.id] = set(records.shifted(customer))
    findings += records.strangers(each.id for each in registry.customers)
    needed = quota.needs(registry.placed)
    findings += account_quotas.of_route53(
        needed, checks=of_checks, records=of_records, health_check_quota=health_check_quota
    )
    return findings, shifted
