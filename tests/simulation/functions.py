"""Simulated Lambda: the runtime's handlers in containers that stay warm, die and run out of time."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.clock import Clock, KilledError, Process
from tests.simulation.regions import Mode, Region
from tests.simulation.unknown import NotSimulatedError

#: Errors that no handler raises on purpose: they would be mistakes of the runtime or of this simulation.
MISTAKES = (
    AssertionError,
    AttributeError,
    KeyError,
    IndexError,
    NameError,
    NotSimulatedError,
    TypeError,
    RecursionError,
)


class InvocationError(Exception):
    """A function that ended without a result: `error` and `cause` as Step Functions says them."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(error, cause)
        self.error, self.cause = error, cause


@dataclass(eq=False)
class Container:
    """Where a function runs: what it keeps between two invocations is here."""

    side: str
    kept: dict[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """The context that Lambda passes to a function."""

    clock: Clock
    end: float

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda stops the function."""
        return max(0, int((self.end - self.clock.now) * 1000))


class Functions:
    """The functions of one region. `handlers` are the entry points by name, `timeouts` are in seconds."""

    def __init__(
        self,
        clock: Clock,
        region: Region,
        *,
        handlers: dict[str, Callable[[Any, Any], Any]],
        timeouts: dict[str, float],
        faults: Callable[[str], dict[int, Any]],
        ended: Callable[[str, Process], None],
        mistake: Callable[[str, str], None],
    ) -> None:
        self._clock, self._region, self._handlers, self._timeouts = clock, region, handlers, timeouts
        self._faults, self._tell, self._mistake = faults, ended, mistake
        self._warm: dict[str, list[Container]] = {}
        self._alone: dict[str, Process] = {}
        self._count = 0

    def invoke(self, name: str, event: Any, *, patience: float = 1e9) -> Any:
        """Call a function and wait for its answer, for `patience` seconds; raise InvocationError.

        Called by a process. A function whose caller has lost patience runs on.
        """
        process = self.start(name, event)
        limit = self._timeouts[name]
        if not self._clock.wait(process, min(limit, patience)):
            if patience < limit:
                raise InvocationError("States.Timeout", "")
            # It is stopped now, wherever it is.
            process.kill()
            raise InvocationError("Sandbox.Timedout", f"{name} timed out after {limit} s")
        return answer(process)

    def start_alone(self, name: str, event: Any) -> None:
        """Begin an invocation unless one is under way; Lambda drops it after a minute."""
        if name not in self._alone or self._alone[name] not in self._region.functions:
            self._alone[name] = self.start(name, event)

    def start(self, name: str, event: Any) -> Process:
        """Begin an invocation and return its process."""
        self._count += 1
        side = self._region.side
        handler, warm = self._handlers[name], self._warm.setdefault(name, [])

        context = Context(self._clock, self._clock.now + self._timeouts[name])

        def run() -> Any:
            return handler(event, context)

        process = self._clock.spawn(f"{side} {name} {self._count}", run, side=side)
        process.faults = self._faults(name)
        process.event = event
        # One invocation in ten finds no warm container.
        process.container = warm.pop() if warm and process.dice.chance(0.9) else Container(side)
        self._region.functions[process] = None
        if self._region.mode is Mode.DEAD:
            process.kill()
        process.then = lambda: self._ended(name, process)
        self._clock.at(self._clock.now + self._timeouts[name], process.kill)
        return process

    def _ended(self, name: str, process: Process) -> None:
        self._region.functions.pop(process, None)
        self._tell(name, process)
        if isinstance(process.error, MISTAKES):
            self._mistake(name, "".join(traceback.format_exception(process.error)))
        if not isinstance(process.error, KilledError):
            self._warm[name].append(process.container)


def answer(process: Process) -> Any:
    """Return what an invocation that is over has answered; raise InvocationError."""
    error = process.error
    if error is None:
        return process.result
    if isinstance(error, KilledError):
        raise InvocationError("Lambda.Unknown", "the function died without an answer")
    kind = type(error).__name__
    raise InvocationError(kind, json.dumps({"errorMessage": str(error), "errorType": kind}))
