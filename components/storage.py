"""The cell's storage: archive, audit trail, the customers' routing documents, and their replication."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from components import policy
from components.bucket import Events, Keep, Replication, bucket, expiry
from components.settings import Settings
from customers import names
from customers.model import LONGEST_RETENTION
from runtime import contract

#: Days for which the lists and reports of replication jobs are kept.
_REPAIR_DAYS = 30


class Storage(pulumi.ComponentResource):
    """One cell's archive, audit and config buckets, and the roles that replicate to the peer."""

    key_arn: pulumi.Output[str]
    archive_bucket: str
    audit_bucket: str
    config_bucket: str
    config: aws.s3.Bucket

    def __init__(
        self,
        name: str,
        *,
        settings: Settings,
        key_arn: pulumi.Output[str],
        archive_days: Mapping[str, int],
        replication_events: Events,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`archive_days` is the number of days for which archived files are kept, by customer id."""
        super().__init__("mft:storage:Storage", name, None, opts)
        self._settings, self._replication_events = settings, replication_events
        child = pulumi.ResourceOptions(parent=self)
        self.key_arn = key_arn
        role = aws.iam.Role(
            f"{name}-replication",
            # Without a condition on the account: it is not documented that S3 names one when it replicates,
            # and a bucket of another account could not be given this role.
            # https://docs.aws.amazon.com/AmazonS3/latest/userguide/setting-repl-config-perm-overview.html
            assume_role_policy=policy.assumed_by("s3.amazonaws.com"),
            opts=child,
        )
        aws.iam.RolePolicy(
            f"{name}-replication", role=role.name, policy=self._replication_policy(), opts=child
        )
        self._replication_role_arn = role.arn
        job_role = aws.iam.Role(
            f"{name}-replication-jobs",
            name=names.replication_job_role(settings.namespace, settings.cell, settings.side),
            assume_role_policy=policy.assumed_by("batchoperations.s3.amazonaws.com"),
            opts=child,
        )
        aws.iam.RolePolicy(
            f"{name}-replication-jobs", role=job_role.name, policy=self._job_policy(), opts=child
        )
        self.archive_bucket = self._cell_bucket("archive", settings.side)
        bucket(
            f"{name}-archive",
            bucket_name=self.archive_bucket,
            settings=settings,
            key_arn=key_arn,
            lifecycle=[
                *(expiry(id, prefix=f"{id}/", days=days) for id, days in archive_days.items()),
                expiry("of-former-customers", prefix="", days=LONGEST_RETENTION),
            ],
            replication=self.replication_to(self._cell_bucket("archive", settings.peer_side)),
            parent=self,
        )
        self.audit_bucket = self._cell_bucket("audit", settings.side)
        bucket(
            f"{name}-audit",
            bucket_name=self.audit_bucket,
            settings=settings,
            key_arn=key_arn,
            lifecycle=[expiry("audit", prefix="", days=settings.audit_days + 1)],
            lock_days=settings.audit_days,
            parent=self,
        )
        self.config_bucket = self._cell_bucket("config", settings.side)
        self.config = bucket(
            f"{name}-config",
            bucket_name=self.config_bucket,
            settings=settings,
            key_arn=key_arn,
            lifecycle=[expiry("repairs", prefix=contract.REPAIRS, days=_REPAIR_DAYS)],
            keep=Keep.DROP,  # the program can write all of it again from the registry
            parent=self,
        )
        self.register_outputs({"key_arn": self.key_arn})

    def replication_to(self, peer_bucket: str) -> Replication | None:
        """Return the replication to a bucket of the peer, or None while the peer's stack does not exist."""
        settings = self._settings
        if not settings.peer_present:
            return None
        return Replication(
            events=self._replication_events,
            role_arn=self._replication_role_arn,
            bucket_arn=settings.bucket_arn(peer_bucket),
            key_alias_arn=self._peer_key_alias_arn(),
        )

    def _cell_bucket(self, role: str, side: str) -> str:
        return names.cell_bucket(self._settings.namespace, self._settings.cell, role, side)

    def _peer_key_alias_arn(self) -> str:
        settings = self._settings
        alias = names.key_alias(settings.namespace, settings.cell)
        return settings.arn("kms", alias, region=settings.peer_region)

    def _replication_policy(self) -> pulumi.Input[str]:
        settings = self._settings
        ours = settings.bucket_arn(f"{settings.stem}-*-{settings.side}")
        peers = settings.bucket_arn(f"{settings.stem}-*-{settings.peer_side}")
        return policy.document(
            policy.allow("ReadConfiguration", ["s3:GetReplicationConfiguration", "s3:ListBucket"], [ours]),
            policy.allow(
                "ReadVersions",
                [
                    "s3:GetObjectVersionForReplication",
                    "s3:GetObjectVersionAcl",
                    "s3:GetObjectVersionTagging",
                ],
                [f"{ours}/*"],
            ),
            policy.allow("WriteReplicas", ["s3:ReplicateObject", "s3:ReplicateTags"], [f"{peers}/*"]),
            policy.allow("DecryptHere", ["kms:Decrypt"], [self.key_arn]),
            # With bucket keys, replication also decrypts under the destination's key:
            # https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-config-for-kms-objects.html
            policy.allow(
                "EncryptThere",
                ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey"],
                [settings.arn("kms", "key/*", region=settings.peer_region)],
                conditions={
                    "ForAnyValue:StringEquals": {
                        "kms:ResourceAliases": names.key_alias(settings.namespace, settings.cell)
                    }
                },
            ),
        )

    def _job_policy(self) -> pulumi.Input[str]:
        """Return what S3 needs to replicate listed objects again: to read the list, to begin, to report.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-batch-replication-policies.html
        """
        settings = self._settings
        repairs = f"{settings.bucket_arn(self._cell_bucket('config', settings.side))}/{contract.REPAIRS}*"
        ours = settings.bucket_arn(f"{settings.stem}-*-{settings.side}")
        return policy.document(
            policy.allow("ReplicateAgain", ["s3:InitiateReplication"], [f"{ours}/{contract.INBOUND}*"]),
            policy.allow("ReadList", ["s3:GetObject", "s3:GetObjectVersion"], [repairs]),
            policy.allow("Report", ["s3:PutObject"], [repairs]),
            policy.allow("EncryptReport", ["kms:GenerateDataKey", "kms:Decrypt"], [self.key_arn]),
        )
