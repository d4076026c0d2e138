"""The region's data key, which encrypts the files, facts, messages and logs of one cell."""

from __future__ import annotations

from collections.abc import Collection

import pulumi
import pulumi_aws as aws

from components import policy
from components.settings import Settings
from customers import names


class DataKey(pulumi.ComponentResource):
    """One cell's customer-managed key, and the alias by which the peer's replication names it."""

    arn: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        settings: Settings,
        sender_accounts: Collection[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`sender_accounts` are the accounts whose principals put objects into customers' buckets."""
        super().__init__("mft:key:DataKey", name, None, opts)
        key = aws.kms.Key(
            name,
            description=f"Files, facts and messages of cell {settings.cell} in {settings.region}",
            enable_key_rotation=True,
            deletion_window_in_days=30,
            policy=_policy(settings, sender_accounts),
            opts=pulumi.ResourceOptions(parent=self, protect=True),  # without it no data can be read
        )
        alias = aws.kms.Alias(
            name,
            name=names.key_alias(settings.namespace, settings.cell),
            target_key_id=key.key_id,
            opts=pulumi.ResourceOptions(parent=self, protect=True),  # the peer's replication names it
        )
        self.arn = key.arn
        self.register_outputs({"arn": self.arn, "alias": alias.name})


def _policy(settings: Settings, sender_accounts: Collection[str]) -> pulumi.Input[str]:
    """Return the key's policy: the account administers it and delegates its use through IAM.

    S3 uses it for senders of other accounts, as their IAM policies and the buckets' policies allow. AWS
    services use it as service principals, only for this account; CloudWatch Logs for its log groups
    (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html).
    """
    account = {"AWS": settings.arn("iam", "root", region="")}
    administer = ["Create*", "Describe*", "Enable*", "List*", "Put*", "Update*", "Revoke*", "Disable*"]
    administer += ["Get*", "Delete*", "TagResource", "UntagResource", "ScheduleKeyDeletion"]
    administer += ["CancelKeyDeletion"]
    use = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
    ours = {"StringEquals": {"aws:SourceAccount": settings.account}}
    # These put messages into encrypted queues and topics: alarms, replication events.
    writers = ["cloudwatch.amazonaws.com", "s3.amazonaws.com"]
    # By account and bucket: a policy for each principal would be too long, and a principal that somebody
    # deletes would be in the way of each later change. S3 decrypts when it completes a multipart upload.
    # https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service
    senders = policy.allow(
        "Senders",
        ["kms:GenerateDataKey", "kms:Decrypt"],
        ["*"],
        principals={"AWS": "*"},
        conditions={
            "StringEquals": {
                "kms:CallerAccount": sorted(sender_accounts),
                "kms:ViaService": f"s3.{settings.region}.amazonaws.com",
            },
            "StringLike": {
                "kms:EncryptionContext:aws:s3:arn": settings.bucket_arn(f"{settings.stem}-*-{settings.side}")
            },
        },
    )
    return policy.document(
        *([senders] if sender_accounts else ()),
        policy.allow("Administer", [f"kms:{verb}" for verb in administer], ["*"], principals=account),
        policy.allow("Use", [*use, "kms:CreateGrant"], ["*"], principals=account),
        policy.allow(
            "Messages",
            ["kms:Decrypt", "kms:GenerateDataKey"],
            ["*"],
            principals={"Service": writers},
            conditions=ours,
        ),
        # AWS documents no source account or ARN in EventBridge's use of keys, and SNS's guide says that there
        # is none: https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html. An event that cannot be
        # encrypted is dropped, so the bound is the queue's ARN, which SQS gives KMS as encryption context.
        policy.allow(
            "Events",
            ["kms:Decrypt", "kms:GenerateDataKey"],
            ["*"],
            principals={"Service": "events.amazonaws.com"},
            conditions={"StringLike": {"kms:EncryptionContext:aws:sqs:arn": settings.arn("sqs", "*")}},
        ),
        policy.allow(
            "Logs",
            ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
            ["*"],
            principals={"Service": f"logs.{settings.region}.amazonaws.com"},
            conditions={
                "ArnLike": {"kms:EncryptionContext:aws:logs:arn": settings.arn("logs", "log-group:*")}
            },
        ),
    )
