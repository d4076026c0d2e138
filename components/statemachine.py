"""The workflow's definition in Amazon States Language: pure data, made from the ARNs of its functions.

claim -> (wait | compare) -> deliver to each destination -> complete -> archive. Errors are matched by the
class names in `runtime.delivery.errors`, `runtime.workflow`, `runtime.breaker` and `runtime.shares`.
"""

from __future__ import annotations

from typing import Any

#: Seconds until Lambda stops a delivery function, the longest that Lambda allows. A task waits longer than
#: its function can run, so two attempts never write to the same temporary name.
DELIVERY_TIMEOUT = 900
#: Seconds until Lambda stops a function that only decides or records.
STEP_TIMEOUT = 60
_MARGIN = 30

#: About two hours of attempts: 30 s, doubled up to 15 minutes, with jitter.
DELIVERY_RETRY = {
    "IntervalSeconds": 30,
    "BackoffRate": 2,
    "MaxDelaySeconds": 900,
    "MaxAttempts": 12,
    "JitterStrategy": "FULL",
}

#: A step that only decides or records is repeated for most of a day before the execution fails.
_STEP_RETRY = {**DELIVERY_RETRY, "ErrorEquals": ["States.ALL"], "IntervalSeconds": 2, "MaxAttempts": 60}

#: Three days of waiting for a destination that keeps failing, while one other file tries it: each wait is
#: from one minute to a quarter of an hour. Waits do not count as attempts.
_WAIT_FOR_OTHERS = {
    "ErrorEquals": ["BreakerOpenError"],
    "IntervalSeconds": 60,
    "BackoffRate": 1.5,
    "MaxDelaySeconds": 900,
    "MaxAttempts": 300,
}

#: Lambda did not run the function: too many run already, or its environment could not be set up. Of Lambda's
#: other errors, such as ServiceException, AWS does not say that the function has not run.
#: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
_NOT_RUN = (
    "Lambda.TooManyRequestsException",
    "Lambda.EC2ThrottledException",
    "Lambda.ENILimitReachedException",
    "Lambda.SubnetIPAddressLimitReachedException",
)

#: About forty hours of waiting for room: a slot of the customer's share, or a run of the function. Waits are
#: at most five minutes long and do not count as attempts. Each takes three events of an execution's 25,000.
WAIT_FOR_ROOM: dict[str, Any] = {
    "ErrorEquals": ["ShareInUseError", *_NOT_RUN],
    "IntervalSeconds": 2,
    "BackoffRate": 1.5,
    "MaxDelaySeconds": 300,
    "MaxAttempts": 1000,
    "JitterStrategy": "FULL",
}

#: About twelve hours of waiting until this platform's own AWS services answer a delivery again. Waits are at
#: most five minutes long and do not count as attempts: the destination has not failed.
_WAIT_FOR_PLATFORM: dict[str, Any] = {
    **WAIT_FOR_ROOM,
    "ErrorEquals": ["PlatformUnavailableError"],
    "MaxAttempts": 300,
}

_ANY = {"ErrorEquals": ["States.ALL"]}
_LOST = ["LeaseLostError", "OvertakenError"]
_NO_RETRY = {"ErrorEquals": ["PermanentDeliveryError", *_LOST], "MaxAttempts": 0}

#: An execution that lost its lease or was overtaken claims again. What was delivered by then decides.
_BEGIN_AGAIN = {"ErrorEquals": _LOST, "ResultPath": "$.lost", "Next": "LookAgain"}


