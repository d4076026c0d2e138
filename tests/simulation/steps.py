"""Simulated Step Functions: they interpret the state machine that the program deploys, in virtual time.

https://states-language.net/spec.html, as far as the definition uses it; anything else is refused by name
when the definition is read. Names of executions are unique, retries back off with jitter, a Map's other
branches are stopped when one fails while the functions that they have called run on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.simulation.aws import Client, ExecutionAlreadyExists, ExecutionDoesNotExist, failed
from tests.simulation.clock import Clock, Dice, KilledError, Process
from tests.simulation.functions import Functions, InvocationError
from tests.simulation.paths import PathError, Reader, reader, template, writer
from tests.simulation.regions import Region
from tests.simulation.unknown import NotSimulatedError

#: What a state may have; anything else would be ignored here and not in AWS.
_KNOWN = {
    "Type", "Comment", "Next", "End", "InputPath", "OutputPath", "ResultPath", "Parameters", "Result",
    "ResultSelector", "Resource", "TimeoutSeconds", "Retry", "Catch", "Choices", "Default", "Seconds",
    "SecondsPath", "ItemsPath", "ItemSelector", "ItemProcessor", "MaxConcurrency", "Error", "Cause",
    "ErrorPath", "CausePath",
}  # fmt: skip

_DOCUMENT = dict[str, Any]


class FailedError(Exception):
    """A state, or a whole execution, that failed: its error's name and its cause."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(error, cause)
        self.error, self.cause = error, cause


@dataclass(eq=False)
class Execution:
    """One execution; `status` as DescribeExecution says it."""

    name: str
    input: str
    started: float
    status: str = "RUNNING"
    ended: float | None = None
    failure: FailedError | None = None
    process: Process | None = None


class StateMachine:
    """The state machine of one region and its executions."""

    def __init__(
        self,
        clock: Clock,
        region: Region,
        functions: Functions,
        machine: Machine,
        *,
        note: Callable[[str], None],
    ) -> None:
        self.clock, self.region, self.executions = clock, region, dict[str, Execution]()
        self._functions, self._note = functions, note
        self._machine = machine

    @property
    def arn(self) -> str:
        """Its name in AWS."""
        return f"arn:aws-us-gov:states:{self.region.name}:123456789012:stateMachine:mft"

    def start(self, name: str, document: str) -> Execution:
        """Start an execution, or return the running one of that name and input; ClientError for another.

        https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
        """
        before = self.executions.get(name)
        if before:
            if before.status == "RUNNING" and before.input == document:
                return before
            raise failed(ExecutionAlreadyExists, "ExecutionAlreadyExists", "StartExecution")
        execution = self.executions[name] = Execution(name, document, self.clock.now)
        execution.process = self.clock.spawn(
            f"{self.region.side} {name}",
            lambda: self._carry(execution),
            side=self.region.side,
            freezer=self.region,
            after=0.01,
        )
        return execution

    def abort(self) -> int:
        """End all executions that run; functions that they have called run on. Return their number."""
        running = [each for each in self.executions.values() if each.status == "RUNNING"]
        for execution in running:
            execution.status, execution.ended = "ABORTED", self.clock.now
            assert execution.process is not None  # a greenlet that has not begun is false
            branch = f"{execution.process.name} branch "
            for process in self.clock.living():
                if process is execution.process or process.name.startswith(branch):
                    process.kill()
        return len(running)

    def _carry(self, execution: Execution) -> None:
        context = {
            "Execution": {
                "Name": execution.name,
                "Id": f"{self.arn}:{execution.name}",
                "StartTime": datetime.fromtimestamp(execution.started, UTC).isoformat(),
            },
            "StateMachine": {"Id": self.arn},
        }
        try:
            run(self, self._machine, json.loads(execution.input), context)
            execution.status = "SUCCEEDED"
        except FailedError as failure:
            execution.status, execution.failure = "FAILED", failure
        execution.ended = self.clock.now
        self._note(f"{self.region.side} {execution.name} {execution.status}")

    def task(self, function: str, payload: Any, timeout: float) -> Any:
        """Invoke a function as a task does."""
        event = json.loads(json.dumps(payload))
        return {"Payload": self._functions.invoke(function, event, patience=timeout)}

    def branch(self, name: str, work: Callable[[], Any]) -> Process:
        """Run a branch of a Map beside the others."""
        return self.clock.spawn(name, work, side=self.region.side, freezer=self.region)


