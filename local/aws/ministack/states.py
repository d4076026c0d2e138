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


#: What the account's concurrency here stands for where functions reserve it, and the least that each then
#: has. Of the 200 deliveries that a cell reserves, a machine that runs 12 functions at once has 30: more than
#: the 25 that one customer may have at a destination.
_STANDS_FOR, _AT_LEAST = 80, 4


class _Own(str):
    """The key of a function that runs within its own reservation."""


@after("services.lambda_svc")
def _reserve(functions: Module) -> None:
    """Let functions that reserve concurrency have it for all their versions; the others share the account's.

    MiniStack lets the account's cap refuse them all, and forgets the reservation of a published version:
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
    """
    change = "reserved concurrency"
    acquire = original(change, functions, "_acquire_execution_slot")
    reserved_by = original(change, functions, "_reserved_concurrency")
    key_of = original(change, functions, "_inflight_key")
    in_use, lock = original(change, functions, "_inflight"), original(change, functions, "_inflight_lock")
    release = original(change, functions, "_release_execution_slot")

    def reserved_of_function(func: dict[str, Any], config: dict[str, Any]) -> int | None:
        whole = functions._functions.get(config.get("FunctionName")) or func
        return reserved_by(whole, config)  # type: ignore[no-any-return]

    def most(reserved: int) -> int:
        cap: int = functions._ACCOUNT_CONCURRENCY_CAP
        return min(reserved, max(_AT_LEAST, cap * reserved // _STANDS_FOR))

    def squeezed(func: dict[str, Any]) -> bool:
        """Return whether AWS would run the function now, and only this machine has no room."""
        config = func.get("config") or func
        reserved = reserved_of_function(func, config) or 0
        running: int = in_use.get(key_of(config), 0)
        return most(reserved) <= running < reserved

    def acquire_own(func: dict[str, Any], config: dict[str, Any]) -> tuple[str | None, str | None]:
        reserved = reserved_of_function(func, config)
        if not reserved or not functions._ACCOUNT_CONCURRENCY_CAP:
            return acquire(func, config)  # type: ignore[no-any-return]
        key = key_of(config)
        with lock:
            if in_use.get(key, 0) >= most(reserved):
                return None, "function"
            in_use[key] = in_use.get(key, 0) + 1
        return _Own(key), None

    def release_own(key: str | None) -> None:
        if isinstance(key, _Own):
            with lock:
                functions._inflight_total += 1  # `release` takes it off, and it has never been counted
        release(key)

    functions._mft_squeezed = squeezed
    functions._reserved_concurrency = reserved_of_function
    functions._acquire_execution_slot = acquire_own
    functions._release_execution_slot = release_own


@after("services.lambda_svc")
def _wait_for_a_slot(functions: Module) -> None:
    change = "wait for a slot"
    execute = original(change, functions, "_execute_function")
    reserved = original(change, functions, "_reserved_concurrency")

    def execute_when_free(func: dict[str, Any], event: Any, patience: float) -> dict[str, Any]:
        give_up = time.monotonic() + patience
        while True:
            while functions._mft_squeezed(func) and time.monotonic() < give_up:
                time.sleep(0.1)
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
