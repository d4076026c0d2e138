"""Rehoming customers: changing which region is PRIMARY of `primary.`, in Route 53 and in the registry.

Route 53 makes all changes of a request or none, and all changes of a customer are in one request: its CNAME
and its TXT never disagree. The records are read, not remembered, so a rehoming that was killed goes on from
where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from customers import names
from customers.model import Customer
from customers.route53 import ROLES, Record, RecordChange, absolute
from ops.cell import DeployedCell
from ops.dns.dns_changes import ControlPlaneError, HostedZone, batches
from ops.dns.name_servers import NameServers
from ops.environment import Environment
from ops.failover import interlocks, rehome_files
from ops.failover.rehome_files import Signature
from ops.finding import deploy
from ops.logbook import Logbook, Recording
from ops.plan import RefusedError, digest
from ops.registry import in_service, read_registry
from runtime.contract import PRIMARY, REGION_OF, peer_of

#: Seconds within which the zone's name servers answer with changes that Route 53 reports to be in sync.
_SEEN_WITHIN = 30.0


@dataclass(frozen=True, kw_only=True)
class Move:
    """What is done for one customer; it is done already when there is nothing to change and to edit."""

    customer: str
    records: tuple[Record, ...]
    """The four halves of `primary.` as they will be, or are already."""
    changes: tuple[RecordChange, ...]
    is_edited: bool
    """Whether the customer's file still names the other region and is to be edited."""

    @property
    def is_done(self) -> bool:
        """Whether both Route 53 and the registry have the move."""
        return not (self.changes or self.is_edited)


@dataclass(frozen=True, kw_only=True)
class RehomePlan:
    """Customers that move to a side. The digest does not depend on how much of the plan is done."""

    to: str
    moves: tuple[Move, ...]
    override: str | None = None
    """The sentence that was typed because the region that takes the customers is not ready."""
    warnings: tuple[str, ...] = ()

    @property
    def document(self) -> dict[str, dict[str, Any]]:
        """The records as they will be, by customer; the digest stands for it."""
        return {
            move.customer: {
                f"{record.host} {record.type} {record.set_identifier}": [
                    *(record.failover, record.ttl, list(record.values), record.health_check)
                ]
                for record in move.records
            }
            for move in self.moves
        }

    @property
    def digest(self) -> str:
        """The digest of the plan."""
        return digest(self.document)

    @property
    def left(self) -> tuple[Move, ...]:
        """The moves that are not done."""
        return tuple(move for move in self.moves if not move.is_done)

    @property
    def batches(self) -> int:
        """The number of requests that change Route 53."""
        return len(list(batches(move.changes for move in self.left)))