_State = Callable[[StateMachine, Any, Any], tuple[Any, str | None]]


@dataclass(frozen=True)
class Machine:
    """A definition, ready to run."""

    start: str
    states: dict[str, _State]


def compiled(definition: _DOCUMENT) -> Machine:
    """Return a definition ready to run; NotSimulatedError for what is not simulated."""
    states = {name: _state(name, document) for name, document in definition["States"].items()}
    for name, document in definition["States"].items():
        for after in _targets(document):
            assert after in states, f"{name} goes to {after}, which is no state"
    return Machine(definition["StartAt"], states)


def run(service: StateMachine, machine: Machine, document: Any, context: Any) -> Any:
    """Run states from the first to an end and return the output; FailedError when they fail."""
    at: str | None = machine.start
    while at is not None:
        try:
            document, at = machine.states[at](service, document, context)
        except PathError as error:
            raise FailedError("States.Runtime", f"{at}: nothing at {error}") from error
    return document


def _targets(document: _DOCUMENT) -> list[str]:
    nested = [*document.get("Choices", ()), *document.get("Catch", ()), document]
    return [each[key] for each in nested for key in ("Next", "Default") if key in each]


def _state(name: str, document: _DOCUMENT) -> _State:
    if unknown := document.keys() - _KNOWN:
        raise NotSimulatedError(f"state {name}: the simulation does not know {sorted(unknown)}")
    after = document.get("Next")
    kind = document["Type"]
    if kind == "Choice":
        return _choice(document)
    if kind == "Fail":
        return _fail(document)
    if kind == "Succeed":
        return lambda service, given, context: (given, None)
    if kind == "Wait":
        seconds = _number(document, "Seconds")

        def wait(service: StateMachine, given: Any, context: Any) -> tuple[Any, str | None]:
            service.clock.sleep(seconds(given, context))
            return given, after

        return wait
    work = {"Pass": _pass, "Task": _task, "Map": _map}[kind](name, document)
    return _shaped(name, document, work, after)


def _number(document: _DOCUMENT, field: str) -> Reader:
    if f"{field}Path" in document:
        return reader(document[f"{field}Path"])
    return lambda given, context: document[field]


_Work = Callable[[StateMachine, Any, Any, Any], Any]


def _shaped(name: str, document: _DOCUMENT, work: _Work, after: str | None) -> _State:
    """Return a state that does its work between the paths, and again or elsewhere when it fails."""
    taken = reader(document.get("InputPath", "$"))
    parameters = template(document["Parameters"]) if "Parameters" in document else None
    selected = template(document["ResultSelector"]) if "ResultSelector" in document else None
    placed = writer(document.get("ResultPath") or "$") if document.get("ResultPath", "$") else None
    given_on = reader(document.get("OutputPath", "$"))
    retriers = [(_errors(each), each) for each in document.get("Retry", ())]
    catchers = [(_errors(each), each) for each in document.get("Catch", ())]

    def enter(service: StateMachine, given: Any, context: Any) -> tuple[Any, str | None]:
        tries = [0] * len(retriers)
        dice: Dice | None = None
        while True:
            try:
                read = taken(given, context)
                sent = parameters(read, context) if parameters else read
                result = work(service, sent, read, context)
                if selected:
                    result = selected(result, context)
                made = placed(read, result) if placed else read
                return given_on(made, context), after
            except InvocationError as error:
                failure = FailedError(error.error, error.cause)
            except FailedError as error:
                failure = error
            number = next((n for n, (errors, _) in enumerate(retriers) if errors(failure.error)), None)
            if number is not None:
                retrier = retriers[number][1]
                if tries[number] < retrier.get("MaxAttempts", 3):
                    dice = dice or _dice(service, name, context)
                    service.clock.sleep(_backoff(retrier, tries[number], dice))
                    tries[number] += 1
                    continue
            for errors, catcher in catchers:
                if errors(failure.error):
                    error = {"Error": failure.error, "Cause": failure.cause}
                    return writer(catcher.get("ResultPath", "$"))(given, error), catcher["Next"]
            raise failure

    return enter


