"""Shifting customers: their six halves in one region carry a check that is never healthy, or their own again.

Route 53 then answers with the other region for these customers alone. A region is taken out for all of them
by `ops evacuate`, which needs nothing of Route 53's control plane.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from customers import dns
from customers.model import Customer
from customers.route53 import Record, RecordChange, absolute
from ops import plan_store
from ops.cell import DeployedCell
from ops.dns.dns_changes import CONTROL_SIDE, HostedZone, batches
from ops.dns.health_checks import Checks
from ops.environment import Environment
from ops.failover import interlocks
from ops.logbook import Logbook, Recording
from ops.plan import RefusedError, digest
from ops.registry import in_service, read_registry
from runtime.contract import REGION_OF, SIDES, peer_of


@dataclass(frozen=True, kw_only=True)
class Shift:
    """What is done for one customer; nothing when there is nothing to change."""

    customer: str
    records: tuple[Record, ...]
    """Its halves as they will be, or are."""
    changes: tuple[RecordChange, ...]


@dataclass(frozen=True, kw_only=True)
class ShiftPlan:
    """Who is shifted out of which side, or back where that is None."""

    out_of: str | None
    shifts: tuple[Shift, ...]
    override: str | None = None
    """The sentence that was typed because the region that they go to is not ready."""
    warnings: tuple[str, ...] = ()

    @property
    def document(self) -> dict[str, dict[str, Any]]:
        """What will be, by customer: the health check of each half."""
        return {
            shift.customer: {
                f"{record.host} {record.type} {record.set_identifier}": record.health_check
                for record in shift.records
            }
            for shift in self.shifts
        }

    @property
    def digest(self) -> str:
        """What stands for the plan; what has been done of it is no part of it."""
        return digest(self.document)

    @property
    def batches(self) -> int:
        """How many requests change Route 53."""
        return len(list(batches(shift.changes for shift in self.shifts)))


class Shifting:
    """Shifts the customers of an environment, whose registry is beside its stack files below `root`."""

    def __init__(self, environment: Environment, root: Path, zone: HostedZone) -> None:
        self._environment, self._root, self._zone = environment, root, zone
        self._registry = read_registry(environment, root)

    def plan(self, ids: Iterable[str], out_of: str | None, *, override: str | None = None) -> ShiftPlan:
        """Return the plan; RefusedError with all problems.

        Nobody is shifted out of a region while the other one is out, or while they are out of that, or while
        it is not ready, unless `override` is the sentence that says so.
        """
        customers = in_service(self._registry, self._environment.cell, ids)
        # First what cannot be done without: while it is dead, nobody waits for anything else.
        found = {(r.host, r.type, r.set_identifier): r for r in self._zone.records()}
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
        plan = ShiftPlan(
            out_of=out_of,
            shifts=tuple(shifts),
            override=override if out_of else None,
            warnings=tuple(warnings),
        )
        plan_store.keep(self._root, plan.document)
        return plan

    def apply(self, plan: ShiftPlan, *, why: str, shifted: Callable[[int], None]) -> Recording:
        """Do what is left of the plan; `shifted` is called with how many more customers are done.

        It is recorded where the customers go, or, when they come back, where Route 53's control plane is.
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
                    f" bring it back first: python -m ops shift {customer.id} --back"
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
                f" run `pulumi up --refresh` on gov-{side}, then plan again"
            ) from error


class _Usable:
    """The health checks that records carry, by their ids; RefusedError where there is not one of them."""

    def __init__(self, checks: Checks) -> None:
        self._checks = checks

    def out(self, side: str) -> str:
        """Return the id of the check that is never healthy."""
        return self._find(side, "out")

    def usual(self, customer: Customer, side: str) -> str:
        """Return the id of the check that the registry gives a customer in the cell of a side."""
        own = customer.failover.health_check == "customer"
        return self._find(side, f"customer/{customer.id}" if own else "cell")

    def _find(self, side: str, check: str) -> str:
        found = self._checks.find(side, check)
        if len(found) != 1:
            raise RefusedError(
                f"{len(found)} health checks are the check {check!r} of {REGION_OF[side]}, and one has to be;"
                f" run `pulumi up --refresh` on gov-{side}, then plan again"
            )
        return str(found[0]["Id"])