class Rehome:
    """Moves the customers of an environment, whose registry is beside its stack files below `root`."""

    def __init__(self, environment: Environment, root: Path, zone: HostedZone) -> None:
        self._environment, self._root, self._zone = environment, root, zone
        self._registry = read_registry(environment, root)

    def plan(
        self,
        ids: Iterable[str] | None,
        to: str,
        *,
        as_written: bool = False,
        override: str | None = None,
    ) -> RehomePlan:
        """Return the plan that moves these customers, or all that are in service.

        `as_written` leaves out the customers whose files do not name `to` yet. Raises RefusedError, with all
        problems, while the region is out, and while it is not ready, unless `override` is the sentence that
        names that doubt.
        """
        customers = in_service(self._registry, self._environment.cell, ids)
        customers = [each for each in customers if not as_written or each.primary == to]
        try:
            found = {(r.host, r.type, r.set_identifier): r for r in self._zone.records()}
        except ControlPlaneError as error:
            raise interlocks.without_control_plane(self._environment, error) from error
        warnings = interlocks.keeps_in(self._environment, to)
        problems: list[str] = []
        moves = []
        for customer in customers:
            try:
                moves.append(self._move(customer, to, found))
            except RefusedError as error:
                problems.append(str(error))
        if problems:
            raise RefusedError("\n".join(problems))
        override = interlocks.settle(
            interlocks.ready(DeployedCell(environment=self._environment, side=to)), override
        )
        return RehomePlan(to=to, moves=tuple(moves), override=override, warnings=tuple(warnings))

    def apply(self, plan: RehomePlan, *, why: str, moved: Callable[[int], None]) -> Recording:
        """Carry out what is left of the plan, and record it in the region that takes the customers.

        `moved` is called with the number of customers just done. The outcome's `unseen` holds what the name
        servers do not answer as planned.
        """
        book = Logbook(DeployedCell(environment=self._environment, side=plan.to), "rehome")
        recorded = book.recorded(digest=plan.digest, plan=plan.document, why=why, override=plan.override)
        with recorded as recording:
            signature = Signature(to=plan.to, who=recording.who, why=why, digest=plan.digest)
            requests = self._change(plan, signature, moved)
            recording.outcome = {
                "customers": len(plan.moves),
                "requests": requests,
                "unseen": self._unseen(plan),
            }
        return recording

    def _change(self, plan: RehomePlan, signature: Signature, moved: Callable[[int], None]) -> int:
        """Change Route 53 and the registry, and wait for Route 53; return the number of requests."""
        there = [move for move in plan.left if not move.changes]
        self._sign(there, signature)
        self._save(there, plan.to)
        moved(len(plan.moves) - len(plan.left) + len(there))
        by_host = {change.record.host: move for move in plan.left for change in move.changes}
        under_way = []
        for batch in batches(move.changes for move in plan.left):
            moves = list(
                {
                    by_host[change.record.host].customer: by_host[change.record.host] for change in batch
                }.values()
            )
            # Signed first: there is a reason for every customer that is found moved.
            self._sign(moves, signature)
            under_way.append(self._zone.change(batch, f"rehome to {REGION_OF[plan.to]}, plan {plan.digest}"))
            self._save(moves, plan.to)
            moved(len(moves))
        self._zone.wait(id for id in under_way if id)
        return len(under_way)

    def _unseen(self, plan: RehomePlan) -> list[str]:
        primaries = [r for move in plan.moves for r in move.records if r.failover == ROLES[0]]
        try:
            servers = NameServers.of(self._environment.zone)
        except RefusedError as error:
            raise RefusedError(
                f"the changes are made but not verified: {error}; run the same command again where the name"
                " servers can be reached"
            ) from error
        return [
            *(f"the name server {each}" for each in servers.silent),
            *servers.unseen(primaries, within=_SEEN_WITHIN),
        ]

    def _move(self, customer: Customer, to: str, found: dict[Any, Record]) -> Move:
        zone = self._environment.zone
        hosts = (
            (names.endpoint_host(PRIMARY, customer.id, zone), "CNAME"),
            (names.bucket_record(PRIMARY, customer.id, zone), "TXT"),
        )
        now: list[Record] = []
        for host, type in hosts:
            pair = [found.get((absolute(host), type, side)) for side in (to, peer_of(to))]
            missing = [side for side, half in zip((to, peer_of(to)), pair, strict=True) if half is None]
            if missing:
                raise RefusedError(
                    f"{customer.id}: {host} {type} has no half of {' and '.join(missing)} in Route 53;"
                    f" {deploy(*missing)}, then plan again"
                )
            now += [half for half in pair if half]
        if lone := [each for each in now if not each.health_check]:
            raise RefusedError(
                f"{customer.id}: {lone[0].host} {lone[0].type} of {lone[0].set_identifier} carries no health"
                f" check, and a PRIMARY must; {deploy(str(lone[0].set_identifier))}, then plan again"
            )
        roles = {to: ROLES[0], peer_of(to): ROLES[1]}
        wanted = [replace(half, failover=roles[str(half.set_identifier)]) for half in now]
        changes: list[RecordChange] = []
        if now != wanted:
            # The old PRIMARY before the old SECONDARY; and both are deleted before others take their places.
            changes = [
                RecordChange("DELETE", half) for half in sorted(now, key=lambda each: str(each.failover))
            ]
            changes += [RecordChange("CREATE", half) for half in wanted]
        is_edited = customer.primary != to
        if is_edited:
            rehome_files.rewritten(self._root, self._registry.files[customer.id], to)
        return Move(customer=customer.id, records=tuple(wanted), changes=tuple(changes), is_edited=is_edited)

    def _sign(self, moves: Iterable[Move], signature: Signature) -> None:
        for move in moves:
            rehome_files.sign(self._root, move.customer, signature)

    def _save(self, moves: Iterable[Move], to: str) -> None:
        for move in moves:
            if move.is_edited:
                rehome_files.save(self._root, self._registry.files[move.customer], to)