def definition(functions: dict[str, str], *, partition: str) -> dict[str, Any]:
    """Return the state machine's definition; `functions` maps a step's name to its function's version."""

    def invoke(step: str, timeout: int, **payload: Any) -> dict[str, Any]:
        return {
            "Type": "Task",
            "Resource": f"arn:{partition}:states:::lambda:invoke",
            "Parameters": {
                "FunctionName": functions[step],
                "Payload": {"execution.$": "$$.Execution.Name", **payload},
            },
            "ResultSelector": {"answer.$": "$.Payload"},
            "TimeoutSeconds": timeout + _MARGIN,
        }

    transfer = {"transfer.$": "$.transfer"}
    return {
        "Comment": "One transfer: claim, deliver to each destination, complete, archive",
        "StartAt": "Begin",
        "States": {
            "Begin": {
                "Type": "Pass",
                "Parameters": {
                    "transfer.$": "$",
                    "verdict": {"answer": {"at.$": "$$.Execution.StartTime"}},
                },
                "Next": "Claim",
            },
            "Claim": {
                **invoke("claim", STEP_TIMEOUT, **transfer, **{"seen.$": "$.verdict.answer.at"}),
                "ResultPath": "$.verdict",
                "Retry": [WAIT_FOR_ROOM, _STEP_RETRY],
                "Next": "Decide",
            },
            "Decide": {
                "Type": "Choice",
                "Choices": [
                    _when("wait", "LookAgain"),
                    _when("compare", "Compare"),
                    _when("deliver", "Deliver"),
                ],
                "Default": "NothingToSend",
            },
            "LookAgain": {"Type": "Wait", "SecondsPath": "$.verdict.answer.wait", "Next": "Claim"},
            "Compare": {
                **invoke("compare", DELIVERY_TIMEOUT, **transfer),
                "ResultPath": "$.verdict",
                "Retry": [_NO_RETRY, WAIT_FOR_ROOM, _STEP_RETRY],
                "Catch": [_BEGIN_AGAIN],
                "Next": "Decide",
            },
            "Deliver": {
                "Type": "Map",
                "ItemsPath": "$.verdict.answer.destinations",
                "ItemSelector": {**transfer, "destination.$": "$$.Map.Item.Value"},
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "INLINE"},
                    "StartAt": "HowToBegin",
                    "States": _delivery(invoke),
                },
                "ResultPath": "$.results",
                "Catch": [_BEGIN_AGAIN],
                "Next": "Complete",
            },
            "NothingToSend": {"Type": "Pass", "Result": [], "ResultPath": "$.results", "Next": "Complete"},
            # A customer is told when the file is delivered, not when the archive has it.
            "Complete": {
                **invoke("complete", STEP_TIMEOUT, **transfer, **{"results.$": "$.results"}),
                "ResultPath": "$.completed",
                "Retry": [_NO_RETRY, WAIT_FOR_ROOM, _STEP_RETRY],
                # The file is archived all the same, and the execution fails afterwards.
                "Catch": [_BEGIN_AGAIN, {**_ANY, "ResultPath": "$.incomplete", "Next": "Archive"}],
                "Next": "Archive",
            },
            "Archive": {
                **invoke("archive", DELIVERY_TIMEOUT, **transfer),
                "ResultPath": "$.archived",
                "Retry": [WAIT_FOR_ROOM, _STEP_RETRY],
                "Catch": [{**_ANY, "ResultPath": "$.unarchived", "Next": "WasCompleted"}],
                "Next": "WasCompleted",
            },
            "WasCompleted": {
                "Type": "Choice",
                "Choices": [
                    {"Variable": "$.incomplete", "IsPresent": True, "Next": "NotCompleted"},
                    {"Variable": "$.unarchived", "IsPresent": True, "Next": "NotArchived"},
                ],
                "Default": "Ended",
            },
            "NotCompleted": {
                "Type": "Fail",
                "Error": "NotCompleted",
                "Cause": "The file's fate may not be recorded, and its receipt may not have been sent",
            },
            "NotArchived": {
                "Type": "Fail",
                "Error": "NotArchived",
                "Cause": "The file's fate is recorded and its receipt sent, but it is not in the archive",
            },
            "Ended": {"Type": "Succeed"},
        },
    }


def _when(action: str, to: str) -> dict[str, Any]:
    return {"Variable": "$.verdict.answer.action", "StringEquals": action, "Next": to}


def _delivery(invoke: Any) -> dict[str, Any]:
    """Return the states of one destination: attempts, and attempts after one with an unknown result.

    TransientDeliveryError means that nothing was delivered. After a lost answer, or a function that crashed
    or timed out, the result is unknown: from then on every attempt first checks whether the file is there.
    An attempt that uses up its function's time is followed by one that continues where it ended.
    """
    payload = {"transfer.$": "$.transfer", "destination.$": "$.destination"}
    nothing_sent = ["TransientDeliveryError"]
    waited = ["BreakerOpenError", *WAIT_FOR_ROOM["ErrorEquals"], *_WAIT_FOR_PLATFORM["ErrorEquals"]]
    for_good = {"ErrorEquals": ["PermanentDeliveryError", *nothing_sent, *waited]}
    failed = {**for_good, "ResultPath": "$.failure", "Next": "Failed"}
    lost = {"ErrorEquals": _LOST, "Next": "LeaseLost"}

    def attempt(
        retried: list[str], after: str, *, after_unknown: bool, first: bool = False, goes_on: bool = False
    ) -> dict[str, Any]:
        how = {"after_unknown": after_unknown, "first": first, "goes_on": goes_on}
        return {
            **invoke("deliver", DELIVERY_TIMEOUT, **payload, **how),
            "Retry": [
                _NO_RETRY,
                WAIT_FOR_ROOM,
                _WAIT_FOR_PLATFORM,
                _WAIT_FOR_OTHERS,
                {**DELIVERY_RETRY, "ErrorEquals": retried},
            ],
            "Catch": [
                failed,
                lost,
                {"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": after},
            ],
            "ResultPath": "$.attempt",
            "Next": "WasEnough",
        }

    return {
        # A lost region may have delivered the file at the last moment, and lost the fact about it.
        "HowToBegin": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.transfer.taken_over", "BooleanEquals": True, "Next": "AskFirst"},
            ],
            "Default": "Attempt",
        },
        "AskFirst": attempt(nothing_sent, "AttemptAfterUnknown", after_unknown=True, first=True),
        "Attempt": attempt(nothing_sent, "AttemptAfterUnknown", after_unknown=False),
        "GoOn": attempt(nothing_sent, "AttemptAfterUnknown", after_unknown=False, goes_on=True),
        "AttemptAfterUnknown": attempt(["States.ALL"], "Failed", after_unknown=True),
        "WasEnough": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.attempt.answer.outcome", "StringEquals": "CONTINUE", "Next": "GoOn"},
            ],
            "Default": "Settled",
        },
        "Settled": {"Type": "Pass", "OutputPath": "$.attempt.answer", "End": True},
        "Failed": {
            "Type": "Pass",
            "Parameters": {
                "destination.$": "$.destination",
                "failure.$": "$.failure",
            },
            "End": True,
        },
        "LeaseLost": {
            "Type": "Fail",
            "Error": "LeaseLostError",
            "Cause": "Another execution carries this file, or has settled it",
        },
    }
