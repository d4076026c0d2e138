"""A pass of the takeover by hand: the surviving region finishes the transfers of a lost one, or shows them.

The surviving region's own function makes a pass every minute (runtime/handlers/takeover.py). This is the same
code, for an operator who does not want to wait, or wants to see what it finds.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ops.cell import side_of
from ops.environment import Environment
from ops.plan import RefusedError, command
from ops.recovery.regions import Regions
from runtime import objects
from runtime.arrival import Arrival, IntakeResult
from runtime.contract import REGION_OF, peer_of
from runtime.executions import Executions
from runtime.facts import Status
from runtime.intake import Intake
from runtime.orphan_objects import OrphanObjects
from runtime.takeover import TakenOver, Takeover
from runtime.transfer import Transfer
from runtime.transfer_scan import TransferScan

_MOST_NAMED = 10


class Takeovers:
    """Takes over from one region through the other. Only the other one is asked."""

    def __init__(self, environment: Environment, region: str) -> None:
        """RefusedError if the region is not declared lost, or its peer does not answer."""
        self._lost = side_of(region)
        self._side = peer_of(self._lost)
        self._namespace = environment.namespace
        self.region = REGION_OF[self._side]
        self._regions = Regions.find(environment, only=self.region)
        if self._lost not in self._regions.out:
            raise RefusedError(
                f"{region} is not declared lost, so {self.region} takes nothing over from it; "
                f"if it is: {command('evacuate', region, '--lost')}"
            )

    def look(self, looked: Callable[[], None]) -> TakenOver:
        """Return what a pass would do now. Changes nothing; `looked` is called repeatedly as it goes on.

        Raises RefusedError, naming what could not be looked at, if there is anything.
        """
        regions, side = self._regions, self._side
        executions = regions.executions(side)
        return self._pass(_ExecutionsDryRun(executions), _IntakeDryRun(regions.client("s3", side)), looked)

    def run(self, looked: Callable[[], None]) -> TakenOver:
        """Make a pass. Safe to repeat, and while the region makes its own. RefusedError names what failed."""
        regions, side = self._regions, self._side
        return self._pass(regions.executions(side), regions.intake(side), looked)

    def _pass(self, executions: Any, intake: Any, looked: Callable[[], None]) -> TakenOver:
        regions, side = self._regions, self._side
        tracker, directory, s3 = regions.tracker(side), regions.directory(side), regions.client("s3", side)
        orphans = OrphanObjects(
            namespace=self._namespace, side=side, tracker=tracker, directory=directory, intake=intake, s3=s3
        )
        takeover = Takeover(
            side=side,
            switch=regions.switch(self._lost),
            tracker=tracker,
            scan=TransferScan(tracker=tracker, directory=directory, wanted=Status.UNDER_WAY),
            orphans=orphans,
            executions=executions,
            s3=s3,
        )

        def remaining() -> float:
            looked()
            return float("inf")

        done = takeover.run(datetime.now(UTC).date(), remaining)
        if done.failed:
            counts = f"{len(done.started)} started, {len(done.failed)} failed"
            reasons = "; ".join(done.failed[:_MOST_NAMED])
            raise RefusedError(f"{counts}: {reasons}; run it again: nothing is started twice")
        return done


class _ExecutionsDryRun(Executions):
    """Executions that report a start without starting anything."""

    def __init__(self, real: Executions) -> None:
        vars(self).update(vars(real))

    def start(self, transfer: Transfer, name: str) -> bool:
        run = self.find(name)
        return run is None or run.ended is None


class _IntakeDryRun(Intake):
    """An intake that reports what it would take in without doing it."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3

    def adopt(self, arrived: Arrival) -> IntakeResult:
        head = objects.head(self._s3, arrived.bucket, arrived.key, str(arrived.version_id))
        is_replica = head is not None and head.get("ReplicationStatus") == "REPLICA"
        return IntakeResult.RECEIVED if is_replica else IntakeResult.OURS
