"""Replication events: what S3 tells of objects that it did not copy to the peer as promised.

They come by S3 event notifications only, EventBridge does not carry them:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-metrics-events.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import unquote_plus


class ReplicationEvent(StrEnum):
    """What became of a copy: none was made, none within 15 minutes, one after that, nobody knows."""

    FAILED = "OperationFailedReplication"
    MISSED = "OperationMissedThreshold"
    LATE = "OperationReplicatedAfterThreshold"
    UNTRACKED = "OperationNotTracked"


@dataclass(frozen=True, kw_only=True)
class Incident:
    """A version of an object that was not copied to the bucket `to` as promised; `reason` is S3's, if any."""

    event: ReplicationEvent
    bucket: str
    key: str
    version_id: str
    to: str
    reason: str


def incidents(message: dict[str, Any]) -> Iterator[Incident]:
    """Yield what a notification tells; ValueError, naming the event, for one that is not about replication.

    KeyError for what is no notification. The message by which S3 tries out a new notification tells nothing:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html.
    """
    if message.get("Event") == "s3:TestEvent":
        return
    for record in message["Records"]:
        told, object = record.get("replicationEventData", {}), record["s3"]["object"]
        yield Incident(
            event=ReplicationEvent(record["eventName"].removeprefix("Replication:")),
            bucket=record["s3"]["bucket"]["name"],
            key=unquote_plus(object["key"]),
            version_id=object.get("versionId", ""),
            to=told.get("destinationBucket", "").rpartition(":")[2],
            reason=told.get("failureReason", ""),
        )
