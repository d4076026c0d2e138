"""The executions of a transfer and their failed attempts, of which the tracker knows nothing. Reads only."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ops.cell_manifest import ManifestError
from ops.recovery.regions import Regions
from runtime.contract import REGION_OF
from runtime.executions import Purpose, first
from runtime.facts import submitted

#: What an execution's history has of a task that failed or took too long, once for each try:
#: https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
_FAILED_TRIES = {
    "lambdaFunctionFailedEventDetails",
    "lambdaFunctionTimedOutEventDetails",
    "taskFailedEventDetails",
    "taskTimedOutEventDetails",
}

#: How many of an execution's newest events are searched for its last failed attempt, and how many executions
#: are asked about at once.
_NEWEST, _AT_ONCE = 100, 8


@dataclass(frozen=True, kw_only=True)
class FileEvent:
    """Something that happened to a transfer in a region, `after` seconds after its submission.

    `unknown_in` are the regions that answered and do not know of it.
    """

    at: str
    after: float
    region: str
    what: str
    detail: Mapping[str, Any]
    unknown_in: tuple[str, ...] = ()


class Attempts:
    """The executions of these sides, and what Step Functions tells of their attempts."""

    def __init__(self, regions: Regions, sides: Collection[str], unknowns: list[str]) -> None:
        """A sentence about each side whose executions are not known is added to `unknowns`."""
        self._clients = {side: regions.client("stepfunctions", side) for side in sides}
        self._machines = {}
        for side in sides:
            try:
                self._machines[side] = regions.manifest(side).state_machine
            except (ManifestError, ClientError, BotoCoreError) as error:
                unknowns.append(f"executions in {REGION_OF[side]} are not looked at: {error}")

    def of(self, transfer: str, known: Iterable[str]) -> Iterator[FileEvent]:
        """Yield when a transfer's executions began and ended: the `known`, and those with the next names."""
        for side in self._machines:
            for name, run in self._runs(side, transfer, known):
                about = {"execution": name.removeprefix(f"{transfer}-")}
                yield event_of(transfer, run["startDate"], REGION_OF[side], "execution began", about)
                pages = self._clients[side].get_paginator("get_execution_history")
                for page in pages.paginate(executionArn=run["executionArn"]):
                    yield from _failed(transfer, side, page["events"], about)
                if "stopDate" in run:
                    about = {**about, "ended": run["status"].lower()}
                    yield event_of(transfer, run["stopDate"], REGION_OF[side], "execution ended", about)

    def last_failures(self, transfers: Sequence[str]) -> list[FileEvent | None]:
        """Return the last failed attempt of each transfer's running executions; None where there is none.

        Of each execution, only the newest events are read.
        """
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(self._last_failure, transfers))

    def _last_failure(self, transfer: str) -> FileEvent | None:
        found: list[FileEvent] = []
        for side in self._machines:
            for name, run in self._runs(side, transfer, ()):
                if run["status"] != "RUNNING":
                    continue
                about = {"execution": name.removeprefix(f"{transfer}-")}
                newest = self._clients[side].get_execution_history(
                    executionArn=run["executionArn"], reverseOrder=True, maxResults=_NEWEST
                )
                found += _failed(transfer, side, newest["events"], about)
        return max(found, key=lambda event: event.at, default=None)

    def _runs(self, side: str, transfer: str, known: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the executions of a transfer, by name: the `known`, and those with the next names."""
        seen = {name for name in known if name.startswith(f"{transfer}-")} | {first(transfer)}
        runs = {name: self._run(side, name) for name in seen}
        for purpose in Purpose:
            for generation in count(1):
                name = f"{transfer}-{purpose}-{generation}"
                if name not in runs:
                    runs[name] = self._run(side, name)
                    if runs[name] is None:
                        break
        yield from ((name, run) for name, run in sorted(runs.items()) if run is not None)

    def _run(self, side: str, name: str) -> dict[str, Any] | None:
        workflow = self._clients[side]
        arn = f"{self._machines[side].replace(':stateMachine:', ':execution:')}:{name}"
        try:
            run: dict[str, Any] = workflow.describe_execution(executionArn=arn)
        except workflow.exceptions.ExecutionDoesNotExist:
            return None
        return run


def _failed(
    transfer: str, side: str, events: Iterable[Mapping[str, Any]], about: Mapping[str, Any]
) -> Iterator[FileEvent]:
    """Yield the tries of an execution that failed, of which the tracker knows nothing."""
    for event in events:
        for field in _FAILED_TRIES & event.keys():
            detail = {**about, **failure(event[field])}
            yield event_of(transfer, event["timestamp"], REGION_OF[side], "attempt failed", detail)


def failure(told: Mapping[str, Any]) -> dict[str, str]:
    """Return the error and the reason that Step Functions tells of a failed try."""
    reason = told.get("cause", "")
    with suppress(ValueError):  # of a function, it is JSON
        found = json.loads(reason)
        reason = found.get("errorMessage", reason) if isinstance(found, dict) else reason
    return {"error": told.get("error", ""), "reason": reason}


def event_of(
    transfer: str,
    at: datetime,
    region: str,
    what: str,
    detail: Mapping[str, Any],
    unknown_in: tuple[str, ...] = (),
) -> FileEvent:
    """Return what happened to a transfer at a time."""
    return FileEvent(
        at=at.astimezone(UTC).isoformat(timespec="milliseconds"),
        after=round((at - submitted(transfer)).total_seconds(), 3),
        region=region,
        what=what,
        detail=detail,
        unknown_in=unknown_in,
    )
