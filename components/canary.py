"""The canary: a sender of synthetic transfers, which pass through the cell like a customer's files."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws

from components import jsontext, policy
from components.bucket import Keep, bucket, expiry
from components.endpoint import Endpoint
from components.functions import Functions
from components.network import Placement
from components.settings import CANARY_KEY, HOST_KEYS
from customers import names
from customers.document import CANARY_DAYS, canary_document
from runtime import canary_legs, contract
from runtime.canary_legs import Leg
from runtime.environment import ENV_ADDRESSES, ENV_CANARY_BUCKET, ENV_HOST_KEY
from runtime.metric_names import METRICS

#: Minutes between two synthetic transfers.
CANARY_MINUTES = 5
#: Seconds: the time that a transfer may take, plus the time that slow answers of AWS may take.
_TIMEOUT = 180


class Canary(pulumi.ComponentResource):
    """One cell's synthetic customer, and the function that sends as that customer.

    It has a bucket, a routing document, a topic, an SFTP login, and another login as the partner to whom its
    files are delivered by SFTP. One private key, in Secrets Manager, opens both logins.
    """

    #: What `ops.cell_manifest.SyntheticCustomer` reads.
    manifest: dict[str, Any]

    def __init__(
        self,
        name: str,
        *,
        functions: Functions,
        endpoint: Endpoint,
        addresses: pulumi.Input[str],
        placement: Placement,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`addresses` are those of the endpoint, `host:port`, separated by commas."""
        super().__init__("mft:canary:Canary", name, None, opts)
        self._functions = functions
        child = pulumi.ResourceOptions(parent=self)
        settings, storage = functions.settings, functions.storage
        id = contract.canary(settings.cell)
        own = names.canary_bucket(settings.namespace, settings.cell, settings.side)
        host_key = settings.public_keys[HOST_KEYS[-1]]
        # It has no subscriber; the canary also tests that receipts can be sent.
        topic = aws.sns.Topic(
            f"{name}-receipts",
            name_prefix=f"{settings.namespace}-{id}-",
            kms_master_key_id=storage.key_arn,
            opts=child,
        )
        routing = canary_document(
            settings.namespace, settings.cell, settings.side, host=endpoint.host, host_key=host_key
        )
        document = aws.s3.BucketObjectv2(
            f"{name}-routing",
            bucket=storage.config_bucket,
            key=contract.config_key(id),
            content_type="application/json",
            content=jsontext.render({**routing, "receipts_topic": topic.arn}, sort_keys=True),
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
        for role, login, folder in (
            ("login", id, canary_legs.inbound(settings.cell, Leg.SFTP)),
            ("partner", canary_legs.partner(settings.cell), canary_legs.delivered(Leg.SFTP)),
        ):
            endpoint.add_user(
                f"{name}-{role}",
                login=login,
                public_keys=[settings.public_keys[CANARY_KEY]],
                bucket=own,
                folder=folder,
                parent=self,
            )
        secret = self._secret(name)
        functions.make(
            name,
            "canary",
            self._statements(settings.bucket_arn(own), secret),
            parent=self,
            timeout=_TIMEOUT,
            environment={ENV_CANARY_BUCKET: own, ENV_ADDRESSES: addresses, ENV_HOST_KEY: host_key},
            placement=placement,
            every=CANARY_MINUTES,
        )
        self.manifest = {
            "customer": id,
            "bucket": own,
            "receipts": topic.arn,
            "login": id,
            "secret": secret,
            "host_key": host_key,
        }
        self.register_outputs({"bucket": own})

    def _secret(self, name: str) -> str:
        """Make the secret with the private key of both logins; return its name."""
        settings = self._functions.settings
        child = pulumi.ResourceOptions(parent=self)
        id = contract.canary(settings.cell)
        full = contract.secret_name(settings.namespace, id, canary_legs.KEY_NAME)
        secret = aws.secretsmanager.Secret(
            f"{name}-key",
            name=full,
            description="Private key of the SFTP logins of the canary",
            kms_key_id=self._functions.storage.key_arn,
            recovery_window_in_days=0,  # the stack's settings have the key; its name must be free again
            opts=child,
        )
        aws.secretsmanager.SecretVersion(
            f"{name}-key", secret_id=secret.id, secret_string=settings.canary_key, opts=child
        )
        return full

    def _statements(self, bucket_arn: str, secret: str) -> list[policy.Statement]:
        """Return what the function may do: send by S3, log in, follow its files, and read the copies."""
        functions = self._functions
        settings = functions.settings
        sent = canary_legs.inbound(settings.cell, Leg.S3)
        return [
            policy.allow("Send", ["s3:PutObject"], [f"{bucket_arn}/{sent}*"]),
            policy.allow(
                "ReadOwnKey",
                ["secretsmanager:GetSecretValue"],
                # AWS adds six characters to a name:
                # https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_iam-policies.html
                [settings.arn("secretsmanager", f"secret:{secret}-??????")],
            ),
            policy.allow(
                "ReadCopies",
                ["s3:GetObject"],
                [f"{bucket_arn}/{canary_legs.delivered(leg)}*" for leg in Leg],
            ),
            # Without permission to list, S3 answers "denied" for a copy that does not exist.
            policy.allow("SeeAbsence", ["s3:ListBucket"], [bucket_arn]),
            functions.tracker.use("Facts", actions=("dynamodb:Query",)),
            functions.publish_metrics(METRICS),
        ]
