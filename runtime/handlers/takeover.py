"""Every timing.SWITCH_MINUTES minutes, and on request: take over from a lost peer, ask about held files."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

from runtime.environment import ENV_NAMESPACE, ENV_SIDE, ENV_STATE_MACHINE
from runtime.executions import Executions
from runtime.facts import Status
from runtime.handlers import wiring
from runtime.held_transfers import HeldTransfers
from runtime.orphan_objects import OrphanObjects
from runtime.pace import TAKEOVER_SHARE
from runtime.takeover import Found, Takeover
from runtime.transfer_scan import TransferScan

#: https://botocore.amazonaws.com/v1/documentation/api/latest/reference/config.html, `max_pool_connections`.
_CONNECTIONS = 10

T = TypeVar("T")

#: Most failures that are logged one by one.
_MOST_LOGGED = 10

#: Most names of a kind in one response, which Lambda limits to 6 MB.
_MOST_NAMED = 1000


@cache
def _executions() -> Executions:
    return Executions(
        state_machine=wiring.env(ENV_STATE_MACHINE),
        workflow=wiring.client("stepfunctions"),
        share=TAKEOVER_SHARE,
    )


def at_the_same_time(take: Callable[[Found], T], batch: list[Found]) -> list[T]:
    """Call a function for each transfer, as many at a time as a client of the SDK has connections.

    One after the other they would take longer than Step Functions' rate demands: each is two requests.
    """
    with ThreadPoolExecutor(_CONNECTIONS) as threads:
        return list(threads.map(take, batch))


def _scan(wanted: Status) -> TransferScan:
    return TransferScan(tracker=wiring.tracker(), directory=wiring.directory(), wanted=wanted)


@cache
def _takeover() -> Takeover:
    side, namespace = wiring.env(ENV_SIDE), wiring.env(ENV_NAMESPACE)
    orphans = OrphanObjects(
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
        tracker=wiring.tracker(),
        scan=_scan(Status.UNDER_WAY),
        orphans=orphans,
        executions=_executions(),
        s3=wiring.client("s3"),
        each=at_the_same_time,
    )


@cache
def _held_transfers() -> HeldTransfers:
    return HeldTransfers(
        side=wiring.env(ENV_SIDE),
        switch=wiring.peer_switch(),
        scan=_scan(Status.HELD),
        executions=_executions(),
    )


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return what happened, as runtime.takeover.TakenOver and runtime.held_transfers.Asked describe it.

    A transfer that fails is a result and no error: Lambda would repeat the whole pass twice for an error
    (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html), besides the next
    minute's. At most a thousand names of each kind are returned. `left` is the number of days, over all
    customers, that there was no time to scan.
    """

    def remaining() -> float:
        return float(context.get_remaining_time_in_millis() / 1000)

    today = datetime.now(UTC).date()
    done = _takeover().run(today, remaining)
    held = _held_transfers().run(today, remaining)
    if held.held is not None:
        wiring.metrics().held_now(held.held)
    found = {
        "started": done.started,
        "absent": done.absent,
        "adopted": done.adopted,
        "unproven": done.unproven,
        "failed": done.failed,
        "asked": held.asked,
    }
    left = done.left + held.left
    counts = {name: len(names) for name, names in found.items()}
    wiring.logger.info("takeover", extra={**counts, "left": left})
    for reason in done.failed[:_MOST_LOGGED]:
        wiring.logger.error("not taken over", extra={"reason": reason})
    if done.failed:
        wiring.metrics().not_taken_over(len(done.failed))
    return {**{name: names[:_MOST_NAMED] for name, names in found.items()}, "left": left}
