"""Gives each replica of a global table the encryption key that it was made with."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from local.ministack.patching import after, original


@after("services.dynamodb")
def _replica_keys(dynamodb: ModuleType) -> None:
    change = "keys of table replicas"
    update = original(change, dynamodb, "_apply_replica_updates")
    describe = original(change, dynamodb, "_table_description")
    account = original(change, dynamodb, "get_account_id")
    tables = original(change, dynamodb, "_tables")

    def apply_replica_updates(name: str, table: dict[str, Any], updates: list[dict[str, Any]]) -> Any:
        problem = update(name, table, updates)
        if problem is None:
            for wanted in (one for action in updates for one in action.values() if one.get("KMSMasterKeyId")):
                replica = tables.get_scoped(account(), wanted["RegionName"], name)
                if replica is not None:
                    key = {"SSEType": "KMS", "KMSMasterKeyArn": wanted["KMSMasterKeyId"]}
                    replica["SSEDescription"] = {"Status": "ENABLED"} | key
        return problem

    def table_description(name: str) -> dict[str, Any]:
        described = describe(name)
        for shown in described.get("Replicas", ()):
            replica = tables.get_scoped(account(), shown["RegionName"], name) or {}
            if key := (replica.get("SSEDescription") or {}).get("KMSMasterKeyArn"):
                shown["KMSMasterKeyId"] = key
        return described

    dynamodb._apply_replica_updates = apply_replica_updates
    dynamodb._table_description = table_description
