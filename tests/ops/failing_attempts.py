"""A workflow whose attempts fail again and again."""

from __future__ import annotations

import json

from tests.runtime.cells import Cell


def keep_failing(cell: Cell) -> None:
    """Let each execution that begins from now on try a function that does not exist, for a minute or more."""
    attempt = {
        "Type": "Task",
        "Resource": "arn:aws-us-gov:states:::lambda:invoke",
        "Parameters": {"FunctionName": "nobody"},
        "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 60}],
        "End": True,
    }
    definition = json.dumps({"StartAt": "Try", "States": {"Try": attempt}})
    states = cell.client("stepfunctions")
    states.update_state_machine(stateMachineArn=cell.state_machine, definition=definition)