def _dice(service: StateMachine, name: str, context: Any) -> Dice:
    item = context.get("Map", {}).get("Item", {}).get("Index", "")
    return Dice(service.clock.seed, f"{context['Execution']['Name']} {name} {item}")


def _backoff(retrier: _DOCUMENT, tried: int, dice: Dice) -> float:
    delay = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** min(tried, 60)
    delay = min(delay, retrier.get("MaxDelaySeconds", 31622400))
    return dice.between(0, delay) if retrier.get("JitterStrategy") == "FULL" else delay


def _errors(document: _DOCUMENT) -> Callable[[str], bool]:
    """Return whether a retrier or catcher takes an error, by https://states-language.net/spec.html#errors."""
    wanted = document["ErrorEquals"]

    def takes(error: str) -> bool:
        if error in wanted:
            return True
        if "States.ALL" in wanted:
            return error not in ("States.Runtime", "States.DataLimitExceeded")
        return "States.TaskFailed" in wanted and error != "States.Timeout"

    return takes


def _pass(name: str, document: _DOCUMENT) -> _Work:
    if "Result" in document:
        return lambda service, sent, read, context: document["Result"]
    return lambda service, sent, read, context: sent


def _task(name: str, document: _DOCUMENT) -> _Work:
    assert document["Resource"].endswith(":states:::lambda:invoke"), document["Resource"]
    timeout = document["TimeoutSeconds"]

    def invoke(service: StateMachine, sent: Any, read: Any, context: Any) -> Any:
        return service.task(sent["FunctionName"], sent["Payload"], timeout)

    return invoke


def _map(name: str, document: _DOCUMENT) -> _Work:
    items = reader(document.get("ItemsPath", "$"))
    selector = template(document["ItemSelector"]) if "ItemSelector" in document else None
    machine = compiled(document["ItemProcessor"])
    assert not document.get("MaxConcurrency"), "the simulation runs all branches of a Map at once"

    def spread(service: StateMachine, sent: Any, read: Any, context: Any) -> Any:
        branches = []
        for index, value in enumerate(items(read, context)):
            inner = {**context, "Map": {"Item": {"Index": index, "Value": value}}}
            given = selector(read, inner) if selector else value
            branches.append((inner, given))
        if len(branches) == 1:
            ((inner, given),) = branches
            return [run(service, machine, given, inner)]
        return _beside(service, machine, branches)

    return spread


def _beside(service: StateMachine, machine: Machine, branches: list[tuple[Any, Any]]) -> list[Any]:
    """Run branches beside each other; when one fails the others are stopped."""
    execution = branches[0][0]["Execution"]["Name"] if branches else ""
    processes = [
        service.branch(
            f"{service.region.side} {execution} branch {index}",
            lambda given=given, inner=inner: run(service, machine, given, inner),
        )
        for index, (inner, given) in enumerate(branches)
    ]
    try:
        while open_ := [each for each in processes if not each.over]:
            for process in processes:
                if isinstance(process.error, FailedError):
                    raise process.error
            service.clock.wait_any(open_)
    except (FailedError, KilledError):
        for process in processes:
            process.kill()
        raise
    for process in processes:
        if process.error is not None:
            raise process.error
    return [process.result for process in processes]


