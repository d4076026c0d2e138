"""Executions of the workflow: a transfer may have several, one after another, each with its own name.

A name cannot be used again for 90 days
(https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html), so a transfer that
is carried again needs another one: `<transfer>-<purpose>-<generation>`.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, assert_never

from runtime.transfer import Transfer


class Purpose(StrEnum):
    """Why there is an execution besides the one that ingest started; a part of its name."""

    TAKEOVER = "takeover"
    RELEASE = "release"
    ASK = "ask"


#: The longest pause between the end of an execution and the start of the next one for the same purpose. The
#: first pause is two minutes, and each further one is twice as long.
LONGEST_PAUSE = timedelta(days=1)


def first(transfer: str) -> str:
    """Return the name of the execution that ingest starts."""
    return f"{transfer}-g1"


def transfer_of(name: str) -> str:
    """Return the id of the transfer that the execution of this name carries."""
    return "-".join(name.split("-", 2)[:2])


def earlier(name: str) -> list[str]:
    """Return the names of the executions that may have tried to deliver before the execution `name`.

    They follow from the name alone. An execution that only asks sends nothing, so none went before it; nor
    did any before the first one, or before an execution whose name is of another form.
    """
    if name.count("-") != 3:
        return []
    transfer, text, generation = name.rsplit("-", 2)
    try:
        purpose = Purpose(text)
    except ValueError:
        return []
    others = [f"{transfer}-{purpose}-{number}" for number in range(1, int(generation))]
    match purpose:
        case Purpose.TAKEOVER:
            return [first(transfer), *others]
        case Purpose.RELEASE:
            return [first(transfer), f"{transfer}-{Purpose.TAKEOVER}-1", *others]
        case Purpose.ASK:
            return []
        case _:
            assert_never(purpose)


@dataclass(frozen=True, kw_only=True)
class ExecutionState:
    """An execution that was started: `ended` is the time at which it ended, or None while it runs."""

    ended: datetime | None


class Executions:
    """The executions of one cell's state machine."""

    def __init__(
        self,
        *,
        state_machine: str,
        workflow: Any,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`workflow` is a Step Functions client, `state_machine` the machine's ARN."""
        self._state_machine, self._workflow, self._now = state_machine, workflow, now

    def start(self, transfer: Transfer, name: str) -> bool:
        """Start an execution; return False, and change nothing, if one of that name has already ended."""
        try:
            self._workflow.start_execution(
                stateMachineArn=self._state_machine,
                name=name,
                input=json.dumps(transfer.document(), sort_keys=True),
            )
        except self._workflow.exceptions.ExecutionAlreadyExists:
            return False
        return True

    def find(self, name: str) -> ExecutionState | None:
        """Return the execution of that name, or None if there never was one."""
        arn = f"{self._state_machine.replace(':stateMachine:', ':execution:')}:{name}"
        try:
            found = self._workflow.describe_execution(executionArn=arn)
        except self._workflow.exceptions.ExecutionDoesNotExist:
            return None
        return ExecutionState(ended=None if found["status"] == "RUNNING" else found["stopDate"])

    def running(self) -> set[str]:
        """Return the ids of the transfers that running executions carry, as Step Functions lists them.

        What has begun or ended within the last moments may be listed wrongly:
        https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html
        """
        pages = self._workflow.get_paginator("list_executions").paginate(
            stateMachineArn=self._state_machine, statusFilter="RUNNING"
        )
        return {transfer_of(each["name"]) for page in pages for each in page["executions"]}

    def starts(self, transfer: str, purpose: Purpose) -> int:
        """Return how many executions of a transfer were started for this purpose."""
        numbers = itertools.count(1)
        return next(n for n in numbers if self.find(f"{transfer}-{purpose}-{n}") is None) - 1

    def again(self, transfer: Transfer, purpose: Purpose) -> bool:
        """Start an execution for this purpose unless one runs; return whether one runs then.

        After an execution that has ended without settling the transfer, the next one starts after a pause.
        """
        ended = None
        for generation in itertools.count(1):
            name = f"{transfer.id}-{purpose}-{generation}"
            run = self.find(name)
            if run is None:
                break
            if run.ended is None:
                return True
            ended = run.ended
        pause = min(LONGEST_PAUSE, timedelta(minutes=1) * 2 ** (generation - 1))
        if ended is not None and self._now() - ended < pause:
            return False
        return self.start(transfer, name)
