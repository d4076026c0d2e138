"""Buckets that are private, versioned, encrypted and TLS-only, with all their satellite resources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import assert_never

import pulumi
import pulumi_aws as aws

from components import policy
from components.settings import Settings
from runtime import timing


class Keep(Enum):
    """What happens to a bucket that the program no longer declares."""

    PROTECT = "Pulumi refuses to delete it"
    RETAIN = "Pulumi forgets it, the bucket stays"
    DROP = "Pulumi deletes it, with its objects"

    @property
    def options(self) -> tuple[bool, bool]:
        """The resource options `protect` and `retain_on_delete` of the bucket."""
        match self:
            case Keep.PROTECT:
                return True, False
            case Keep.RETAIN:
                return False, True
            case Keep.DROP:
                return False, False
            case _:
                assert_never(self)


@dataclass(frozen=True, kw_only=True)
class Events:
    """Where S3 reports replication problems: a queue, and the policy that lets S3 send to it."""

    queue_arn: pulumi.Input[str]
    allowed: pulumi.Resource


@dataclass(frozen=True, kw_only=True)
class Replication:
    """Where a bucket's objects are copied to: a bucket of the peer region, under the peer's data key."""

    events: Events
    role_arn: pulumi.Input[str]
    bucket_arn: str
    key_alias_arn: str


def bucket(
    name: str,
    *,
    bucket_name: str,
    settings: Settings,
    key_arn: pulumi.Input[str] | None,
    lifecycle: Sequence[aws.s3.BucketLifecycleConfigurationRuleArgs],
    parent: pulumi.Resource,
    replication: Replication | None = None,
    statements: Sequence[policy.Statement] = (),
    events_after: Sequence[pulumi.Resource] = (),
    lock_days: int | None = None,
    keep: Keep = Keep.PROTECT,
    keep_copying: bool = True,
) -> aws.s3.Bucket:
    """Make a bucket and all its satellites, and return the bucket.

    Public access is blocked, versions are kept, objects are encrypted with `key_arn` (None: with S3's
    own key), requests without TLS are refused. `statements` are added to the bucket policy. With
    `events_after`, its events go to EventBridge once these resources, which their consumer needs, exist. The
    bucket policy comes after that, so that no upload is allowed whose event would not be seen. With
    `lock_days`, nobody can remove or overwrite a version for that many days.

    Satellites are kept as the bucket is, because its data is not safe without them. With `keep_copying=False`
    the replication and the events are not protected: a retired customer's bucket has neither.
    """
    protect, retain = keep.options
    data = pulumi.ResourceOptions(parent=parent, protect=protect, retain_on_delete=retain)
    copying = pulumi.ResourceOptions(parent=parent, protect=protect and keep_copying)
    made = aws.s3.Bucket(
        name,
        bucket=bucket_name,
        object_lock_enabled=True if lock_days else None,
        force_destroy=True if keep is Keep.DROP else None,
        opts=data,
    )
    versioning = aws.s3.BucketVersioning(
        name,
        bucket=made.bucket,
        versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
        opts=data,
    )
    aws.s3.BucketServerSideEncryptionConfiguration(
        name,
        bucket=made.bucket,
        rules=[
            aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                apply_server_side_encryption_by_default=aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                    sse_algorithm="aws:kms" if key_arn else "AES256", kms_master_key_id=key_arn
                ),
                bucket_key_enabled=True if key_arn else None,
            )
        ],
        opts=data,
    )
    aws.s3.BucketPublicAccessBlock(
        name,
        bucket=made.bucket,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        opts=data,
    )
    aws.s3.BucketLifecycleConfiguration(
        name,
        bucket=made.bucket,
        rules=[*lifecycle, _UNFINISHED],
        # Its rules apply to old versions.
        opts=pulumi.ResourceOptions.merge(data, pulumi.ResourceOptions(depends_on=[versioning])),
    )
    if lock_days:
        aws.s3.BucketObjectLockConfiguration(
            name,
            bucket=made.bucket,
            rule=aws.s3.BucketObjectLockConfigurationRuleArgs(
                default_retention=aws.s3.BucketObjectLockConfigurationRuleDefaultRetentionArgs(
                    mode="COMPLIANCE", days=lock_days
                )
            ),
            # S3 requires versions.
            opts=pulumi.ResourceOptions.merge(data, pulumi.ResourceOptions(depends_on=[versioning])),
        )
    seen: list[pulumi.Resource] = []
    if events_after or replication:
        needed = [*([replication.events.allowed] if replication else []), *events_after]
        notification = aws.s3.BucketNotification(
            name,
            bucket=made.bucket,
            eventbridge=True if events_after else None,
            queues=[
                aws.s3.BucketNotificationQueueArgs(
                    id="replication", queue_arn=replication.events.queue_arn, events=list(_REPLICATION_EVENTS)
                )
            ]
            if replication
            else None,
            opts=pulumi.ResourceOptions.merge(copying, pulumi.ResourceOptions(depends_on=needed)),
        )
        seen.append(notification)
    arn = settings.bucket_arn(bucket_name)
    aws.s3.BucketPolicy(
        name,
        bucket=made.bucket,
        policy=policy.document(
            policy.deny(
                "TlsOnly",
                ["s3:*"],
                [arn, f"{arn}/*"],
                principals={"AWS": "*"},
                conditions={"Bool": {"aws:SecureTransport": "false"}},
            ),
            *statements,
        ),
        opts=pulumi.ResourceOptions.merge(data, pulumi.ResourceOptions(depends_on=seen)),
    )
    if replication:
        aws.s3.BucketReplicationConfig(
            name,
            bucket=made.bucket,
            role=replication.role_arn,
            rules=[_replication_rule(replication)],
            # S3 requires versions.
            opts=pulumi.ResourceOptions.merge(copying, pulumi.ResourceOptions(depends_on=[versioning])),
        )
    return made


def expiry(
    rule: str, *, prefix: str, days: int, current: bool = True
) -> aws.s3.BucketLifecycleConfigurationRuleArgs:
    """Return a lifecycle rule that deletes versions below `prefix` after `days`, or only old versions."""
    return aws.s3.BucketLifecycleConfigurationRuleArgs(
        id=rule,
        status="Enabled",
        filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=prefix),
        expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=days) if current else None,
        noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
            noncurrent_days=days
        ),
    )


_UNFINISHED = aws.s3.BucketLifecycleConfigurationRuleArgs(
    id="unfinished-uploads",
    status="Enabled",
    filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
    abort_incomplete_multipart_upload=aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
        days_after_initiation=7
    ),
)


#: S3's events about objects that are not replicated within 15 minutes. EventBridge does not carry these.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
_REPLICATION_EVENTS = (
    "s3:Replication:OperationFailedReplication",
    "s3:Replication:OperationMissedThreshold",
    "s3:Replication:OperationReplicatedAfterThreshold",
    "s3:Replication:OperationNotTracked",
)


def _replication_rule(to: Replication) -> aws.s3.BucketReplicationConfigRuleArgs:
    """Return the rule: all objects, within 15 minutes, with metrics; deletions are not replicated.

    Replication Time Control needs a Metrics block with the same threshold, and 15 minutes is its only value
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-time-control.html).
    """
    return aws.s3.BucketReplicationConfigRuleArgs(
        id="to-peer",
        status="Enabled",
        priority=1,
        filter=aws.s3.BucketReplicationConfigRuleFilterArgs(prefix=""),
        delete_marker_replication=aws.s3.BucketReplicationConfigRuleDeleteMarkerReplicationArgs(
            status="Disabled"
        ),
        source_selection_criteria=aws.s3.BucketReplicationConfigRuleSourceSelectionCriteriaArgs(
            sse_kms_encrypted_objects=aws.s3.BucketReplicationConfigRuleSourceSelectionCriteriaSseKmsEncryptedObjectsArgs(
                status="Enabled"
            ),
            # A synchronised replica would lose the mark that distinguishes it from an original.
            replica_modifications=aws.s3.BucketReplicationConfigRuleSourceSelectionCriteriaReplicaModificationsArgs(
                status="Disabled"
            ),
        ),
        destination=aws.s3.BucketReplicationConfigRuleDestinationArgs(
            bucket=to.bucket_arn,
            encryption_configuration=aws.s3.BucketReplicationConfigRuleDestinationEncryptionConfigurationArgs(
                replica_kms_key_id=to.key_alias_arn
            ),
            replication_time=aws.s3.BucketReplicationConfigRuleDestinationReplicationTimeArgs(
                status="Enabled",
                time=aws.s3.BucketReplicationConfigRuleDestinationReplicationTimeTimeArgs(
                    minutes=timing.REPLICATION_MINUTES
                ),
            ),
            metrics=aws.s3.BucketReplicationConfigRuleDestinationMetricsArgs(
                status="Enabled",
                event_threshold=aws.s3.BucketReplicationConfigRuleDestinationMetricsEventThresholdArgs(
                    minutes=timing.REPLICATION_MINUTES
                ),
            ),
        ),
    )
