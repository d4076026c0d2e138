"""The tracker table: the stack gov-west owns it, and gov-east adds its replica."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

from components import policy
from components.settings import Settings
from customers import names
from runtime import contract
from runtime.contract import WEST

_ATTRIBUTES = (
    contract.TRACKER_PK,
    contract.TRACKER_SK,
    contract.TRACKER_INDEX_PK,
)


class Tracker(pulumi.ComponentResource):
    """This region's replica of the global table MFT-TransferTracker."""

    table: str
    arn: str

    def __init__(
        self,
        name: str,
        *,
        settings: Settings,
        key_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mft:tracker:Tracker", name, None, opts)
        self.table = names.tracker_table(settings.cell)
        self.arn = settings.arn("dynamodb", f"table/{self.table}")
        if settings.side == WEST:
            self._own(name, key_arn)
        else:
            self._join(name, settings, key_arn)
        self.register_outputs({"table": self.table})

    def use(
        self,
        sid: str,
        *,
        actions: tuple[str, ...],
        principals: Mapping[str, Any] | None = None,
        conditions: Mapping[str, Any] | None = None,
    ) -> policy.Statement:
        """Return the statement that allows `actions` on this region's table."""
        return policy.allow(sid, actions, [self.arn], principals=principals, conditions=conditions)

    def look_up(self) -> policy.Statement:
        """Return the statement that allows a role to query this region's table by customer and day."""
        return policy.allow("Days", ["dynamodb:Query"], [f"{self.arn}/index/{contract.TRACKER_INDEX}"])

    def _own(self, name: str, key_arn: pulumi.Input[str]) -> None:
        aws.dynamodb.Table(
            f"{name}-table",
            name=self.table,
            billing_mode="PAY_PER_REQUEST",
            hash_key=contract.TRACKER_PK,
            range_key=contract.TRACKER_SK,
            attributes=[aws.dynamodb.TableAttributeArgs(name=each, type="S") for each in _ATTRIBUTES],
            global_secondary_indexes=[
                aws.dynamodb.TableGlobalSecondaryIndexArgs(
                    name=contract.TRACKER_INDEX,
                    key_schemas=[
                        aws.dynamodb.TableGlobalSecondaryIndexKeySchemaArgs(attribute_name=key, key_type=kind)
                        for key, kind in (
                            (contract.TRACKER_INDEX_PK, "HASH"),
                            (contract.TRACKER_INDEX_SK, "RANGE"),
                        )
                    ],
                    projection_type="ALL",
                )
            ],
            ttl=aws.dynamodb.TableTtlArgs(attribute_name=contract.TRACKER_TTL, enabled=True),
            stream_enabled=True,
            stream_view_type="NEW_AND_OLD_IMAGES",  # a global table needs it
            point_in_time_recovery=aws.dynamodb.TablePointInTimeRecoveryArgs(enabled=True),
            server_side_encryption=aws.dynamodb.TableServerSideEncryptionArgs(
                enabled=True, kms_key_arn=key_arn
            ),
            deletion_protection_enabled=True,
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=True,
                ignore_changes=["replicas"],  # gov-east's stack owns the replica there
            ),
        )

    def _join(self, name: str, settings: Settings, key_arn: pulumi.Input[str]) -> None:
        aws.dynamodb.TableReplica(
            f"{name}-replica",
            global_table_arn=settings.arn("dynamodb", f"table/{self.table}", region=settings.peer_region),
            kms_key_arn=key_arn,
            point_in_time_recovery=True,
            deletion_protection_enabled=True,
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