def _choice(document: _DOCUMENT) -> _State:
    rules = [(_rule(each), each["Next"]) for each in document["Choices"]]
    default = document.get("Default")

    def choose(service: StateMachine, given: Any, context: Any) -> tuple[Any, str | None]:
        for holds, after in rules:
            if holds(given, context):
                return given, after
        if default is None:
            raise FailedError("States.NoChoiceMatched")
        return given, default

    return choose


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "StringEquals": lambda one, other: one == other,
    "BooleanEquals": lambda one, other: one is other,
    "NumericEquals": lambda one, other: one == other,
    "NumericGreaterThan": lambda one, other: one > other,
    "NumericGreaterThanEquals": lambda one, other: one >= other,
    "NumericLessThan": lambda one, other: one < other,
    "NumericLessThanEquals": lambda one, other: one <= other,
}


def _rule(document: _DOCUMENT) -> Callable[[Any, Any], bool]:
    if "And" in document:
        parts = [_rule(each) for each in document["And"]]
        return lambda given, context: all(part(given, context) for part in parts)
    if "Or" in document:
        parts = [_rule(each) for each in document["Or"]]
        return lambda given, context: any(part(given, context) for part in parts)
    if "Not" in document:
        inner = _rule(document["Not"])
        return lambda given, context: not inner(given, context)
    read = reader(document["Variable"])
    ((operator, wanted),) = ((k, v) for k, v in document.items() if k not in ("Variable", "Next", "Comment"))
    if operator in ("IsPresent", "IsNull"):

        def present(given: Any, context: Any) -> bool:
            try:
                found = read(given, context)
            except PathError:
                return (operator == "IsNull") is False and wanted is False
            return (found is None) is wanted if operator == "IsNull" else wanted

        return present
    compare = _COMPARISONS.get(operator)
    if compare is None:
        raise NotSimulatedError(f"the simulated Step Functions do not know {operator}")
    return lambda given, context: compare(read(given, context), wanted)


def _fail(document: _DOCUMENT) -> _State:
    def fail(service: StateMachine, given: Any, context: Any) -> tuple[Any, str | None]:
        raise FailedError(document.get("Error", ""), document.get("Cause", ""))

    if "ErrorPath" in document or "CausePath" in document:
        raise NotSimulatedError("the simulated Step Functions do not know ErrorPath")
    return fail


class StepFunctions(Client):
    """A client of Step Functions in one region."""

    service = "stepfunctions"

    def __init__(self, clock: Clock, region: Region, machine: StateMachine, trace: Any) -> None:
        super().__init__(clock, region, trace)
        self._machine = machine

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> dict[str, Any]:
        assert stateMachineArn == self._machine.arn, stateMachineArn
        assert len(name) <= 80, name

        def start() -> dict[str, Any]:
            execution = self._machine.start(name, input)
            return {"executionArn": self._arn(execution.name)}

        return self._effect("StartExecution", name, start)

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:
        name = executionArn.rpartition(":")[2]

        def describe() -> dict[str, Any]:
            execution = self._machine.executions.get(name)
            if execution is None:
                raise failed(ExecutionDoesNotExist, "ExecutionDoesNotExist", "DescribeExecution")
            description = {"name": name, "status": execution.status, "input": execution.input}
            if execution.ended is not None:
                description["stopDate"] = datetime.fromtimestamp(execution.ended, UTC)
            return description

        return self._effect("DescribeExecution", name, describe)

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_executions", f"the simulated Step Functions do not know {operation}"
        return self

    def paginate(self, *, stateMachineArn: str, statusFilter: str) -> Iterator[dict[str, Any]]:
        """Yield the executions of a status; those of the last second are not listed yet."""

        def listed() -> list[dict[str, Any]]:
            return [
                {"name": each.name, "status": each.status}
                for each in self._machine.executions.values()
                if each.status == statusFilter and each.started < self._clock.now - 1
            ]

        yield {"executions": self._effect("ListExecutions", statusFilter, listed)}

    def _arn(self, name: str) -> str:
        return f"{self._machine.arn.replace(':stateMachine:', ':execution:')}:{name}"


__all__ = ["Execution", "FailedError", "StateMachine", "StepFunctions"]
