"""Workflow step: one attempt to deliver a file to one destination."""

from __future__ import annotations

from functools import cache
from typing import Any

from ulid import ULID

from runtime.deliverer import CONTINUE, Deliverer
from runtime.delivery import DeliveryUnfinishedError
from runtime.environment import ENV_NAMESPACE, ENV_SIDE
from runtime.handlers import wiring


@cache
def _deliverer() -> Deliverer:
    return Deliverer(
        namespace=wiring.env(ENV_NAMESPACE),
        side=wiring.env(ENV_SIDE),
        tracker=wiring.tracker(),
        directory=wiring.directory(),
        s3=lambda region: wiring.client("s3", region),
        s3_once=lambda region: wiring.client_once("s3", region),
        secrets=wiring.client("secretsmanager"),
    )


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return the `destination` and the `outcome`: DELIVERED or HELD.

    Raises DeliveryUnfinishedError when the next attempt has to go on sending, ComparisonUnfinishedError when
    it has to go on reading, and TransientDeliveryError,
    PlatformUnavailableError, PermanentDeliveryError, DeliveryUnknownError, LeaseLostError, OvertakenError,
    BreakerOpenError or ShareInUseError; the state machine matches them by name.
    """
    with wiring.step(event) as (transfer, owner):
        attempt = str(ULID())
        wiring.logger.append_keys(destination=event["destination"], attempt=attempt)
        outcome = _deliverer().attempt(
            transfer,
            event["destination"],
            owner=owner,
            attempt=attempt,
            # An event of another version may lack a field. The destination is then asked first.
            after_unknown=event.get("after_unknown", True),
            first=event.get("first", False),
            goes_on=event.get("goes_on", False),
            remaining=lambda: context.get_remaining_time_in_millis() / 1000,
        )
        wiring.logger.info("deliver", outcome=outcome)
        if outcome == CONTINUE:
            raise DeliveryUnfinishedError(event["destination"], "write", "the time of this attempt is over")
        return {"destination": event["destination"], "outcome": outcome}
