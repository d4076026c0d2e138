"""Every timing.SWEEP_MINUTES minutes: restart what nothing carries, take in what no event has brought."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from runtime.environment import ENV_SESSION_LOG, ENV_SIDE, ENV_STATE_MACHINE, ENV_TRACKER
from runtime.executions import Executions
from runtime.handlers import wiring
from runtime.inbound_sweep import InboundSweep
from runtime.restarts import Restarts, is_unfinished
from runtime.session_log import SessionLog
from runtime.sweep_notes import SweepNotes
from runtime.transfer_scan import TransferScan


@cache
def _sweep() -> InboundSweep:
    notes = SweepNotes(
        table=wiring.env(ENV_TRACKER), side=wiring.env(ENV_SIDE), client=wiring.client("dynamodb")
    )
    return InboundSweep(
        stem=wiring.stem(),
        tracker=wiring.tracker(),
        directory=wiring.directory(),
        intake=wiring.intake(),
        notes=notes,
        session_log=SessionLog(group=wiring.env(ENV_SESSION_LOG), logs=wiring.client("logs")),
        s3=wiring.client("s3"),
    )


@cache
def _restarts() -> Restarts:
    scan = TransferScan(tracker=wiring.tracker(), directory=wiring.directory(), wanted=is_unfinished)
    executions = Executions(
        state_machine=wiring.env(ENV_STATE_MACHINE), workflow=wiring.client("stepfunctions")
    )
    return Restarts(side=wiring.env(ENV_SIDE), scan=scan, executions=executions)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return how many transfers and uploads runtime.restarts and runtime.inbound_sweep have found.

    The log names them. Restarts have half of the time, so neither part can starve the other.
    """

    def remaining() -> float:
        return float(context.get_remaining_time_in_millis() / 1000)

    half = remaining() / 2
    restarted = _restarts().run(datetime.now(UTC).date(), lambda: remaining() - half)
    swept = _sweep().run(remaining)
    for doubt in swept.doubts:
        wiring.logger.warning("left", customer=doubt.customer, transfer=doubt.transfer, why=doubt.why)
    for text in (*restarted.failed, *swept.failed):
        wiring.logger.error("failed", what=text)
    for transfer in restarted.stalled:
        wiring.logger.error("stalled", transfer=transfer)
    wiring.metrics().swept(swept)
    wiring.metrics().restarted(restarted)
    counts = {
        "taken": len(swept.taken),
        "doubts": len(swept.doubts),
        "restarted": len(restarted.started),
        "waiting": len(restarted.waiting),
        "stalled": len(restarted.stalled),
        "failed": len(restarted.failed) + len(swept.failed),
        "left": restarted.left + swept.left,
        "age": int(swept.age.total_seconds()),
    }
    wiring.logger.info("sweep", extra=counts)
    return counts
