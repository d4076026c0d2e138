"""Replication events: S3's reports about objects that it did not copy to the peer as promised.

They come only as S3 event notifications, because EventBridge does not carry them:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-metrics-events.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import unquote_plus


class ReplicationEvent(StrEnum):
    """What S3 reports about a copy: it failed, missed the promised time, came after it, or is untracked.

    The promised time is timing.REPLICATION_MINUTES.
    """

    FAILED = "OperationFailedReplication"
    MISSED = "OperationMissedThreshold"
    LATE = "OperationReplicatedAfterThreshold"
    UNTRACKED = "OperationNotTracked"


@dataclass(frozen=True, kw_only=True)
class Incident:
    """A version of an object that was not copied to the bucket `to` as promised, with S3's reason, if any."""

    event: ReplicationEvent
    bucket: str
    key: str
    version_id: str
    to: str
    reason: str


def incidents(message: dict[str, Any]) -> Iterator[Incident]:
    """Yield the incidents that a notification reports.

    Raises ValueError, which names the event, for a notification about anything but replication, and KeyError
    for any other document. The message with which S3 tests a new notification reports no incident:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html.
    """
    if message.get("Event") == "s3:TestEvent":
        return
    for record in message["Records"]:
        data, object = record.get("replicationEventData", {}), record["s3"]["object"]
        yield Incident(
            event=ReplicationEvent(record["eventName"].removeprefix("Replication:")),
            bucket=record["s3"]["bucket"]["name"],
            key=unquote_plus(object["key"]),
            version_id=object.get("versionId", ""),
            to=data.get("destinationBucket", "").rpartition(":")[2],
            reason=data.get("failureReason", ""),
        )
