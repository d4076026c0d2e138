"""The edits by which MiniStack checks whether a region is up; what they call is in `outage`."""

from __future__ import annotations

from local.aws.ministack.patching import Edit

_LAMBDA = "services.lambda_svc"
_STATES = "services.stepfunctions"

OUTAGE_EDITS = [
    Edit(
        name="event of a function outlives an outage",
        why="AWS keeps asynchronous events for hours; MiniStack's ended with the worker that was killed",
        module=_LAMBDA,
        old="            last_result = _mft_execute_when_free(func, event, max_event_age)\n",
        new="            last_result = _mft_outlive(\n"
        "                func, lambda: _mft_execute_when_free(func, event, max_event_age))\n",
    ),
    Edit(
        name="event of a rule outlives an outage",
        why="EventBridge invokes asynchronously: as above",
        module="services.eventbridge",
        old="target=lambda_svc._execute_function_with_config_scope, args=(exec_record, event), daemon=True",
        new="target=lambda_svc._mft_execute_event, args=(exec_record, event), daemon=True",
    ),
    Edit(
        name="notification outlives an outage",
        why="SNS invokes asynchronously: as above",
        module="services.sns",
        old="        _lambda_svc._execute_function_with_config_scope(exec_record, event)\n",
        new="        _lambda_svc._mft_execute_event(exec_record, event)\n",
    ),
    Edit(
        name="task that dies with its region",
        why="it fails when the region is back, with an error that a Retry can name",
        module=_STATES,
        old="    result = lambda_svc._execute_function_with_config_scope(exec_record, event)\n",
        new="    result = lambda_svc._mft_execute_task(exec_record, event)\n",
    ),
    Edit(
        name="frozen execution",
        why="no state may begin in a region that is down",
        module=_STATES,
        old='        while current_name and execution["status"] == "RUNNING":\n',
        new='        while current_name and _mft_thawed() and execution["status"] == "RUNNING":\n',
    ),
    Edit(
        name="frozen branch",
        why="as above, for the states of a Map or Parallel",
        module=_STATES,
        old="    while current_name:\n        _mft_still_running(execution)\n",
        new="    while current_name and _mft_thawed():\n        _mft_still_running(execution)\n",
    ),
    Edit(
        name="rule's schedule in a region that is down",
        why="it does not fire; it fires once for what it missed, at the first sweep when the region is back",
        module="services.eventbridge",
        old='        schedule = rule.get("ScheduleExpression", "")\n        state_key =',
        new="        if _mft_is_down(region):\n            continue\n"
        '        schedule = rule.get("ScheduleExpression", "")\n        state_key =',
    ),
    Edit(
        name="schedule in a region that is down",
        why="as above",
        module="services.scheduler",
        old='            if sched.get("State") != "ENABLED":\n',
        new='            if sched.get("State") != "ENABLED" or _mft_is_down(region):\n',
    ),
]
