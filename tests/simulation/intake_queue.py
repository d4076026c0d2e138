"""Simulated EventBridge, SQS and its poller: in any order, mostly at least once, and a dead letter queue."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.simulation.clock import Clock, Dice
from tests.simulation.functions import Functions, InvocationError, answer
from tests.simulation.regions import Region

#: Of components/intake.py: seconds that a message stays hidden, receptions before it is a dead letter.
HIDDEN = 360.0
TRIES = 20


@dataclass(eq=False, slots=True)
class Message:
    """One event on the queue."""

    id: int
    body: str
    visible: float
    received: int = 0
    deleted: bool = False


class IntakeQueue:
    """The ingest queue of one region and its poller. `delays` returns when an event's copies arrive."""

    def __init__(
        self,
        clock: Clock,
        region: Region,
        functions: Functions,
        delays: Callable[[], tuple[float, ...]],
    ) -> None:
        self._clock, self._region, self._functions, self._delays = clock, region, functions, delays
        self._dice = Dice(clock.seed, f"queue {region.side}")
        self.messages: dict[Message, None] = {}
        self.dead: list[Message] = []
        self._count = 0

    def put(self, event: dict[str, Any]) -> None:
        """Take in an event, as EventBridge brings it: once, or again, sooner or later, or never."""
        for delay in self._delays():
            self._count += 1
            self._send(Message(self._count, json.dumps(event), self._clock.now + delay))

    def redrive(self) -> None:
        """Bring the dead letters back to the queue, as an operator does."""
        dead, self.dead = self.dead, []
        for message in dead:
            message.received = 0
            message.visible = self._clock.now
            self._send(message)

    def _send(self, message: Message) -> None:
        self.messages[message] = None
        self._clock.at(message.visible, self._poll_when_up)

    def _poll_when_up(self) -> None:
        self._region.when_runs(self._poll)

    def _poll(self) -> None:
        now = self._clock.now
        visible = [each for each in self.messages if each.visible <= now]
        if not visible:
            return
        first = self._dice.number(0, len(visible) - 1)
        batch = (visible[first:] + visible[:first])[: self._dice.pick((1, 1, 2, 10))]
        for message in batch:
            message.visible = now + HIDDEN
            message.received += 1
        self._take(batch)
        if len(batch) < len(visible):
            self._clock.at(now + 0.1, self._poll_when_up)

    def _take(self, batch: list[Message]) -> None:
        records = [
            {"messageId": str(each.id), "receiptHandle": str(each.id), "body": each.body, "attributes": {}}
            for each in batch
        ]
        process = self._functions.start("ingest", {"Records": records})
        ended = process.then

        def settle() -> None:
            if ended:
                ended()
            try:
                again = {each["itemIdentifier"] for each in answer(process)["batchItemFailures"]}
            except InvocationError:
                again = {str(each.id) for each in batch}
            for message in batch:
                self._settle(message, taken=str(message.id) not in again)

        process.then = settle

    def _settle(self, message: Message, *, taken: bool) -> None:
        if taken:
            self.messages.pop(message, None)
        elif message in self.messages:
            if message.received >= TRIES:
                del self.messages[message]
                self.dead.append(message)
            else:
                self._clock.at(max(message.visible, self._clock.now), self._poll_when_up)
