"""Orphan objects: replicas of a lost region's objects whose events were lost with it, so that no fact exists.

Only uploads by the SDK can be taken in, because S3 never holds half of such an upload. An object alone does
not show whether an SFTP upload is complete (docs/adr/0003-intake-events.md), so SFTP uploads are reported and
left to the lost region's own events.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from runtime.arrival import Arrival, IntakeResult, is_folder
from runtime.contract import INBOUND, INBOUND_SDK, bucket_of, file_id, is_canary, transfer_id
from runtime.file_names import nameless
from runtime.intake import Intake
from runtime.routing import Directory, RoutingDocument
from runtime.tracker import Tracker
from runtime.transfer_scan import ENOUGH

#: The greatest age of the objects that are examined. An event usually waits for minutes, but it may have
#: waited for days before its region was declared lost.
WINDOW = timedelta(days=3)

#: Seconds between two scans: each lists the customers' buckets, with one request for a thousand versions.
PAUSE = 900

#: Most keys of each kind in a result.
_MOST_NAMED = 1000


class Found(NamedTuple):
    """Keys that were taken in, keys that may be incomplete files, and a text for each request that failed."""

    adopted: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Version:
    key: str
    id: str
    modified: datetime
    size: int


class OrphanObjects:
    """Scans this region's inbound buckets. A scan that ran out of time is continued by the next call."""

    def __init__(
        self,
        *,
        stem: str,
        side: str,
        tracker: Tracker,
        directory: Directory,
        intake: Intake,
        s3: Any,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stem, self._side, self._tracker, self._directory = stem, side, tracker, directory
        self._intake, self._s3, self._now, self._clock = intake, s3, now, clock
        self._to_do: list[str] = []
        self._after = ""
        self._due = -float("inf")

    def run(self, remaining: Callable[[], float]) -> Found:
        """Take in orphan objects, if a scan is due; a bucket that cannot be read does not hold up the others.

        `remaining` returns the seconds that are left.
        """
        if not self._to_do and self._clock() >= self._due:
            self._to_do = [name for name in self._directory.names() if not is_canary(name)]
            self._due = self._clock() + PAUSE
        adopted: list[str] = []
        unproven: list[str] = []
        refused: list[str] = []
        while self._to_do and remaining() > ENOUGH:
            name = self._to_do[0]
            try:
                if not self._scan(self._directory.customer(name), adopted, unproven, remaining):
                    break
            except ClientError as error:
                refused.append(f"{name}: {error}")
            self._to_do.pop(0)
            self._after = ""
        return Found(tuple(adopted[:_MOST_NAMED]), tuple(unproven[:_MOST_NAMED]), tuple(refused))

    def _scan(
        self,
        customer: RoutingDocument,
        adopted: list[str],
        unproven: list[str],
        remaining: Callable[[], float],
    ) -> bool:
        bucket = bucket_of(customer.id, self._stem, self._side)
        key = self._after
        for version in self._recent(bucket):
            if version.key != key:
                self._after, key = key, version.key
            if remaining() < ENOUGH:
                return False
            if is_folder(version.key, version.size) or customer.is_temporary(version.key):
                continue
            if self._is_known(customer, version):
                continue
            if version.key.startswith(INBOUND_SDK):
                arrived = Arrival(bucket=bucket, key=version.key, version_id=version.id)
                with nameless(version.key):  # the text of an error ends up in a log
                    result = self._intake.adopt(arrived)
                if result in (IntakeResult.RECEIVED, IntakeResult.REJECTED):
                    adopted.append(version.key)
            elif self._is_replica(bucket, version):
                unproven.append(version.key)
        return True

    def _recent(self, bucket: str) -> Iterator[_Version]:
        since = self._now() - WINDOW
        where = {"Bucket": bucket, "Prefix": INBOUND} | ({"KeyMarker": self._after} if self._after else {})
        for page in self._s3.get_paginator("list_object_versions").paginate(**where):
            for entry in page.get("Versions", ()):
                if entry["LastModified"] >= since:
                    yield _Version(
                        key=entry["Key"],
                        id=entry["VersionId"],
                        modified=entry["LastModified"],
                        size=entry["Size"],
                    )

    def _is_known(self, customer: RoutingDocument, version: _Version) -> bool:
        file = file_id(customer.id, version.key)
        transfer = transfer_id(file, version.id, version.modified)
        return bool(self._tracker.facts_of(file, transfer))

    def _is_replica(self, bucket: str, version: _Version) -> bool:
        head = self._s3.head_object(Bucket=bucket, Key=version.key, VersionId=version.id)
        return bool(head.get("ReplicationStatus") == "REPLICA")
