"""A run of the sweep by a clock that is ahead: on one machine, nobody waits for a quarter of an hour.

It is the runtime's own code, with clients of the emulated AWS; what it starts is carried by the emulated
workflow. Only the schedule and the clock are not those of the function.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from local.world import World
from runtime.contract import stem
from runtime.environment import ENV_CONFIG_BUCKET, ENV_SESSION_LOG, ENV_STATE_MACHINE, ENV_TRACKER
from runtime.executions import Executions
from runtime.inbound_sweep import InboundSweep, Swept
from runtime.intake import Intake
from runtime.restarts import Restarted, Restarts, is_unfinished
from runtime.routing import Directory
from runtime.session_log import SessionLog
from runtime.sweep_notes import SweepNotes
from runtime.tracker import Tracker
from runtime.transfer_scan import TransferScan


class SweepAhead:
    """The sweep of one side's cell, whose clock is ahead by some time."""

    def __init__(self, world: World, side: str, ahead: timedelta) -> None:
        self._side = side
        self._client: Callable[[str], Any] = lambda service: world.client(service, side)
        self._now: Callable[[], datetime] = lambda: datetime.now(UTC) + ahead
        self._stem = stem(world.namespace, world.cell)
        function = world.graphs[side].one("aws:lambda/function:Function", "cell1-sweep")
        self._env = function.inputs["environment"]["variables"]
        dynamodb = self._client("dynamodb")
        self._tracker = Tracker(table=self._env[ENV_TRACKER], side=side, client=dynamodb)
        self._directory = Directory(bucket=self._env[ENV_CONFIG_BUCKET], client=self._client("s3"))

    def sweep(self) -> Swept:
        """Take in what no event has brought."""
        dynamodb = self._client("dynamodb")
        return InboundSweep(
            stem=self._stem,
            tracker=self._tracker,
            directory=self._directory,
            intake=Intake(
                stem=self._stem,
                state_machine=self._env[ENV_STATE_MACHINE],
                tracker=self._tracker,
                directory=self._directory,
                client=self._client,
                now=self._now,
            ),
            notes=SweepNotes(table=self._env[ENV_TRACKER], side=self._side, client=dynamodb),
            session_log=SessionLog(group=self._env[ENV_SESSION_LOG], logs=self._client("logs")),
            s3=self._client("s3"),
            now=self._now,
        ).run(lambda: math.inf)

    def restart(self) -> Restarted:
        """Restart what no execution carries."""
        executions = Executions(
            state_machine=self._env[ENV_STATE_MACHINE],
            workflow=self._client("stepfunctions"),
            now=self._now,
        )
        scan = TransferScan(tracker=self._tracker, directory=self._directory, wanted=is_unfinished)
        restarts = Restarts(side=self._side, scan=scan, executions=executions, now=self._now)
        return restarts.run(datetime.now(UTC).date(), lambda: math.inf)
