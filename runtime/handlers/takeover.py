"""Every minute, and when an operator asks: take over from a peer that was declared lost."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from typing import Any

from runtime import contract
from runtime.handlers import wiring
from runtime.takeover import Takeover


@cache
def _takeover() -> Takeover:
    return Takeover(
        side=wiring.env(contract.ENV_SIDE),
        switch=wiring.peer_switch(),
        tracker=wiring.tracker(),
        directory=wiring.directory(),
        state_machine=wiring.env(contract.ENV_STATE_MACHINE),
        s3=wiring.client("s3"),
        workflow=wiring.client("stepfunctions"),
    )


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return the transfers that were `started` here, and those whose object is `absent` so far."""
    done = _takeover().run(datetime.now(UTC).date())
    wiring.logger.info("takeover", started=len(done.started), absent=len(done.absent))
    return asdict(done)
