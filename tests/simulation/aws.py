"""What the simulated clients of AWS share: a call is one effect, before or after which code may die."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from tests.simulation.clock import Clock, KilledError
from tests.simulation.regions import Region


class Fault(StrEnum):
    """What goes wrong at one effect.

    The code dies before or after it; the call fails before it, or its answer is lost; the answer was lost
    and the SDK has called again by itself; the call takes most of the time that a function has.
    """

    DIE_BEFORE = "die before"
    DIE_AFTER = "die after"
    FAIL = "fail"
    LOSE_ANSWER = "lose answer"
    TWICE = "twice"
    STALL = "stall"


#: Seconds until an SDK gives up on a service that does not answer, with its own retries.
_GIVES_UP = 20.0


class Client:
    """A simulated client; `region` answers its calls, or None where no region can be lost."""

    service = ""
    retries = True
    exceptions: Any

    def __init__(self, clock: Clock, region: Region | None, trace: Callable[..., None] | None) -> None:
        self._clock, self._region, self._trace = clock, region, trace

    def _effect(self, operation: str, about: str, apply: Callable[[], Any]) -> Any:
        """Have one effect on the world, at a moment that the dice decide, with what goes wrong there."""
        clock = self._clock
        process = clock.current
        assert process is not None, f"{operation} outside a process"
        process.effects += 1
        fault = process.faults.get(process.effects) if process.faults else None
        clock.sleep(latency(process.dice.random()))
        if fault is Fault.STALL:
            clock.sleep(process.dice.between(60, 880))
        if self._trace is not None:
            self._trace(process.name, self.service, operation, about, fault or "")
        if fault is Fault.DIE_BEFORE:
            process.kill()
            raise KilledError
        if self._region is not None and not self._region.answers(process.side):
            clock.sleep(_GIVES_UP)
            raise EndpointConnectionError(endpoint_url=self._region.name)
        if fault is Fault.FAIL:
            raise self._refusal(operation)
        answer = apply()
        if fault is Fault.TWICE and self.retries:
            clock.sleep(process.dice.between(0.1, 5))
            answer = apply()
        elif fault is Fault.DIE_AFTER:
            process.kill()
            raise KilledError
        elif fault is Fault.LOSE_ANSWER:
            clock.sleep(_GIVES_UP)
            raise self._silence()
        return answer

    def _refusal(self, operation: str) -> Exception:
        """Return the error of a call that is refused this time."""
        return failed(ClientError, "ThrottlingException", operation)

    def _silence(self) -> Exception:
        """Return the error of a call that had its effect and no answer."""
        return ReadTimeoutError(endpoint_url=self.service)


def latency(chance: float) -> float:
    """Return how long a call takes: mostly milliseconds, one in fifty a second or more."""
    return 0.004 + 0.04 * chance if chance < 0.98 else 1 + (chance - 0.98) * 200


class ConditionalCheckFailed(ClientError):
    """A condition of a write does not hold."""


class NoSuchKey(ClientError):
    """There is no object of that key."""


class ExecutionAlreadyExists(ClientError):
    """An execution of that name has run in the last 90 days."""


class ExecutionDoesNotExist(ClientError):
    """There is no such execution."""


class ResourceNotFound(ClientError):
    """There is no such resource."""


class ParameterNotFound(ClientError):
    """There is no such parameter."""


def failed(kind: type[ClientError], code: str, operation: str) -> ClientError:
    """Return an error as a client raises it."""
    return kind({"Error": {"Code": code, "Message": code}}, operation)


class _Exceptions:
    """The classes that a client's `exceptions` has."""

    ClientError = ClientError
    ConditionalCheckFailedException = ConditionalCheckFailed
    NoSuchKey = NoSuchKey
    ExecutionAlreadyExists = ExecutionAlreadyExists
    ExecutionDoesNotExist = ExecutionDoesNotExist
    ResourceNotFoundException = ResourceNotFound
    ParameterNotFound = ParameterNotFound


Client.exceptions = _Exceptions
