"""What operators do when all is at rest: release held transfers, and close the gaps."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from ops.recovery.inventory import Store
from ops.recovery.reconcile import Gap, Seen
from ops.recovery.repair import Deed, Repair
from ops.recovery.replay import FactsChangedError, Replay, ReplayRegion
from runtime.contract import REGION_OF, SIDES, Kind, file_id, peer_of, transfer_id
from runtime.executions import Executions
from runtime.facts import Fact, Status, status
from runtime.intake import Intake
from runtime.release import NotHeldError, Release, ReleaseDecision
from runtime.routing import Directory
from runtime.tracker import Tracker
from runtime.transfer import Transfer
from tests.simulation import record_checks
from tests.simulation.place import TABLE, own_bucket

if TYPE_CHECKING:
    from tests.simulation.world import World


class _Case(NamedTuple):
    """A destination that holds a transfer, and waits for an operator."""

    side: str
    file: str
    transfer: str
    destination: str


class Tidying:
    """Operators at work, with the runtime's own tools."""

    def __init__(self, world: World) -> None:
        self._world = world
        #: What was released, and how many attempts had died by then.
        self._decided: dict[tuple[str, str], int] = {}
        self._count = 0
        self._after_sweeps = False

    def begin(self, *, after_sweeps: bool) -> bool:
        """Release held transfers, and close the gaps; return whether there was anything to do.

        `after_sweeps` says that the sweeps have just found nothing more: then nothing is left under way.
        """
        self._after_sweeps = after_sweeps
        held = self._held()
        for case in held:
            what = (case.transfer, case.destination)
            # A release is for one attempt. Where that dies nobody knows its end, and the route holds again.
            if self._decided.get(what) == self._deaths():
                self._world.broken("release without effect", f"{what[0]} to {what[1]} is held again")
            self._spawn(lambda case=case: self._release(case))
        is_any = bool(held)
        for sender in self._world.schedule.senders if not self._world.has_expired else ():
            found = record_checks.gaps_of(self._world, sender.id)
            if found:
                released = {case.transfer for case in held}
                self._spawn(
                    lambda name=sender.id, found=found, released=released: self._repair(name, found, released)
                )
                is_any = True
        return is_any

    def decide(self, side: str) -> None:
        """Release what a side holds, while the other may be lost and a partner may fail."""
        for case in self._held():
            if case.side == side:
                self._spawn(lambda case=case: self._release(case, is_last=False))

    def _spawn(self, work: Callable[[], None]) -> None:
        self._count += 1
        self._world.clock.spawn(f"tidying {self._count}", work, after=float(self._count))

    def _deaths(self) -> int:
        return sum(" deliver " in name for name in self._world.died)

    def _held(self) -> list[_Case]:
        """Return the held transfers, except those held because something newer was delivered."""
        facts = self._world.table.facts
        over = {
            key["S"]
            for written in facts.values()
            if written.item["kind"]["S"] == Kind.REPLAYED
            for key in written.item["detail"]["M"]["over"]["L"]
        }
        served: set[tuple[str, str]] = set()
        found: dict[tuple[str, str], _Case] = {}
        for (file, sort_key), written in sorted(facts.items()):
            transfer, name, destination, _, _ = sort_key.split("#")
            kind = Kind(name)
            if kind in (Kind.DELIVERED, Kind.DUPLICATE):
                served.add((transfer, destination))
            elif kind is Kind.HELD and not (sort_key in over or "newer" in written.item["detail"]["M"]):
                found[transfer, destination] = _Case(written.side, file, transfer, destination)
        return [case for key, case in sorted(found.items()) if key not in served]

    def _release(self, case: _Case, *, is_last: bool = True) -> None:
        """Ask the partner whether it had the file, and release it accordingly.

        The last release must have an effect, because by then everything works.
        """
        world = self._world
        received = self._received(case)
        if received is None:
            return
        version = world.storage.buckets[received.detail["bucket"]].find(
            received.key, received.detail["version_id"]
        )
        assert version is not None
        partner = world.partners[received.customer, case.destination]
        has_it = partner.says_it_has(received.key.rpartition("/")[2], version.body, case.transfer)
        side = self._side(case)
        release = Release(tracker=self._tracker(side), executions=self._executions(side))
        decision = ReleaseDecision.DELIVERED if has_it else ReleaseDecision.RESEND
        about = {"who": "an operator", "why": "asked the partner"}
        deaths = self._deaths()
        with suppress(NotHeldError):
            release.release(Transfer.here(received, side), case.destination, decision, **about)
            if is_last:
                self._decided[case.transfer, case.destination] = deaths
            world.outcome.count("released")

    def _repair(self, customer: str, found: list[tuple[Seen, list[Gap]]], released: set[str]) -> None:
        """Close a customer's gaps as `ops gaps --repair` does; customers confirm what was acknowledged.

        A transfer of which a destination is `released` at the same moment may be refused, because its facts
        have changed since the plan. It is planned again in the next round, of which there are few: what is
        still open after the last one breaks a rule.
        """
        world = self._world
        regions = {
            side: ReplayRegion(
                tracker=self._tracker(side),
                executions=self._executions(side),
                s3=world.client("s3", REGION_OF[side]),
            )
            for side in SIDES
        }
        repair = Repair(
            customer=record_checks.customer_of(world, customer),
            stores=[self._store(customer, side, region) for side, region in regions.items()],
            replay=Replay(regions),
            intakes={side: self._intake(side) for side in SIDES},
            out=(),
            confirmed={
                transfer_id(file_id(each.customer, each.key), each.version_id, each.modified)
                for each in world.clients.acknowledged
            },
        )
        for seen, gaps in found:
            for remedy in repair.remedies(seen, gaps):
                if remedy.deed is Deed.TAKE_IN:
                    world.broken(
                        "lost by ingest", f"{remedy.key} {remedy.transfer} was found by the gap report"
                    )
                is_left = remedy.deed is Deed.REPLAY and status(seen.facts) is Status.UNDER_WAY
                if is_left and self._after_sweeps:
                    world.broken("left under way", f"{remedy.key} {remedy.transfer} waits for a person")
                if remedy.deed is Deed.ASK:
                    continue
                try:
                    repair.carry_out(remedy, who="an operator", why="tidying", plan=f"plan{self._count}")
                except FactsChangedError:
                    if remedy.transfer not in released:
                        raise
                    world.outcome.count("repairs refused, and planned again")
                else:
                    world.outcome.count(f"repaired: {remedy.deed.value}")

    def _side(self, case: _Case) -> str:
        """Return the side to release through: never one that is declared lost, as in `mft-ops release`."""
        return peer_of(case.side) if self._world.is_declared_lost(case.side) else case.side

    def _received(self, case: _Case) -> Fact | None:
        return next((fact for fact in self._facts(case) if fact.kind is Kind.RECEIVED), None)

    def _facts(self, case: _Case) -> list[Fact]:
        return self._tracker(case.side).facts_of(case.file, case.transfer)

    def _tracker(self, side: str) -> Tracker:
        client = self._world.client("dynamodb", REGION_OF[side])
        return Tracker(table=TABLE, side=side, client=client)

    def _executions(self, side: str) -> Executions:
        client = self._world.client("stepfunctions", REGION_OF[side])
        return Executions(state_machine=self._world.cells[side].machine.arn, workflow=client)

    def _store(self, customer: str, side: str, region: ReplayRegion) -> Store:
        return Store(
            side=side,
            inbound=f"mft-{customer}-{side}",
            archive=own_bucket("archive", side),
            tracker=region.tracker,
            s3=region.s3,
        )

    def _intake(self, side: str) -> Intake:
        world, region = self._world, REGION_OF[side]
        return Intake(
            stem="mft",
            state_machine=world.cells[side].machine.arn,
            tracker=self._tracker(side),
            directory=Directory(bucket=own_bucket("config", side), client=world.client("s3", region)),
            client=lambda service: world.client(service, region),
        )
