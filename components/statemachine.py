"""The workflow's definition in Amazon States Language: pure data, made from the ARNs of its functions.

claim -> (wait | compare) -> deliver to each destination -> complete -> archive. Errors are matched by the
class names in `runtime.delivery.errors`, `runtime.workflow`, `runtime.overtaken`, `runtime.breaker`
and `runtime.shares`.
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
#: They grow slowly, because a slot that is free stands empty until a file looks: until they are longest, the
#: next wait is a fifth of the time that a file has waited, on average.
WAIT_FOR_ROOM: dict[str, Any] = {
    "ErrorEquals": ["ShareInUseError", *_NOT_RUN],
    "IntervalSeconds": 2,
    "BackoffRate": 1.2,
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

#: A large file is read over many functions, to be compared or hashed. They do not count as attempts: each
#: has read more than the one before. 5 TB at 20 MB/s take 321 (docs/onboarding.md).
_READ_ON: dict[str, Any] = {
    "ErrorEquals": ["ComparisonUnfinishedError"],
    "IntervalSeconds": 1,
    "BackoffRate": 1,
    "MaxAttempts": 1000,
}

_ANY = {"ErrorEquals": ["States.ALL"]}
_LOST = ["LeaseLostError", "OvertakenError"]
_NO_RETRY: dict[str, Any] = {"ErrorEquals": ["PermanentDeliveryError", *_LOST], "MaxAttempts": 0}

#: An execution that lost its lease or was overtaken claims again. What was delivered by then decides, and the
#: intents of its attempts (docs/adr/0049-intents.md).
_BEGIN_AGAIN = {"ErrorEquals": _LOST, "ResultPath": "$.lost", "Next": "LookAgain"}


def definition(functions: dict[str, str], *, partition: str) -> dict[str, Any]:
    """Return the state machine's definition; `functions` maps a step's name to its function's version.

    Each state that a file passes costs money, so none only prepares or ends another: a delivered file passes
    three, and three more for its destination (docs/cost.md).
    """

    def invoke(step: str, timeout: int, **payload: Any) -> dict[str, Any]:
        return {
            "Type": "Task",
            "Resource": f"arn:{partition}:states:::lambda:invoke",
            "Parameters": {
                "FunctionName": functions[step],
                "Payload": {
                    "execution.$": "$$.Execution.Name",
                    "transfer.$": "$$.Execution.Input",
                    **payload,
                },
            },
            "ResultSelector": {"answer.$": "$.Payload"},
            "TimeoutSeconds": timeout + _MARGIN,
        }

    def claim(seen: str) -> dict[str, Any]:
        return {
            **invoke("claim", STEP_TIMEOUT, **{"seen.$": seen}),
            "ResultPath": "$.verdict",
            "Retry": [WAIT_FOR_ROOM, _STEP_RETRY],
            "Next": "Decide",
        }

    def archive(after: dict[str, Any], failed: str) -> dict[str, Any]:
        return {
            **invoke("archive", DELIVERY_TIMEOUT),
            "ResultPath": "$.archived",
            "Retry": [WAIT_FOR_ROOM, _STEP_RETRY],
            "Catch": [{**_ANY, "ResultPath": "$.unarchived", "Next": failed}],
            **after,
        }

    return {
        "Comment": "One transfer: claim, deliver to each destination, complete, archive",
        "StartAt": "Claim",
        "States": {
            "Claim": claim("$$.Execution.StartTime"),
            "ClaimAgain": claim("$.verdict.answer.at"),
            "Decide": {
                "Type": "Choice",
                "Choices": [
                    _when("wait", "LookAgain"),
                    _when("compare", "Compare"),
                    _when("deliver", "Deliver"),
                ],
                "Default": "NothingToSend",
            },
            "LookAgain": {"Type": "Wait", "SecondsPath": "$.verdict.answer.wait", "Next": "ClaimAgain"},
            "Compare": {
                **invoke("compare", DELIVERY_TIMEOUT),
                "ResultPath": "$.verdict",
                "Retry": [_NO_RETRY, _READ_ON, WAIT_FOR_ROOM, _STEP_RETRY],
                "Catch": [_BEGIN_AGAIN],
                "Next": "Decide",
            },
            "Deliver": {
                "Type": "Map",
                "ItemsPath": "$.verdict.answer.destinations",
                "ItemSelector": {"destination.$": "$$.Map.Item.Value"},
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "INLINE"},
                    "StartAt": "Attempt",
                    "States": _delivery(invoke),
                },
                "ResultPath": "$.results",
                "Catch": [_BEGIN_AGAIN],
                "Next": "Complete",
            },
            "NothingToSend": {"Type": "Pass", "Result": [], "ResultPath": "$.results", "Next": "Complete"},
            # A customer is told when the file is delivered, not when the archive has it.
            "Complete": {
                **invoke("complete", STEP_TIMEOUT, **{"results.$": "$.results"}),
                "ResultPath": "$.completed",
                "Retry": [_NO_RETRY, WAIT_FOR_ROOM, _STEP_RETRY],
                # The file is archived all the same, and the execution fails afterwards.
                "Catch": [_BEGIN_AGAIN, {**_ANY, "ResultPath": "$.incomplete", "Next": "ArchiveAllTheSame"}],
                "Next": "Archive",
            },
            "Archive": archive({"End": True}, "NotArchived"),
            "ArchiveAllTheSame": archive({"Next": "NotCompleted"}, "NotCompleted"),
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
        },
    }


def _when(action: str, to: str) -> dict[str, Any]:
    return {"Variable": "$.verdict.answer.action", "StringEquals": action, "Next": to}


def _delivery(invoke: Any) -> dict[str, Any]:
    """Return the states of one destination: attempts, and attempts after one with an unknown result.

    TransientDeliveryError means that nothing was delivered. After a lost answer, or a function that crashed
    or timed out, the result is unknown: from then on every attempt first checks whether the file is there.
    An attempt that uses up its function's time is followed by one that continues where it ended. The
    destinations of a transfer that was taken over are asked first: a lost region may have delivered the file
    at the last moment, and lost the fact about it.
    """
    was_taken_over = "$$.Execution.Input.taken_over"
    nothing_sent = ["TransientDeliveryError"]
    waited = ["BreakerOpenError", *WAIT_FOR_ROOM["ErrorEquals"], *_WAIT_FOR_PLATFORM["ErrorEquals"]]
    for_good = {"ErrorEquals": ["PermanentDeliveryError", *nothing_sent, *waited]}
    failed = {**for_good, "ResultPath": "$.failure", "Next": "Failed"}
    lost = {"ErrorEquals": _LOST, "Next": "LeaseLost"}
    unfinished = ["DeliveryUnfinishedError"]

    def attempt(retried: list[str], after: str, **how: Any) -> dict[str, Any]:
        return {
            **invoke("deliver", DELIVERY_TIMEOUT, **{"destination.$": "$.destination"}, **how),
            "Retry": [
                {**_NO_RETRY, "ErrorEquals": [*_NO_RETRY["ErrorEquals"], *unfinished]},
                _READ_ON,
                WAIT_FOR_ROOM,
                _WAIT_FOR_PLATFORM,
                _WAIT_FOR_OTHERS,
                {**DELIVERY_RETRY, "ErrorEquals": retried},
            ],
            "Catch": [
                {"ErrorEquals": unfinished, "ResultPath": "$.failure", "Next": "GoOn"},
                failed,
                lost,
                {"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": after},
            ],
            "OutputPath": "$.answer",
            "End": True,
        }

    return {
        "Attempt": attempt(
            nothing_sent,
            "AttemptAfterUnknown",
            **{"after_unknown.$": was_taken_over, "first.$": was_taken_over, "goes_on": False},
        ),
        "GoOn": attempt(nothing_sent, "AttemptAfterUnknown", after_unknown=False, first=False, goes_on=True),
        "AttemptAfterUnknown": attempt(
            ["States.ALL"], "Failed", after_unknown=True, first=False, goes_on=False
        ),
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
