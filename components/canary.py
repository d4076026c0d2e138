"""The canary: a sender of synthetic transfers, which pass through the cell like a customer's files."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from components import jsontext, policy
from components.bucket import Keep, bucket, expiry
from components.functions import Functions
from customers import names
from customers.document import CANARY_DAYS, canary_document
from runtime import contract
from runtime.environment import ENV_CANARY_BUCKET
from runtime.metric_names import METRICS

#: Minutes between two synthetic transfers.
CANARY_MINUTES = 5
#: Seconds: the time that a transfer may take, plus the time that slow answers of AWS may take.
_TIMEOUT = 180


class Canary(pulumi.ComponentResource):
    """One cell's synthetic sender: a bucket, a routing document, a topic, and the function that sends."""

    def __init__(
        self, name: str, *, functions: Functions, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("mft:canary:Canary", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        settings, storage = functions.settings, functions.storage
        id = contract.canary(settings.cell)
        own = names.canary_bucket(settings.namespace, settings.cell, settings.side)
        # It has no subscriber; the canary also tests that receipts can be sent.
        topic = aws.sns.Topic(
            f"{name}-receipts",
            name_prefix=f"{settings.namespace}-{id}-",
            kms_master_key_id=storage.key_arn,
            opts=child,
        )
        document = aws.s3.BucketObjectv2(
            f"{name}-routing",
            bucket=storage.config_bucket,
            key=contract.config_key(id),
            content_type="application/json",
            content=jsontext.render(
                {
                    **canary_document(settings.namespace, settings.cell, settings.side),
                    "receipts_topic": topic.arn,
                },
                sort_keys=True,
            ),
            # A bucket's name alone is not a dependency on it.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[storage.config]),
        )
        bucket(
            f"{name}-bucket",
            bucket_name=own,
            settings=settings,
            key_arn=storage.key_arn,
            lifecycle=[expiry("all", prefix="", days=CANARY_DAYS)],
            keep=Keep.DROP,  # it contains no customer's files
            events_after=[document],
            parent=self,
        )
        arn = settings.bucket_arn(own)
        functions.make(
            name,
            "canary",
            [
                policy.allow("Send", ["s3:PutObject"], [f"{arn}/{contract.CANARY_INBOUND}*"]),
                policy.allow("ReadCopies", ["s3:GetObject"], [f"{arn}/{contract.CANARY_DELIVERED}*"]),
                # Without permission to list, S3 answers "denied" for a copy that does not exist.
                policy.allow("SeeAbsence", ["s3:ListBucket"], [arn]),
                functions.tracker.use("Facts", actions=("dynamodb:Query",)),
                functions.publish_metrics(METRICS),
            ],
            parent=self,
            timeout=_TIMEOUT,
            environment={ENV_CANARY_BUCKET: own},
            every=CANARY_MINUTES,
        )
        self.register_outputs({"bucket": own})
