"""Arrivals: the objects that the events about customers' buckets report. Pure.

Three kinds of event arrive on the ingest queue:

- S3 `Object Created` below `inbound/sdk/` (an SDK client's upload) and, with reason CopyObject, below
  `inbound/sftp/` (a rename: Transfer Family renames by copying);
- Transfer Family `SFTP Server File Upload Completed`, `... Upload Failed`, `... Rename Completed`
  (https://docs.aws.amazon.com/transfer/latest/userguide/events-detail-reference.html).

An S3 event alone does not show that an SFTP upload is complete: a dropped session leaves a partial object.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

UPLOADED = "SFTP Server File Upload Completed"
UPLOAD_FAILED = "SFTP Server File Upload Failed"
RENAMED = "SFTP Server File Rename Completed"
CREATED = "Object Created"


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """An object that an event reports. A field that the event does not contain is None.

    `failure` is Transfer Family's reason if the upload did not complete; `ended` is when the SFTP command
    ended. `sequencer` orders S3's events about one key.
    """

    bucket: str
    key: str
    version_id: str | None = None
    etag: str | None = None
    size: int | None = None
    failure: str | None = None
    ended: datetime | None = None
    sequencer: str | None = None


class IntakeResult(StrEnum):
    """What the intake did with an arrival.

    RECEIVED: a workflow carries the file. REJECTED: the receipt states the reason. KNOWN: the tracker already
    has facts about this version. GONE: the version no longer exists. REPLICA: the other region takes it in.
    OURS: this region's own event takes it in. FOLDER: it is the empty object that stands for a folder.
    TEMPORARY: it waits for its rename.
    """

    RECEIVED = "received"
    REJECTED = "rejected"
    KNOWN = "known"
    GONE = "gone"
    REPLICA = "replica"
    OURS = "ours"
    FOLDER = "folder"
    TEMPORARY = "temporary"


def arrival(event: dict[str, Any]) -> Arrival:
    """Return the arrival that an EventBridge event reports; ValueError for an event of any other kind."""
    source, kind, detail = event.get("source"), event.get("detail-type"), event.get("detail", {})
    if source == "aws.s3" and kind == CREATED:
        entry = detail["object"]
        return Arrival(
            bucket=detail["bucket"]["name"],
            key=entry["key"],
            version_id=entry.get("version-id"),
            etag=entry.get("etag"),
            size=entry.get("size"),
            sequencer=entry.get("sequencer"),
        )
    if source == "aws.transfer" and kind == RENAMED:
        bucket, key = _split(detail["renamed-file-path"])
        return Arrival(bucket=bucket, key=key, ended=_ended(detail))
    if source == "aws.transfer" and kind in (UPLOADED, UPLOAD_FAILED):
        bucket, key = _split(detail["file-path"])
        failure = None
        if kind == UPLOAD_FAILED:
            code, message = detail.get("failure-code", "UNKNOWN_ERROR"), detail.get("failure-message")
            failure = f"{code}: {message}" if message else code
        return Arrival(
            bucket=bucket,
            key=key,
            etag=detail.get("etag"),
            size=detail.get("bytes"),
            failure=failure,
            ended=_ended(detail),
        )
    raise ValueError(f"not an intake event: source {source!r}, detail-type {kind!r}")


def _ended(detail: dict[str, Any]) -> datetime | None:
    ended = detail.get("end-timestamp")
    return datetime.fromisoformat(ended) if ended else None


def _split(path: str) -> tuple[str, str]:
    bucket, _, key = path.lstrip("/").partition("/")
    return bucket, key


def is_folder(key: str, size: int) -> bool:
    """Return whether an object stands for a folder: its key ends in `/`, and it has no content."""
    return key.endswith("/") and size == 0
