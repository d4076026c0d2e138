"""A pass of the takeover by hand: what the region that serves finishes of a lost one, looked at or done.

The surviving region's own function makes one every minute (runtime/handlers/takeover.py). This is the same
code, for when an operator will not wait for it, or wants to see what it finds.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ops.cell import side_of
from ops.environment import Environment
from ops.plan import RefusedError, command
from ops.recovery.regions import Regions
from runtime.arrival import Arrival
from runtime.contract import REGION_OF, peer_of
from runtime.executions import Executions
from runtime.facts import Status
from runtime.intake import Intake
from runtime.orphan_objects import OrphanObjects
from runtime.takeover import TakenOver, Takeover, TakeoverIncompleteError
from runtime.transfer import Transfer
from runtime.transfer_scan import TransferScan


class Takeovers:
    """Takes over from one region, through the other, which alone is asked."""

    def __init__(self, environment: Environment, region: str) -> None:
        """RefusedError when the region is not declared lost, or its peer does not answer."""
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
        """Return what a pass would come to now. Changes nothing; `looked` is called time and again.

        RefusedError, naming what could not be looked at, when that is anything.
        """
        regions, side = self._regions, self._side
        executions = regions.executions(side)
        return self._pass(_Looked(executions), _Looking(regions.client("s3", side)), looked)

    def run(self, looked: Callable[[], None]) -> TakenOver:
        """Make a pass. Safe to repeat, and beside the region's own; RefusedError, naming what failed."""
        regions, side = self._regions, self._side
        return self._pass(regions.executions(side), regions.intake(side), looked)

    def _pass(self, executions: Any, intake: Any, looked: Callable[[], None]) -> TakenOver:
        regions, side = self._regions, self._side
        tracker, directory, s3 = regions.tracker(side), regions.directory(side), regions.client("s3", side)
        unseen = OrphanObjects(
            namespace=self._namespace, side=side, tracker=tracker, directory=directory, intake=intake, s3=s3
        )
        takeover = Takeover(
            side=side,
            switch=regions.switch(self._lost),
            survey=TransferScan(tracker=tracker, directory=directory, wanted=Status.UNDER_WAY),
            unseen=unseen,
            executions=executions,
            s3=s3,
        )

        def remaining() -> float:
            looked()
            return float("inf")

        try:
            return takeover.run(datetime.now(UTC).date(), remaining)
        except TakeoverIncompleteError as error:
            raise RefusedError(f"{error}; run it again: nothing is started twice") from error


class _Looked(Executions):
    """Executions that are said to begin, and do not."""

    def __init__(self, real: Executions) -> None:
        vars(self).update(vars(real))

    def start(self, transfer: Transfer, name: str) -> bool:
        return True


class _Looking(Intake):
    """An intake that says what it would take in, and does not."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3

    def adopt(self, arrived: Arrival) -> str:
        version = self._head(arrived, str(arrived.version_id))
        return "received" if version and version.is_replica else "ours"
