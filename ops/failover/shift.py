"""Shifting customers: their six halves in a region carry a check that is never healthy, or the usual one.

Route 53 then answers with the other region for these customers alone. `evacuate` takes a region out for all
customers, and does not need Route 53's control plane.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from customers import dns
from customers.model import Customer
from customers.route53 import Record, RecordChange, absolute
from ops.cell import DeployedCell
from ops.dns.dns_changes import CONTROL_SIDE, ControlPlaneError, HostedZone, batches
from ops.dns.health_checks import Checks, usual_check
from ops.environment import Environment
from ops.failover import interlocks
from ops.finding import deploy
from ops.logbook import Logbook, Recording
from ops.plan import RefusedError, command, digest
from ops.registry import in_service, read_registry
from runtime.contract import REGION_OF, SIDES, peer_of


@dataclass(frozen=True, kw_only=True)
class Shift:
    """What is done for one customer: nothing when there are no changes."""

    customer: str
    records: tuple[Record, ...]
    """The customer's halves as they will be, or are already."""
    changes: tuple[RecordChange, ...]


@dataclass(frozen=True, kw_only=True)
class ShiftPlan:
    """Customers that are shifted out of a side, or back when `out_of` is None."""

    out_of: str | None
    shifts: tuple[Shift, ...]
    override: str | None = None
    """The sentence that was typed because the region that takes the customers is not ready."""
    warnings: tuple[str, ...] = ()

    @property
    def document(self) -> dict[str, dict[str, Any]]:
        """The health check that each half will carry, by customer; the digest stands for it."""
        return {
            shift.customer: {
                f"{record.host} {record.type} {record.set_identifier}": record.health_check
                for record in shift.records
            }
            for shift in self.shifts
        }

    @property
    def digest(self) -> str:
        """The digest of the plan; it does not depend on how much of the plan is done."""
        return digest(self.document)

    @property
    def batches(self) -> int:
        """The number of requests that change Route 53."""
        return len(list(batches(shift.changes for shift in self.shifts)))


class Shifting:
    """Shifts the customers of an environment, whose registry is beside its stack files below `root`."""

    def __init__(self, environment: Environment, root: Path, zone: HostedZone) -> None:
        self._environment, self._zone = environment, zone
        self._registry = read_registry(environment, root)

    def plan(self, ids: Iterable[str], out_of: str | None, *, override: str | None = None) -> ShiftPlan:
        """Return the plan that shifts these customers.

        Raises RefusedError, with all problems, when the other region is out, when one of the customers is out
        of it, and when it is not ready, unless `override` is the sentence that names that doubt.
        """
        customers = in_service(self._registry, self._environment.cell, ids)
        # Route 53 comes first: while its control plane is dead, an operator need not wait for anything else.
        try:
            found = {(r.host, r.type, r.set_identifier): r for r in self._zone.records()}
        except ControlPlaneError as error:
            raise interlocks.without_control_plane(self._environment, error) from error
        warnings = interlocks.keeps_in(self._environment, peer_of(out_of)) if out_of else []
        checks = _Usable(Checks(self._environment, self._zone.checks()))
        problems: list[str] = []
        shifts = []
        for customer in customers:
            try:
                shifts.append(self._shift(customer, out_of, found, checks))
            except RefusedError as error:
                problems.append(str(error))
        if problems:
            raise RefusedError("\n".join(problems))
        if out_of:
            there = DeployedCell(environment=self._environment, side=peer_of(out_of))
            override = interlocks.settle(interlocks.ready(there), override)
        return ShiftPlan(
            out_of=out_of,
            shifts=tuple(shifts),
            override=override if out_of else None,
            warnings=tuple(warnings),
        )

    def apply(self, plan: ShiftPlan, *, why: str, shifted: Callable[[int], None]) -> Recording:
        """Carry out what is left of the plan; `shifted` is called with the number of customers just done.

        The action is recorded in the region that takes the customers or, when they come back, in that of
        Route 53's control plane.
        """
        acting = peer_of(plan.out_of) if plan.out_of else CONTROL_SIDE
        book = Logbook(DeployedCell(environment=self._environment, side=acting), "shift")
        recorded = book.recorded(digest=plan.digest, plan=plan.document, why=why, override=plan.override)
        with recorded as recording:
            shifted(sum(not shift.changes for shift in plan.shifts))
            whose = {change.record: shift.customer for shift in plan.shifts for change in shift.changes}
            words = f"shift out of {REGION_OF[plan.out_of]}" if plan.out_of else "shift back"
            under_way = []
            for batch in batches(shift.changes for shift in plan.shifts):
                under_way.append(self._zone.change(batch, f"{words}, plan {plan.digest}"))
                shifted(len({whose[change.record] for change in batch}))
            self._zone.wait(id for id in under_way if id)
            recording.outcome = {"customers": len(plan.shifts), "requests": len(under_way)}
        return recording

    def _shift(
        self, customer: Customer, out_of: str | None, found: dict[Any, Record], checks: _Usable
    ) -> Shift:
        if out_of:
            there = self._halves(customer, peer_of(out_of), found)
            if any(each.health_check == checks.out(peer_of(out_of)) for each in there):
                raise RefusedError(
                    f"{customer.id} is shifted out of {REGION_OF[peer_of(out_of)]}, and would be nowhere;"
                    f" bring it back first: {command('shift', customer.id, '--back')}"
                )
        wanted: list[Record] = []
        changes = []
        for side in (out_of,) if out_of else SIDES:
            check = checks.out(side) if out_of else checks.usual(customer, side)
            for half in self._halves(customer, side, found):
                wanted.append(replace(half, health_check=check))
                if half != wanted[-1]:
                    changes.append(RecordChange("UPSERT", wanted[-1]))
        return Shift(customer=customer.id, records=tuple(wanted), changes=tuple(changes))

    def _halves(self, customer: Customer, side: str, found: dict[Any, Record]) -> list[Record]:
        environment = self._environment
        halves = dns.halves(customer, side, namespace=environment.namespace, zone=environment.zone)
        try:
            return [found[absolute(half.name), half.type, side] for half in halves]
        except KeyError as error:
            raise RefusedError(
                f"{customer.id}: {error.args[0][0]} {error.args[0][1]} has no half of {side} in Route 53;"
                f" {deploy(side)}, then plan again"
            ) from error


class _Usable:
    """The ids of the health checks that records carry; RefusedError unless there is exactly one of a kind."""

    def __init__(self, checks: Checks) -> None:
        self._checks = checks

    def out(self, side: str) -> str:
        """Return the id of the check that is never healthy."""
        return self._find(side, "out")

    def usual(self, customer: Customer, side: str) -> str:
        """Return the id of the check that the registry gives a customer in the cell of a side."""
        return self._find(side, usual_check(customer))

    def _find(self, side: str, check: str) -> str:
        found = self._checks.find(side, check)
        if len(found) != 1:
            raise RefusedError(
                f"{REGION_OF[side]} has {len(found)} health checks {check!r}, and must have exactly one;"
                f" {deploy(side)}, then plan again"
            )
        return str(found[0]["Id"])
