"""Every minute, and when an operator asks: take over from a lost peer, and ask about what is held."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from runtime.environment import ENV_NAMESPACE, ENV_SIDE, ENV_STATE_MACHINE
from runtime.executions import Executions
from runtime.facts import Status
from runtime.handlers import wiring
from runtime.held_transfers import HeldTransfers
from runtime.orphan_objects import OrphanObjects
from runtime.takeover import Takeover
from runtime.transfer_scan import TransferScan

#: Most names of a kind in one answer: Lambda's has 6 MB.
_TOLD = 1000


@cache
def _executions() -> Executions:
    return Executions(state_machine=wiring.env(ENV_STATE_MACHINE), workflow=wiring.client("stepfunctions"))


def _survey(wanted: Status) -> TransferScan:
    return TransferScan(tracker=wiring.tracker(), directory=wiring.directory(), wanted=wanted)


@cache
def _takeover() -> Takeover:
    side, namespace = wiring.env(ENV_SIDE), wiring.env(ENV_NAMESPACE)
    unseen = OrphanObjects(
        namespace=namespace,
        side=side,
        tracker=wiring.tracker(),
        directory=wiring.directory(),
        intake=wiring.intake(),
        s3=wiring.client("s3"),
    )
    return Takeover(
        side=side,
        switch=wiring.peer_switch(),
        survey=_survey(Status.UNDER_WAY),
        unseen=unseen,
        executions=_executions(),
        s3=wiring.client("s3"),
    )


@cache
def _holds() -> HeldTransfers:
    return HeldTransfers(
        side=wiring.env(ENV_SIDE),
        switch=wiring.peer_switch(),
        survey=_survey(Status.HELD),
        executions=_executions(),
    )


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return what was `started`, is `absent`, was `adopted`, is `unproven` or was `asked` about, and counts.

    At most a thousand names of each; `left` counts the days of customers that there was no time to look at.
    """

    def remaining() -> float:
        return float(context.get_remaining_time_in_millis() / 1000)

    today = datetime.now(UTC).date()
    done = _takeover().run(today, remaining)
    held = _holds().run(today, remaining)
    found = {
        "started": done.started,
        "absent": done.absent,
        "adopted": done.adopted,
        "unproven": done.unproven,
        "asked": held.asked,
    }
    left = done.left + held.left
    counts = {name: len(names) for name, names in found.items()}
    wiring.logger.info("takeover", extra={**counts, "left": left})
    return {**{name: names[:_TOLD] for name, names in found.items()}, "left": left}
