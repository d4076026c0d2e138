"""The cell's intake: rules that select events about customers' files, their queue, the ingest function."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws

from components import jsontext, policy
from components.dead_letters import FOURTEEN_DAYS
from components.functions import Functions
from components.settings import Settings
from customers.concurrency import INGEST_BATCHES
from runtime import canary_legs, contract
from runtime.environment import ENV_STATE_MACHINE

#: Seconds. A message stays hidden for six times the function's timeout, as AWS recommends for a queue that
#: invokes Lambda: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
_TIMEOUT = 60
_TRIES = 20
#: EventBridge's own, stated: it tries for a day, and the most often that it can.
#: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
_EVENT_AGE, _EVENT_TRIES = 24 * 3600, 185


class Intake(pulumi.ComponentResource):
    """The path from an object in a customer's bucket to a started workflow. Failed events are kept.

    `rules` select the events; events flow once all `targets` exist.
    """

    queue: aws.sqs.Queue
    dead_letters: aws.sqs.Queue
    rules: dict[str, aws.cloudwatch.EventRule]
    targets: list[pulumi.Resource]

    def __init__(
        self,
        name: str,
        *,
        functions: Functions,
        state_machine_arn: pulumi.Input[str],
        server_id: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mft:intake:Intake", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        kept = pulumi.ResourceOptions(parent=self, protect=True)  # it holds the events of acknowledged files
        key_arn = functions.storage.key_arn
        dead = aws.sqs.Queue(
            f"{name}-dead-letters",
            kms_master_key_id=key_arn,
            message_retention_seconds=FOURTEEN_DAYS,
            opts=kept,
        )
        queue = aws.sqs.Queue(
            f"{name}-queue",
            kms_master_key_id=key_arn,
            message_retention_seconds=FOURTEEN_DAYS,
            visibility_timeout_seconds=6 * _TIMEOUT,
            redrive_policy=jsontext.render({"deadLetterTargetArn": dead.arn, "maxReceiveCount": _TRIES}),
            opts=kept,
        )
        self.rules = {
            rule: aws.cloudwatch.EventRule(
                f"{name}-{rule}", event_pattern=jsontext.render(pattern), opts=kept
            )
            for rule, pattern in patterns(functions.settings, server_id).items()
        }
        allowed = aws.sqs.QueuePolicy(
            f"{name}-queue",
            queue_url=queue.url,
            policy=policy.document(
                policy.allow(
                    "IntakeRules",
                    ["sqs:SendMessage"],
                    [queue.arn],
                    principals={"Service": "events.amazonaws.com"},
                    conditions={"ArnEquals": {"aws:SourceArn": [rule.arn for rule in self.rules.values()]}},
                )
            ),
            opts=kept,
        )
        undelivered = functions.dead_letters.events
        # An event that a queue's policy does not allow yet would be dropped.
        after = pulumi.ResourceOptions(depends_on=[allowed, undelivered.allowed])
        self.targets = [
            aws.cloudwatch.EventTarget(
                f"{name}-{rule}",
                rule=made.name,
                arn=queue.arn,
                retry_policy=aws.cloudwatch.EventTargetRetryPolicyArgs(
                    maximum_event_age_in_seconds=_EVENT_AGE, maximum_retry_attempts=_EVENT_TRIES
                ),
                dead_letter_config=aws.cloudwatch.EventTargetDeadLetterConfigArgs(arn=undelivered.queue.arn),
                opts=pulumi.ResourceOptions.merge(kept, after),
            )
            for rule, made in self.rules.items()
        ]
        inbound = functions.inbound_arn
        ingest = functions.make(
            f"{name}-ingest",
            "ingest",
            [
                policy.allow(
                    "TakeMessages",
                    ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
                    [queue.arn],
                ),
                *functions.read_customers(),
                functions.tracker.use("Facts", actions=("dynamodb:Query", "dynamodb:PutItem")),
                policy.allow("ReadHeads", ["s3:GetObjectVersion"], [f"{inbound}/{contract.INBOUND}*"]),
                policy.allow("FindVersions", ["s3:ListBucket", "s3:ListBucketVersions"], [inbound]),
                policy.allow("StartTransfers", ["states:StartExecution"], [state_machine_arn]),
                functions.send_receipts(),
            ],
            parent=self,
            timeout=_TIMEOUT,
            environment={ENV_STATE_MACHINE: state_machine_arn},
        )
        aws.lambda_.EventSourceMapping(
            f"{name}-ingest",
            event_source_arn=queue.arn,
            function_name=ingest.arn,
            batch_size=10,
            function_response_types=["ReportBatchItemFailures"],
            scaling_config=aws.lambda_.EventSourceMappingScalingConfigArgs(
                maximum_concurrency=INGEST_BATCHES
            ),
            opts=child,
        )
        self.queue, self.dead_letters = queue, dead
        self.register_outputs({"queue_url": queue.url, "dead_letters_url": dead.url})


def patterns(settings: Settings, server_id: pulumi.Input[str]) -> dict[str, dict[str, Any]]:
    """Return the intake rules' event patterns, one for each kind of event that `runtime.intake` reads.

    A region has one bus for all cells of the account. An event belongs to the cell whose SFTP server raises
    it, or whose buckets' names it has; the first cell's names begin like those of all others.
    """
    ours = {"name": [{"prefix": f"{settings.stem}-"}]}
    others = [{"anything-but": {"prefix": settings.bucket_arn(f"{settings.stem}-cell")}}]
    server, paths = [server_id], [{"prefix": f"/{settings.stem}-"}]
    # What is delivered to the canary through the endpoint has arrived, and is not taken in again.
    senders = [{"anything-but": [canary_legs.partner(settings.cell)]}]
    created = {"source": ["aws.s3"], "detail-type": ["Object Created"], "resources": others}
    uploads = ["SFTP Server File Upload Completed", "SFTP Server File Upload Failed"]
    return {
        "sdk-uploads": {
            **created,
            "detail": {"bucket": ours, "object": {"key": [{"prefix": contract.INBOUND_SDK}]}},
        },
        # Transfer Family renames by copying. Its own rename event may not exist in every region.
        "sftp-copies": {
            **created,
            "detail": {
                "bucket": ours,
                "object": {"key": [{"prefix": contract.INBOUND_SFTP}]},
                "reason": ["CopyObject"],
            },
        },
        "sftp-uploads": {
            "source": ["aws.transfer"],
            "detail-type": uploads,
            "detail": {"server-id": server, "file-path": paths, "username": senders},
        },
        "sftp-renames": {
            "source": ["aws.transfer"],
            "detail-type": ["SFTP Server File Rename Completed"],
            "detail": {"server-id": server, "renamed-file-path": paths, "username": senders},
        },
    }
