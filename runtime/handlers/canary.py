"""Every five minutes: send a synthetic transfer through the cell and publish whether it was delivered."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from typing import Any

from runtime import contract
from runtime.canary import Canary
from runtime.environment import ENV_CANARY_BUCKET, ENV_CELL
from runtime.handlers import wiring


@cache
def _canary() -> Canary:
    return Canary(
        customer=contract.canary(wiring.env(ENV_CELL)),
        bucket=wiring.env(ENV_CANARY_BUCKET),
        dimensions=wiring.dimensions(),
        tracker=wiring.tracker(),
        s3=wiring.client("s3"),
        metrics=wiring.client("cloudwatch"),
    )


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return the `key` of the synthetic transfer, its duration in `seconds`, and the `failure` or None."""
    flight = _canary().fly()
    result = asdict(flight)
    (wiring.logger.error if flight.failure else wiring.logger.info)("canary", **result)
    return result
