"""The form of queue attributes in answers.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
"""

from __future__ import annotations

import json
from typing import Any

from local.aws.ministack.patching import Module, after


def attribute(name: str, value: Any) -> str:
    """Return a queue's attribute as SQS keeps it: a redrive policy is compact JSON, with a number in it."""
    if name != "RedrivePolicy":
        return str(value)
    policy = json.loads(value)
    return json.dumps(policy | {"maxReceiveCount": int(policy["maxReceiveCount"])}, separators=(",", ":"))


@after("services.sqs")
def _attributes(sqs: Module) -> None:
    sqs._mft_attribute = attribute
