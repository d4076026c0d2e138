"""Replicates S3 objects between the regions as AWS does.

MiniStack copies an object before the source's version exists, so its replica gets its own version id, no
event, and the source's encryption key. Here a write first becomes a version that is PENDING; then its
`ReplicaCopy` is shipped, and arrives when `lag` says. In both buckets, versions are in the order of their
times at the source: the later of two writers wins in whatever order the copies arrive, and the other write
stays as an older version.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from local.aws.ministack import lag
from local.aws.ministack.patching import Module, after, original

_ALGORITHM = "x-amz-server-side-encryption"
_KEY_ID = "x-amz-server-side-encryption-aws-kms-key-id"
_CHANGE = "S3 replication"


@dataclass(frozen=True, kw_only=True)
class ReplicaCopy:
    """A version of an object or a delete marker, on its way to the bucket of a replication rule."""

    s3: Module
    bucket: str
    key: str
    version: str
    record: dict[str, Any]  # the source's object, as MiniStack holds it
    entry: dict[str, Any]  # the source's entry in the list of versions
    data: Any
    rule: dict[str, Any]
    role: str

    def finish(self, status: str) -> None:
        """Set the replication status that the source shows."""
        self.record["replication_status"] = self.entry["replication_status"] = status

    def gone(self) -> bool:
        """Return whether the version was permanently deleted before it was copied."""
        versions = self.s3._object_versions.get((self.bucket, self.key)) or ()
        return all(one["version_id"] != self.version for one in versions)

    def settle(self, name: str) -> bool:
        """Give the newest entry of bucket `name` its source's id, time and place among the versions.

        Returns whether it is then the latest version.
        """
        versions = self.s3._object_versions[(name, self.key)]
        entry = versions.pop()
        entry |= {"version_id": self.version, "last_modified": self.entry["last_modified"]}
        place = len(versions)
        while place and _age(versions[place - 1]) > _age(entry):
            place -= 1
        versions.insert(place, entry)
        for one in versions:
            one["is_latest"] = one is versions[-1]
        return bool(entry["is_latest"])


def _age(entry: dict[str, Any]) -> tuple[str, str]:
    return entry["last_modified"], entry["version_id"]


def ship(item: ReplicaCopy, arrive: Callable[[ReplicaCopy], None]) -> None:
    """Send a copy on its way."""
    lag.QUEUE.send(
        lag.ReplicatedWrite(
            kind=lag.S3,
            source=item.s3.bucket_region(item.bucket),
            target=item.s3._replication_destination_region(item.rule["Destination"]["Bucket"]),
            name=item.bucket,
            key=item.key,
            version=item.version,
            arrive=partial(arrive, item),
        )
    )


def arrive(item: ReplicaCopy) -> None:
    """Write the replica with its source's version id and time, and send its event.

    If that is not possible, the source is marked FAILED.
    """
    s3 = item.s3
    if item.gone():
        return
    if is_there(item):
        item.finish("COMPLETED")
        return
    target = s3._replication_destination(item.bucket, item.key, item.rule, item.role)
    replica = copy.deepcopy({k: v for k, v in item.record.items() if k != "_replica"})
    if target is None or not _encrypt(s3, replica, item.rule["Destination"]):
        item.finish("FAILED")
        return
    name, account, bucket = target
    replica["replication_status"] = "REPLICA"
    replica["storage_class"] = item.rule["Destination"].get("StorageClass") or replica["storage_class"]
    tags = s3._object_tags.get((item.bucket, item.key, item.version))
    with s3._in_account(account):
        s3._record_object_version(name, item.key, bucket["objects"].get(item.key), replica, item.data)
        replica["version_id"] = item.version
        if item.settle(name):
            bucket["objects"][item.key] = replica
        if tags:
            s3._object_tags[(name, item.key, item.version)] = dict(tags)
        s3._fire_s3_event_async(
            name,
            item.key,
            f"s3:ObjectCreated:{'CompleteMultipartUpload' if replica.get('parts') else 'Put'}",
            size=replica["size"],
            etag=replica["etag"],
            version_id=item.version,
        )
    item.record["_replica"] = (name, item.version, account)  # MiniStack copies the tags by this
    item.finish("COMPLETED")


def is_there(item: ReplicaCopy) -> bool:
    """Return whether the bucket of the rule has the version, because a job has replicated it meanwhile."""
    s3 = item.s3
    target = s3._replication_destination(item.bucket, item.key, item.rule, item.role)
    if target is None:
        return False
    name, account, _ = target
    with s3._in_account(account):
        versions = s3._object_versions.get((name, item.key)) or ()
        return any(one["version_id"] == item.version for one in versions)


def arrive_marker(item: ReplicaCopy) -> None:
    """Write the delete marker, which hides older versions."""
    target = item.s3._replication_destination(item.bucket, item.key, item.rule, item.role)
    if target is None or item.gone():
        return
    name, account, bucket = target
    with item.s3._in_account(account):
        item.s3._record_delete_marker(name, item.key, bucket["objects"].get(item.key))
        if item.settle(name):
            bucket["objects"].pop(item.key, None)


def _encrypt(s3: Module, replica: dict[str, Any], destination: dict[str, Any]) -> bool:
    """Replace the source's key by the destination's; return False if there is no such key."""
    wanted = (destination.get("EncryptionConfiguration") or {}).get("ReplicaKmsKeyID")
    if not wanted or replica["preserved_headers"].get(_ALGORITHM) != "aws:kms":
        return True
    from ministack.core.responses import get_account_id, request_scope
    from ministack.services import kms

    with request_scope(get_account_id(), s3._replication_destination_region(destination["Bucket"])):
        key = kms._resolve_key(wanted)
    if key is None:
        return False
    replica["preserved_headers"][_KEY_ID] = key["Arn"]
    return True


@after("services.s3")
def _replicate(s3: Module) -> None:
    record_version, rule_for = (
        original(_CHANGE, s3, "_record_object_version"),
        original(_CHANGE, s3, "_replication_rule_for"),
    )
    for used in ("_maybe_replicate", "_replication_destination", "_object_versions", "_in_account"):
        original(_CHANGE, s3, used)
    for used in ("_fire_s3_event_async", "_replication_destination_region", "bucket_region"):
        original(_CHANGE, s3, used)
    for used in ("_object_tags", "_record_delete_marker", "_maybe_replicate_delete_marker"):
        original(_CHANGE, s3, used)

    def plan(
        bucket: str, key: str, record: dict[str, Any], data: Any, tags: dict[str, str] | None = None
    ) -> None:
        rule, role = rule_for(bucket, key, tags)
        if rule is None:
            return
        selected = (rule.get("SourceSelectionCriteria") or {}).get("SseKmsEncryptedObjects") or {}
        if record["preserved_headers"].get(_ALGORITHM) == "aws:kms" and selected.get("Status") != "Enabled":
            return  # AWS leaves such objects out unless the rule selects them
        record["replication_status"] = "PENDING"
        record["_mft_rule"] = (rule, role)

    def record_and_ship(bucket: str, key: str, prior: Any, record: dict[str, Any], data: Any) -> str | None:
        rule, role = record.pop("_mft_rule", (None, ""))
        version: str | None = record_version(bucket, key, prior, record, data)
        if rule is not None and version is not None:
            ship(latest(bucket, key, rule, role, record, data), arrive)
        return version

    def ship_marker(bucket: str, key: str) -> None:
        rule, role = rule_for(bucket, key, None)
        wanted = ((rule or {}).get("DeleteMarkerReplication") or {}).get("Status") == "Enabled"
        if rule is not None and (wanted or "Filter" not in rule):  # rules of the first schema replicate them
            ship(latest(bucket, key, rule, role, {}, b""), arrive_marker)

    def latest(
        bucket: str, key: str, rule: dict[str, Any], role: str, record: dict[str, Any], data: Any
    ) -> ReplicaCopy:
        entry = s3._object_versions[(bucket, key)][-1]
        version = entry["version_id"]
        what = {"record": record, "entry": entry, "data": data}
        return ReplicaCopy(s3=s3, bucket=bucket, key=key, version=version, rule=rule, role=role, **what)

    s3._maybe_replicate = plan
    s3._record_object_version = record_and_ship
    s3._maybe_replicate_delete_marker = ship_marker
