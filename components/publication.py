"""The bucket for switches that are published as objects; only health checkers can read it."""

from __future__ import annotations

import pulumi

from components import policy
from components.bucket import Keep, bucket, expiry
from components.firewall import HEALTH_CHECKERS
from components.settings import Settings
from customers import names
from runtime import contract


class Publication(pulumi.ComponentResource):
    """One cell's bucket for the position of its peer's switch, and where the peer publishes this cell's."""

    bucket: str
    peer_host: str
    path: str
    write: list[policy.Statement]

    def __init__(self, name: str, *, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mft:publication:Publication", name, None, opts)

        def named(side: str) -> str:
            return names.cell_bucket(settings.namespace, settings.cell, "switch", side)

        self.bucket = named(settings.side)
        self.path = f"/{contract.switch_object(settings.side)}"
        self.peer_host = f"{named(settings.peer_side)}.s3.{settings.peer_region}.amazonaws.com"
        arn = settings.bucket_arn(self.bucket)
        bucket(
            name,
            bucket_name=self.bucket,
            settings=settings,
            key_arn=None,  # a health checker cannot use a key
            lifecycle=[expiry("moves", prefix="", days=1, current=False)],
            statements=[
                # Because of its condition, S3 does not consider this statement public:
                # https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
                policy.allow(
                    "HealthCheckers",
                    ["s3:GetObject"],
                    [f"{arn}/{contract.switch_object('*')}"],
                    principals={"AWS": "*"},
                    conditions={"IpAddress": {"aws:SourceIp": list(HEALTH_CHECKERS)}},
                )
            ],
            keep=Keep.DROP,  # the position itself is in a parameter, and is published every minute
            parent=self,
        )
        self.write = [
            policy.allow("SeeSwitch", ["s3:ListBucket"], [arn]),
            policy.allow(
                "MoveSwitch",
                ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
                [f"{arn}/{contract.switch_object('*')}"],
            ),
        ]
        self.register_outputs({"bucket": self.bucket})
