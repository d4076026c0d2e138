"""The cell's dead letters: events that EventBridge could not deliver, and scheduled runs that did not happen.

Both queues are encrypted by SQS's own key, and not by the cell's. EventBridge drops an event, without another
try, when it lacks a permission (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html),
and one of the permissions is that of the cell's key: a dead-letter queue under the same key would refuse what
it is there for. The messages name buckets and keys, and hold nothing of a file.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import policy
from components.settings import Settings

FOURTEEN_DAYS = 14 * 24 * 3600


@dataclass(frozen=True)
class DeadLetterQueue:
    """A queue for what EventBridge could not deliver, and the policy that lets EventBridge send to it."""

    queue: aws.sqs.Queue
    allowed: aws.sqs.QueuePolicy


class DeadLetters(pulumi.ComponentResource):
    """Two queues: `events` of uploads, and `invocations` of functions that run on a schedule."""

    events: DeadLetterQueue
    invocations: DeadLetterQueue

    def __init__(self, name: str, *, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mft:dead_letters:DeadLetters", name, None, opts)
        self._settings = settings
        # It holds the events of acknowledged files.
        self.events = self._queue(
            f"{name}-events-dead-letters", pulumi.ResourceOptions(parent=self, protect=True)
        )
        self.invocations = self._queue(
            f"{name}-invocations-dead-letters", pulumi.ResourceOptions(parent=self)
        )
        self.register_outputs({"events_url": self.events.queue.url})

    def _queue(self, name: str, opts: pulumi.ResourceOptions) -> DeadLetterQueue:
        settings = self._settings
        queue = aws.sqs.Queue(
            name, sqs_managed_sse_enabled=True, message_retention_seconds=FOURTEEN_DAYS, opts=opts
        )
        allowed = aws.sqs.QueuePolicy(
            name,
            queue_url=queue.url,
            policy=policy.document(
                policy.allow(
                    "Rules",
                    ["sqs:SendMessage"],
                    [queue.arn],
                    principals={"Service": "events.amazonaws.com"},
                    # The rules come after their targets' queues; their names begin like this cell's.
                    conditions={
                        "ArnLike": {"aws:SourceArn": settings.arn("events", f"rule/cell{settings.cell}-*")}
                    },
                )
            ),
            opts=opts,
        )
        return DeadLetterQueue(queue, allowed)
