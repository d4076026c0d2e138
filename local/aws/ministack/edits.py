"""The gaps of MiniStack that are closed by replacing text within its functions.

Names that begin with `_mft_` are put into the changed module by an `@after` function of this package.
"""

from __future__ import annotations

from local.aws.ministack.answer_edits import ANSWER_EDITS
from local.aws.ministack.checksum_edits import CHECKSUM_EDITS
from local.aws.ministack.outage_edits import OUTAGE_EDITS
from local.aws.ministack.patching import Edit
from local.aws.ministack.status_edits import STATUS_EDITS

_WORKER = "core.lambda_runtime"
_LAMBDA = "services.lambda_svc"
_STATES = "services.stepfunctions"
_ROUTE53 = "services.route53"

EDITS = [
    Edit(
        name="worker leaves with the emulator",
        why="a worker that is busy when the emulator is killed would go on running",
        module=_WORKER,
        old="import sys, json, importlib, traceback, os, time\n\ndef run():\n",
        new="""import sys, json, importlib, traceback, os, threading, time

def _leave_with(parent):
    while os.getppid() == parent:
        time.sleep(0.3)
    os._exit(1)

threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()

def run():
""",
    ),
    Edit(
        name="one unpacked copy of the code",
        why="every worker unpacked and compiled its own copy, which takes seconds on a small machine",
        module=_WORKER,
        old="""        os.makedirs(code_dir)
        with open(os.path.join(self._tmpdir, "code.zip"), "wb") as f:
            f.write(self.code_zip)
        with zipfile.ZipFile(os.path.join(self._tmpdir, "code.zip")) as zf:
            zf.extractall(code_dir)
""",
        new="        code_dir = _mft_unpacked(self.code_zip)\n",
    ),
    Edit(
        name="workers forked",
        why="every worker imported boto3 and asyncssh anew, which takes most of a second on a small machine",
        module=_WORKER,
        old="        self._proc = subprocess.Popen(\n            [binary, worker_path],\n",
        new="        self._proc = _mft_started(\n            [binary, worker_path],\n",
    ),
    Edit(
        name="no endpoints of AWS in a worker",
        why="every worker is given the emulator's endpoint, beside which an SDK refuses FIPS endpoints",
        module=_WORKER,
        old="            if key not in _RESERVED_RUNTIME_ENV_VARS\n        }\n        spawn_env = ",
        new='            if key not in (*_RESERVED_RUNTIME_ENV_VARS, "AWS_USE_FIPS_ENDPOINT")\n'
        '            and not key.startswith("AWS_ENDPOINT_URL_")\n'
        "        }\n        spawn_env = ",
    ),
    Edit(
        name="worker survives an exception of its handler",
        why="AWS keeps the environment; a new process for every failed attempt took seconds",
        module=_WORKER,
        old='            if response.get("status") == "error":\n                proc, self._proc',
        new='            if response.get("status") == "error" and "type" not in response:\n'
        "                proc, self._proc",
    ),
    Edit(
        name="exception class, in the worker",
        why="Retry and Catch match the class of the function's exception",
        module=_WORKER,
        old='"error": str(e), "trace": traceback',
        new='"type": type(e).__name__, "error": str(e), "trace": traceback',
    ),
    Edit(
        name="exception class, in the answer",
        why="errorType is that class on AWS, and Runtime.ExitError when the process ended",
        module=_LAMBDA,
        old="""            error_type = "Runtime.HandlerError"
            if _RIE_TIMEOUT_TEXT_RE.fullmatch(error_msg):
                error_type = "Sandbox.Timedout"
            return {
                "body": {
                    "errorMessage": error_msg,
                    "errorType": error_type,
""",
        new="""            error_type = result.get("type", "Runtime.ExitError")
            if _RIE_TIMEOUT_TEXT_RE.fullmatch(error_msg):
                error_type = "Sandbox.Timedout"
            return {
                "body": {
                    "errorMessage": error_msg,
                    "errorType": error_type,
                    "requestId": request_id,
                    "stackTrace": result.get("trace", "").splitlines(keepends=True),
""",
    ),
    Edit(
        name="a cell reserves more than this machine runs",
        why="what is reserved in all follows from the two figures, as AWS states them",
        module=_LAMBDA,
        old='            "UnreservedConcurrentExecutions": max(account_cap - reserved_sum, 0),\n',
        new='            "UnreservedConcurrentExecutions": account_cap - reserved_sum,\n',
    ),
    Edit(
        name="throttled asynchronous call waits",
        why="AWS keeps a throttled event for hours; MiniStack gave up after three tries",
        module=_LAMBDA,
        old="            last_result = _execute_function(func, event)\n",
        new="            last_result = _mft_execute_when_free(func, event, max_event_age)\n",
    ),
    Edit(
        name="throttled queue batch waits",
        why="a batch that our small limit refuses would be hidden for its timeout, or end up in the DLQ",
        module=_LAMBDA,
        old='    esm_id = esm["UUID"]\n    func_name = esm["FunctionName"]\n'
        "    result = _execute_function(func_rec, event)\n",
        new='    esm_id = esm["UUID"]\n    func_name = esm["FunctionName"]\n'
        "    result = _mft_execute_when_free(func_rec, event, _mft_batch_patience(func_rec))\n",
    ),
    Edit(
        name="throttled task",
        why="a state machine gets Lambda.TooManyRequestsException, which it retries",
        module=_STATES,
        old='    if result.get("error"):\n        body = result.get("body", {})\n',
        new="""    if result.get("throttle"):
        raise _ExecutionError("Lambda.TooManyRequestsException", result["body"]["message"])
    if result.get("error"):
        body = result.get("body", {})
""",
    ),
    Edit(
        name="same execution again",
        why="StartExecution with the name and input of a running execution returns that execution",
        module=_STATES,
        old="    if exec_arn in _executions:\n        return error_response_json(\n"
        '            "ExecutionAlreadyExists",',
        new="""    if exec_arn in _executions:
        running = _executions[exec_arn]
        if running["status"] == "RUNNING" and running["input"] == data.get("input", "{}"):
            return json_response({"executionArn": exec_arn, "startDate": running["startDate"]})
        return error_response_json(
            "ExecutionAlreadyExists",""",
    ),
    Edit(
        name="retry delay of a task",
        why="MaxDelaySeconds and JitterStrategy were ignored, and every delay was cut to 60 s",
        module=_STATES,
        old="""                interval = retrier.get("IntervalSeconds", 1)
                backoff = retrier.get("BackoffRate", 2.0)
                sleep_sec = interval * (backoff ** count)
                _scaled_sleep(min(sleep_sec, 60))
""",
        new="                _scaled_sleep(_mft_retry_delay(retrier, count))\n",
    ),
    Edit(
        name="retry delay of a Map",
        why="as for a task",
        module=_STATES,
        old="""                interval = retrier.get("IntervalSeconds", 1)
                _scaled_sleep(min(interval * (retrier.get("BackoffRate", 2.0) ** count), 60))
""",
        new="                _scaled_sleep(_mft_retry_delay(retrier, count))\n",
    ),
    Edit(
        name="missing path in Parameters",
        why="it became null and the task ran; AWS fails the state",
        module=_STATES,
        old="                else:\n                    result[real_key] = _resolve_path(value, data)\n",
        new="                else:\n                    result[real_key] = _mft_resolve(value, data, key)\n",
    ),
    Edit(
        name="missing variable in Choice",
        why="it compared as false and fell through to Default; AWS fails the execution",
        module=_STATES,
        old='    # --- string ---\n    if "StringEquals" in rule:',
        new="    if value is None:\n        _mft_variable_present(variable, data, ctx)\n\n"
        '    # --- string ---\n    if "StringEquals" in rule:',
    ),
    Edit(
        name="States.ALL and States.Runtime",
        why="States.ALL does not catch States.Runtime",
        module=_STATES,
        old='    if "States.ALL" in error_equals or error in error_equals:\n',
        new='    if error == "States.Runtime":\n        return error in error_equals\n'
        '    if "States.ALL" in error_equals or error in error_equals:\n',
    ),
    Edit(
        name="stopped execution stops its Map",
        why="the items of a Map went on running after StopExecution",
        module=_STATES,
        old="    while current_name:\n        state_def = states.get(current_name)\n",
        new="    while current_name:\n        _mft_still_running(execution)\n"
        "        state_def = states.get(current_name)\n",
    ),
    Edit(
        name="health check booleans",
        why="True and False are not XML booleans: every SDK read false",
        module=_ROUTE53,
        old="SubElement(cfg_el, field).text = str(cfg[field])",
        new="value = cfg[field]\n            SubElement(cfg_el, field).text = "
        "str(value).lower() if isinstance(value, bool) else str(value)",
    ),
    Edit(
        name="health check children",
        why="a CALCULATED check lost the ids of its children",
        module=_ROUTE53,
        old='[_text(c, "ChildHealthCheck") for c in',
        new='[c.text or "" for c in',
    ),
    Edit(
        name="health check regions",
        why="they were lost in the same way",
        module=_ROUTE53,
        old='[_text(r, "Region") for r in',
        new='[r.text or "" for r in',
    ),
    Edit(
        name="version id in S3 events",
        why="EventBridge events of a versioned bucket name the version; intake depends on it",
        module="services.s3",
        old='"sequencer": sequencer or "0"},\n',
        new='"sequencer": sequencer or "0",\n'
        '                               **({"version-id": version_id} if version_id else {})},\n',
    ),
    Edit(
        name="alarms of an action",
        why="DescribeAlarms ignored ActionPrefix and returned all alarms",
        module="services.cloudwatch",
        old="""            if state and alarm["StateValue"] != state:
                continue
            metric_alarms.append(alarm)
""",
        new="""            if state and alarm["StateValue"] != state:
                continue
            wanted = cbor_data.get("ActionPrefix") if is_cbor or is_json else _p(params, "ActionPrefix")
            if wanted and not any(each.startswith(wanted) for each in alarm.get("AlarmActions", ())):
                continue
            metric_alarms.append(alarm)
""",
    ),
    *ANSWER_EDITS,
    *CHECKSUM_EDITS,
    *OUTAGE_EDITS,
    *STATUS_EDITS,
]
