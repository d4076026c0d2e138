"""The functions that the edits of Step Functions and Lambda call: delays, strict paths, waits for a slot."""

from __future__ import annotations

import random
import time
from typing import Any

from local.aws.ministack.patching import Module, after, original


def retry_delay(retrier: dict[str, Any], count: int) -> float:
    """Return the seconds before retry number `count` (from 0), by the fields of the retrier."""
    delay = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** count
    delay = min(delay, retrier.get("MaxDelaySeconds", delay))
    return random.uniform(0, delay) if retrier.get("JitterStrategy") == "FULL" else delay  # noqa: S311


@after("services.stepfunctions")
def _strict_paths(states: Module) -> None:
    change = "strict paths"
    tokens_of, resolve = (
        original(change, states, "_parse_jsonpath_tokens"),
        original(change, states, "_resolve_path"),
    )
    error, fail = original(change, states, "_ExecutionError"), original(change, states, "_fail_execution")

    def present(path: str, data: Any) -> bool:
        for kind, value in tokens_of(path) or ():
            if kind == "wildcard":
                return True
            try:
                data = data[value]
            except (KeyError, IndexError, TypeError):
                return False
        return True

    def resolve_strictly(path: str, data: Any, field: str) -> Any:
        if path.startswith("$") and not present(path, data):
            cause = f"The JSONPath '{path}' specified for the field '{field}' could not be found in the input"
            raise error("States.ParameterPathFailure", cause)
        return resolve(path, data)

    def variable_present(path: str, data: Any, ctx: Any) -> None:
        root, path = (ctx, path[1:]) if path.startswith("$$.") else (data, path)
        if not present(path, root):
            cause = f"Invalid path '{path}': The choice state's condition path references an invalid value."
            raise error("States.Runtime", cause)

    def still_running(execution: dict[str, Any]) -> None:
        if execution["status"] != "RUNNING":
            raise error("States.Runtime", "the execution was stopped")

    def fail_once(execution: dict[str, Any], name: str, cause: str) -> None:
        if execution["status"] == "RUNNING":  # an aborted execution stays aborted
            fail(execution, name, cause)

    states._mft_retry_delay = retry_delay
    states._mft_resolve = resolve_strictly
    states._mft_variable_present = variable_present
    states._mft_still_running = still_running
    states._fail_execution = fail_once


@after("services.lambda_svc")
def _wait_for_a_slot(functions: Module) -> None:
    change = "wait for a slot"
    execute = original(change, functions, "_execute_function")
    reserved = original(change, functions, "_reserved_concurrency")

    def execute_when_free(func: dict[str, Any], event: Any, patience: float) -> dict[str, Any]:
        give_up = time.monotonic() + patience
        while True:
            result: dict[str, Any] = execute(func, event)
            switched_off = reserved(func, func.get("config") or func) == 0
            if not result.get("throttle") or switched_off or time.monotonic() > give_up:
                return result
            time.sleep(0.1)

    def batch_patience(func: dict[str, Any]) -> float:
        """Return for how long a batch waits: less than a queue hides it, six times the function's timeout.

        Functions of the program have their own concurrency in AWS, so a burst of others would not hide it.
        """
        return max(25.0, 4.0 * int((func.get("config") or func).get("Timeout", 3)))

    functions._mft_execute_when_free = execute_when_free
    functions._mft_batch_patience = batch_patience
