"""Monitoring: the alarms of one cell, and the topic that notifies operators.

Each cell watches itself and what it replicates to its peer, so the two cells together watch both directions.
No alarm is about a single customer.
"""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from components import alarm, policy
from components.alarm import Watched
from components.cell_alarms import cell_alarms
from components.intake_alarms import intake_alarms
from components.settings import Settings
from components.transfer_alarms import transfer_alarms
from runtime.metric_names import cell_dimensions


class Monitoring(pulumi.ComponentResource):
    """One cell's alarms, and the topic that they notify, to which operators subscribe."""

    topic_arn: pulumi.Output[str]
    alarm_arns: list[pulumi.Output[str]]

    def __init__(
        self,
        name: str,
        *,
        settings: Settings,
        watched: Watched,
        key_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mft:monitoring:Monitoring", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        topic = aws.sns.Topic(f"{name}-alerts", kms_master_key_id=key_arn, opts=child)
        aws.sns.TopicPolicy(
            f"{name}-alerts",
            arn=topic.arn,
            policy=policy.document(
                policy.allow(
                    "Alarms",
                    ["sns:Publish"],
                    [topic.arn],
                    principals={"Service": "cloudwatch.amazonaws.com"},
                    conditions={
                        "StringEquals": {"aws:SourceAccount": settings.account},
                        "ArnLike": {"aws:SourceArn": settings.arn("cloudwatch", "alarm:*")},
                    },
                ),
                policy.deny(
                    "TlsOnly",
                    ["sns:Publish"],
                    [topic.arn],
                    principals={"AWS": "*"},
                    conditions={"Bool": {"aws:SecureTransport": "false"}},
                ),
            ),
            opts=child,
        )
        self.topic_arn = topic.arn
        own = cell_dimensions(settings.namespace, settings.cell)
        self.alarm_arns = [
            alarm.make(each, name=name, topic_arn=topic.arn, parent=self).arn
            for each in (
                *transfer_alarms(own, watched),
                *intake_alarms(own, watched),
                *cell_alarms(settings, own, watched),
            )
        ]
        self.register_outputs({"topic_arn": self.topic_arn})
