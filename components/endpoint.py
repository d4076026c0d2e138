"""The cell's SFTP endpoint: a Transfer Family server on Elastic IPs, with its own host name."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from components import log, policy
from components.network import Network
from components.settings import Settings
from customers import names
from runtime import canary_legs, contract
from runtime.canary_legs import Leg

#: Set explicitly, because the provider's default is the policy of 2018, which is not a FIPS policy.
#: https://docs.aws.amazon.com/transfer/latest/userguide/security-policies.html
#: This one refuses SHA-1; of later ones, not all clients know the key exchanges.
SECURITY_POLICY = "TransferSecurityPolicy-FIPS-2024-05"

_TTL = 60


class Endpoint(pulumi.ComponentResource):
    """One cell's SFTP server, its host keys, the role of its users, its A record and its log."""

    server_id: pulumi.Output[str]
    session_log: pulumi.Output[str]
    session_log_arn: pulumi.Output[str]
    host: str

    def __init__(
        self,
        name: str,
        *,
        settings: Settings,
        network: Network,
        group_ids: Sequence[pulumi.Input[str]],
        key_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mft:endpoint:Endpoint", name, None, opts)
        self._settings = settings
        child = pulumi.ResourceOptions(parent=self)
        main_key, *other_keys = settings.host_keys
        # The log has every login, its source and cipher, and every refusal. Vended logs need this prefix:
        # https://docs.aws.amazon.com/transfer/latest/userguide/structured-logging.html
        logs, log_role = log.written_by(
            "transfer.amazonaws.com",
            f"{name}-sessions",
            settings=settings,
            key_arn=key_arn,
            parent=self,
            name_prefix="/aws/vendedlogs/transfer/",
        )
        server = aws.transfer.Server(
            f"{name}-server",
            domain="S3",
            protocols=["SFTP"],
            identity_provider_type="SERVICE_MANAGED",
            # GovCloud has no public endpoint type: https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/govcloud-tf.html
            endpoint_type="VPC",
            endpoint_details=aws.transfer.ServerEndpointDetailsArgs(
                vpc_id=network.vpc_id,
                subnet_ids=network.public_subnet_ids,
                address_allocation_ids=[address.allocation_id for address in network.endpoint_addresses],
                security_group_ids=list(group_ids),
            ),
            security_policy_name=SECURITY_POLICY,
            # Without it, clients that preserve timestamps (put -p, WinSCP) fail after a complete upload.
            protocol_details=aws.transfer.ServerProtocolDetailsArgs(set_stat_option="ENABLE_NO_OP"),
            host_key=main_key,
            structured_log_destinations=[pulumi.Output.concat(logs.arn, ":*")],
            logging_role=log_role.arn,
            opts=pulumi.ResourceOptions(parent=self, protect=True),  # every customer's connection ends here
        )
        for number, key in enumerate(other_keys, start=2):
            aws.transfer.HostKey(
                f"{name}-key-{number}",
                server_id=server.id,
                host_key_body=key,
                description="The same key in both regions",
                opts=child,
            )
        role = aws.iam.Role(
            f"{name}-users",
            assume_role_policy=policy.assumed_by("transfer.amazonaws.com", account=settings.account),
            opts=child,
        )
        inbound = settings.bucket_arn(f"{settings.stem}-*-{settings.side}")
        canary = names.canary_bucket(settings.namespace, settings.cell, settings.side)
        aws.iam.RolePolicy(
            f"{name}-users",
            role=role.name,
            policy=policy.document(
                policy.allow("List", ["s3:ListBucket"], [inbound]),
                policy.allow(
                    "Files",
                    _FILE_ACTIONS,
                    [
                        f"{inbound}/{contract.INBOUND_SFTP}*",
                        f"{settings.bucket_arn(canary)}/{canary_legs.delivered(Leg.SFTP)}*",
                    ],
                ),
                policy.allow("UseDataKey", ["kms:Decrypt", "kms:GenerateDataKey"], [key_arn]),
            ),
            opts=child,
        )
        self._role_arn = role.arn
        self._key_arn = key_arn
        self.server_id, self.session_log, self.session_log_arn = server.id, logs.name, logs.arn
        self.host = names.cell_host(settings.side, settings.cell, settings.zone)
        aws.route53.Record(
            f"{name}-host",
            zone_id=settings.zone_id,
            name=self.host,
            type="A",
            ttl=_TTL,
            records=[address.public_ip for address in network.endpoint_addresses],
            opts=pulumi.ResourceOptions(parent=self, protect=True),  # every customer's names lead to it
        )
        self.register_outputs({"server_id": self.server_id, "host": self.host})

    def add_user(
        self,
        name: str,
        *,
        login: str,
        public_keys: Sequence[str],
        bucket: str,
        folder: str,
        parent: pulumi.Resource,
    ) -> None:
        """Make one SFTP user, `login`, with its keys. It sees only `folder` of its bucket.

        The folder is a key prefix that ends in `/`.
        """
        arn = self._settings.bucket_arn(bucket)
        child = pulumi.ResourceOptions(parent=parent)
        user = aws.transfer.User(
            name,
            server_id=self.server_id,
            user_name=login,
            role=self._role_arn,
            # The role is the cell's; the session policy narrows it to this user's folder.
            policy=policy.document(
                policy.allow(
                    "List",
                    ["s3:ListBucket"],
                    [arn],
                    # Some clients ask for the folder itself, which Transfer Family lists without its slash.
                    conditions={"StringLike": {"s3:prefix": [folder.rstrip("/"), folder, f"{folder}*"]}},
                ),
                policy.allow("Files", _FILE_ACTIONS, [f"{arn}/{folder}*"]),
                policy.allow("UseDataKey", ["kms:Decrypt", "kms:GenerateDataKey"], [self._key_arn]),
            ),
            home_directory_type="LOGICAL",
            home_directory_mappings=[
                aws.transfer.UserHomeDirectoryMappingArgs(entry="/", target=f"/{bucket}/{folder.rstrip('/')}")
            ],
            opts=child,
        )
        for number, key in enumerate(public_keys, start=1):
            aws.transfer.SshKey(
                f"{name}-{number}",
                server_id=self.server_id,
                user_name=user.user_name,
                body=key,
                opts=child,
            )


_FILE_ACTIONS = [
    "s3:PutObject",
    "s3:GetObject",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
]
