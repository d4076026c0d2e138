"""Replication problems: S3's events about them, their queue, and the function that counts them."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from components import jsontext, policy
from components.bucket import Events
from components.dead_letters import FOURTEEN_DAYS
from components.functions import Functions
from components.settings import Settings
from customers.concurrency import REPLICATION_BATCHES

_TIMEOUT = 60
_TRIES = 5


class ReplicationEvents(pulumi.ComponentResource):
    """One cell's queue of events about objects that were replicated late or not at all.

    Both stacks have one, so both directions are watched. It exists before the buckets that report to it.
    """

    events: Events
    dead_letters: aws.sqs.Queue

    def __init__(
        self,
        name: str,
        *,
        settings: Settings,
        key_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mft:replication:ReplicationEvents", name, None, opts)
        self._name = name
        child = pulumi.ResourceOptions(parent=self)
        self.dead_letters = aws.sqs.Queue(
            f"{name}-dead-letters",
            kms_master_key_id=key_arn,
            message_retention_seconds=FOURTEEN_DAYS,
            opts=child,
        )
        self._queue = aws.sqs.Queue(
            f"{name}-queue",
            kms_master_key_id=key_arn,
            message_retention_seconds=FOURTEEN_DAYS,
            visibility_timeout_seconds=6 * _TIMEOUT,
            redrive_policy=jsontext.render(
                {"deadLetterTargetArn": self.dead_letters.arn, "maxReceiveCount": _TRIES}
            ),
            opts=child,
        )
        allowed = aws.sqs.QueuePolicy(
            f"{name}-queue",
            queue_url=self._queue.url,
            policy=policy.document(
                policy.allow(
                    "OurBuckets",
                    ["sqs:SendMessage"],
                    [self._queue.arn],
                    principals={"Service": "s3.amazonaws.com"},
                    conditions={
                        "StringEquals": {"aws:SourceAccount": settings.account},
                        "ArnLike": {"aws:SourceArn": settings.bucket_arn(f"{settings.stem}-*")},
                    },
                )
            ),
            opts=child,
        )
        self.events = Events(queue_arn=self._queue.arn, allowed=allowed)
        self.register_outputs({"queue_arn": self._queue.arn})

    def watch(self, functions: Functions) -> None:
        """Make the function of the cell that counts and logs the events."""
        function = functions.make(
            self._name,
            "replication",
            [
                policy.allow(
                    "TakeMessages",
                    ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
                    [self._queue.arn],
                ),
            ],
            parent=self,
            timeout=_TIMEOUT,
        )
        aws.lambda_.EventSourceMapping(
            self._name,
            event_source_arn=self._queue.arn,
            function_name=function.arn,
            batch_size=10,
            function_response_types=["ReportBatchItemFailures"],
            scaling_config=aws.lambda_.EventSourceMappingScalingConfigArgs(
                maximum_concurrency=REPLICATION_BATCHES
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
