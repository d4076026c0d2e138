"""The cell's storage: the region's data key, the archive, the customers' routing documents, replication."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from components import policy
from components.bucket import Keep, Replication, bucket, expiry
from components.settings import Settings
from customers import names


class Storage(pulumi.ComponentResource):
    """One cell's data key, its archive and config buckets, and the role that replicates to the peer."""

    key_arn: pulumi.Output[str]
    archive_bucket: str
    config_bucket: str
    config: aws.s3.Bucket

    def __init__(
        self,
        name: str,
        *,
        settings: Settings,
        archive_days: Mapping[str, int],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`archive_days` says, per customer id, for how many days its archived files are kept."""
        super().__init__("mft:storage:Storage", name, None, opts)
        self._settings = settings
        child = pulumi.ResourceOptions(parent=self)
        key = aws.kms.Key(
            f"{name}-data",
            description=f"Files, facts and messages of cell {settings.cell} in {settings.region}",
            enable_key_rotation=True,
            deletion_window_in_days=30,
            policy=_key_policy(settings),
            opts=pulumi.ResourceOptions(parent=self, protect=True),  # without it nothing can be read
        )
        aws.kms.Alias(
            f"{name}-data",
            name=names.key_alias(settings.namespace, settings.cell),
            target_key_id=key.key_id,
            opts=child,
        )
        self.key_arn = key.arn
        role = aws.iam.Role(
            f"{name}-replication",
            assume_role_policy=policy.assumed_by("s3.amazonaws.com", account=settings.account),
            opts=child,
        )
        aws.iam.RolePolicy(
            f"{name}-replication", role=role.name, policy=self._replication_policy(), opts=child
        )
        self._replication_role_arn = role.arn
        self.archive_bucket = self._cell_bucket("archive", settings.side)
        bucket(
            f"{name}-archive",
            bucket_name=self.archive_bucket,
            settings=settings,
            key_arn=key.arn,
            lifecycle=[
                expiry(customer, prefix=f"{customer}/", days=days) for customer, days in archive_days.items()
            ],
            replication=self.replication_to(self._cell_bucket("archive", settings.peer_side)),
            parent=self,
        )
        self.config_bucket = self._cell_bucket("config", settings.side)
        self.config = bucket(
            f"{name}-config",
            bucket_name=self.config_bucket,
            settings=settings,
            key_arn=key.arn,
            lifecycle=[],
            keep=Keep.DROP,  # the program writes all of it again from the registry
            parent=self,
        )
        self.register_outputs({"key_arn": self.key_arn})

    def replication_to(self, peer_bucket: str) -> Replication | None:
        """Return the replication to a bucket of the peer, or None while the peer's stack does not exist."""
        settings = self._settings
        if not settings.peer_present:
            return None
        return Replication(
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

    def _replication_policy(self) -> pulumi.Output[str]:
        settings = self._settings
        ours = settings.bucket_arn(f"{settings.namespace}-*-{settings.side}")
        peers = settings.bucket_arn(f"{settings.namespace}-*-{settings.peer_side}")
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
            policy.allow(
                "EncryptThere",
                ["kms:Encrypt"],
                [settings.arn("kms", "key/*", region=settings.peer_region)],
                conditions={
                    "ForAnyValue:StringEquals": {
                        "kms:ResourceAliases": names.key_alias(settings.namespace, settings.cell)
                    }
                },
            ),
        )


def _key_policy(settings: Settings) -> pulumi.Output[str]:
    """Return the data key's policy: the account administers it and delegates its use through IAM."""
    account = {"AWS": settings.arn("iam", "root", region="")}
    administer = ["Create*", "Describe*", "Enable*", "List*", "Put*", "Update*", "Revoke*", "Disable*"]
    administer += ["Get*", "Delete*", "TagResource", "UntagResource", "ScheduleKeyDeletion"]
    administer += ["CancelKeyDeletion"]
    use = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
    ours = {"StringEquals": {"aws:SourceAccount": settings.account}}
    return policy.document(
        policy.allow("Administer", [f"kms:{verb}" for verb in administer], ["*"], principals=account),
        policy.allow("Use", [*use, "kms:CreateGrant"], ["*"], principals=account),
        policy.allow(
            "EventsToEncryptedQueues",
            ["kms:Decrypt", "kms:GenerateDataKey"],
            ["*"],
            principals={"Service": "events.amazonaws.com"},
            conditions=ours,
        ),
    )
