"""Replicates the writes of a global table (the last writer wins), and gives each replica its own key."""

from __future__ import annotations

import copy
import itertools
import time
from functools import partial
from typing import Any

from local.aws.ministack import lag
from local.aws.ministack.patching import Module, after, original

#: In each replica: the time of the last write of every item, including deletions, to compare writers by.
_CLOCK = "_mft_clock"


@after("services.dynamodb")
def _replica_keys(dynamodb: Module) -> None:
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
        described: dict[str, Any] = describe(name)
        for shown in described.get("Replicas", ()):
            replica = tables.get_scoped(account(), shown["RegionName"], name) or {}
            if key := (replica.get("SSEDescription") or {}).get("KMSMasterKeyArn"):
                shown["KMSMasterKeyId"] = key
        return described

    dynamodb._apply_replica_updates = apply_replica_updates
    dynamodb._table_description = table_description


@after("services.dynamodb")
def _replicate(dynamodb: Module) -> None:
    change = "replication of a global table"
    apply, group = (original(change, dynamodb, name) for name in ("_replicate_write", "_replica_group"))
    account, home = (original(change, dynamodb, name) for name in ("get_account_id", "get_region"))
    tables, value = original(change, dynamodb, "_tables"), original(change, dynamodb, "_extract_key_val")
    ticks = itertools.count()

    def replicate_write(table: dict[str, Any], event: str, old: Any, new: Any) -> None:
        item, name = old if new is None else new, table["TableName"]
        key = {part: item[part] for part in (table["pk_name"], table["sk_name"]) if part}
        written = (time.time_ns(), next(ticks))
        others = [region for region in group(table) if region != home()]
        if others:
            table.setdefault(_CLOCK, {})[tuple(map(value, key.values()))] = written
        write = partial(arrive, name, key, written, event, *copy.deepcopy((old, new)))
        for region in others:
            lag.QUEUE.send(
                lag.ReplicatedWrite(
                    kind=lag.DYNAMODB,
                    source=home(),
                    target=region,
                    name=name,
                    key=key,
                    version=None,
                    arrive=partial(write, region),
                )
            )

    def arrive(
        name: str,
        key: dict[str, Any],
        written: tuple[int, int],
        event: str,
        old: Any,
        new: Any,
        region: str,
    ) -> None:
        """Apply a write to one replica, unless the replica has a later write of the item."""
        replica = tables.get_scoped(account(), region, name)
        if replica is None:
            return
        clock, item = replica.setdefault(_CLOCK, {}), tuple(map(value, key.values()))
        if clock.get(item, written) <= written:
            clock[item] = written
            apply({"TableName": name, "_global_regions": [home(), region]}, event, old, new)

    dynamodb._replicate_write = replicate_write
