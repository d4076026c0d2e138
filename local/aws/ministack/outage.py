"""What stops in a region that is down, and how it goes on when the region is back.

Functions that run are killed with their processes, and none starts. An asynchronous event is passed to its
function again when the region is back, because AWS keeps it; a batch of a queue returns to the queue after
its visibility timeout, most of which can pass while the region is down: `let_pass`.

Executions of state machines freeze: no state begins while the region is down. The time of a Wait goes on. A
Lambda task that was running fails when the region is back, with `Lambda.ServiceException`, which a Retry for
that error or for States.ALL repeats; if its TimeoutSeconds passed during the outage, it fails with
States.Timeout.

Deliveries of events and notifications wait until both their regions are up. Schedules do not fire.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from local.aws.ministack.patching import Module, after, original
from local.aws.ministack.regions import REGIONS

_CHANGE = "region outage"
_runtime: list[Module] = []
_queues: list[Module] = []


def region_of(arn: str) -> str:
    """Return the region in an ARN; empty if it has none, or is not an ARN."""
    return (arn.split(":") + [""] * 4)[3]


def end_workers(region: str) -> None:
    """Kill the workers of a region, busy and idle ones."""
    for runtime in _runtime:
        with runtime._lock:
            keys = [key for key in runtime._workers if key.split(":")[1] == region]
            doomed = [worker for key in keys for worker in runtime._workers.pop(key)]
        for worker in doomed:
            if (process := worker._proc) is not None:
                process.kill()  # at once: a handler could take its time over SIGTERM
        runtime.kill_workers(doomed)


def let_pass(region: str, seconds: float) -> None:
    """Shorten by `seconds` the time for which the queues of a region hide their messages."""
    for queues in _queues:
        with queues._queues_lock:
            for key, queue in queues._queues.all_items():
                for message in queue["messages"] if key[1] == region else ():
                    message["visible_at"] = message.get("visible_at", 0) - seconds


def _later(*regions: str, call: Callable[[], Any]) -> None:
    """Make a call now, or as soon as all these regions are up."""
    from ministack.core.concurrency import spawn_background

    def wait() -> None:
        REGIONS.hold(*regions)
        call()

    if REGIONS.down.isdisjoint(regions):
        call()
    else:
        spawn_background(wait, thread_name="mft-delivery")


@after("core.lambda_runtime")
def _workers(runtime: Module) -> None:
    for name in ("_lock", "_workers", "kill_workers"):
        original(_CHANGE, runtime, name)
    spawn = original(_CHANGE, runtime.Worker, "_spawn")
    region_of_config = original(_CHANGE, runtime, "_account_region_from_function_config")
    _runtime.append(runtime)

    def spawn_where_up(worker: Any) -> None:
        region = region_of_config(worker.config)[1]
        life = REGIONS.life(region)
        if life is not None:
            spawn(worker)
            if REGIONS.life(region) == life:
                return
            worker._proc.kill()  # it was started before the region died, and `end_workers` did not see it yet
        raise RuntimeError(f"{region} is down")

    runtime.Worker._spawn = spawn_where_up


@after("services.sqs")
def _messages(sqs: Module) -> None:
    for name in ("_queues", "_queues_lock"):
        original(_CHANGE, sqs, name)
    _queues.append(sqs)


@after("services.lambda_svc")
def _functions(functions: Module) -> None:
    dispatch = original(_CHANGE, functions, "_execute_function_dispatch")
    execute = original(_CHANGE, functions, "_execute_function_with_config_scope")
    mappings = original(_CHANGE, functions, "_iter_all_esms")
    region_of_config = original(_CHANGE, functions, "_account_region_from_function_config")

    def home(func: dict[str, Any]) -> str:
        return str(region_of_config(func.get("config") or func)[1])

    def lost(region: str) -> dict[str, Any]:
        body = {"errorType": "Lambda.ServiceException", "errorMessage": f"{region} went down"}
        return {"error": True, "body": body, "log": "", "_mft_lost": True}

    def dispatch_where_up(
        func: dict[str, Any], config: dict[str, Any], event: Any, request_id: str, started: float
    ) -> dict[str, Any]:
        region = home(func)
        life = REGIONS.life(region)
        if life is None:
            return lost(region)
        result: dict[str, Any] = dispatch(func, config, event, request_id, started)
        return lost(region) if result.get("error") and REGIONS.life(region) != life else result

    def outlive(func: dict[str, Any], call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        while True:
            REGIONS.hold(home(func))
            if not (result := call()).get("_mft_lost"):
                return result

    def execute_task(func: dict[str, Any], event: Any) -> dict[str, Any]:
        result: dict[str, Any] = execute(func, event)
        if result.get("_mft_lost"):
            REGIONS.hold(home(func))
        return result

    functions._execute_function_dispatch = dispatch_where_up
    functions._iter_all_esms = lambda: (one for one in mappings() if not REGIONS.is_down(one[1]))
    functions._mft_outlive = outlive
    functions._mft_execute_event = lambda func, event: outlive(func, lambda: execute(func, event))
    functions._mft_execute_task = execute_task


@after("services.stepfunctions")
def _executions(states: Module) -> None:
    here = original(_CHANGE, states, "get_region")
    sleep, invoke = (original(_CHANGE, states, name) for name in ("_scaled_sleep", "_invoke_resource"))
    invoke_within = original(_CHANGE, states, "_invoke_resource_with_timeout")
    function_of = original(_CHANGE, states, "_extract_lambda_ref")

    def thawed() -> bool:
        REGIONS.hold(here())
        return True

    def sleep_until_thawed(seconds: float) -> None:
        sleep(seconds)
        thawed()

    def invoke_where_up(resource: str, data: Any) -> Any:
        long = ("lambda:invoke", ":activity:", ".sync")
        if function_of(resource) or any(part in resource for part in long):
            return invoke(resource, data)
        with REGIONS.working(here()):
            return invoke(resource, data)

    def invoke_within_or_later(resource: str, data: Any, timeout: float) -> Any:
        try:
            return invoke_within(resource, data, timeout)
        finally:
            thawed()  # a timeout that passes during the outage takes effect when the region is back

    states._mft_thawed = thawed
    states._invoke_resource_with_timeout = invoke_within_or_later
    states._scaled_sleep = sleep_until_thawed
    states._invoke_resource = invoke_where_up


@after("services.eventbridge")
def _rules(events: Module) -> None:
    invoke, here = original(_CHANGE, events, "_invoke_target"), original(_CHANGE, events, "get_region")

    def invoke_where_up(
        target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None
    ) -> None:
        _later(here(), region_of(target.get("Arn", "")), call=lambda: invoke(target, event, rule, view))

    events._invoke_target = invoke_where_up
    events._mft_is_down = REGIONS.is_down


@after("services.scheduler")
def _schedules(scheduler: Module) -> None:
    scheduler._mft_is_down = REGIONS.is_down


@after("services.sns")
def _topics(sns: Module) -> None:
    deliver = original(_CHANGE, sns, "_deliver_to_sqs")

    def deliver_where_up(endpoint: str, *args: Any, topic_arn: str = "", **more: Any) -> None:
        call = lambda: deliver(endpoint, *args, topic_arn=topic_arn, **more)  # noqa: E731
        _later(region_of(topic_arn), region_of(endpoint), call=call)

    sns._deliver_to_sqs = deliver_where_up


@after("services.s3")
def _buckets(s3: Module) -> None:
    fire, bucket_region = original(_CHANGE, s3, "_fire_s3_event"), original(_CHANGE, s3, "bucket_region")

    def fire_where_up(bucket: str, *args: Any, **more: Any) -> None:
        with REGIONS.working(bucket_region(bucket)):
            fire(bucket, *args, **more)

    s3._fire_s3_event = fire_where_up
