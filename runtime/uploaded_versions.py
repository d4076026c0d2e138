"""The versions that uploads left in a customer's bucket: which one an event means, and what came before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from runtime import objects
from runtime.arrival import Arrival

#: A version written within this time before the end of a rename may be the one that the rename made.
_RENAMING = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version of an object, as S3 holds it.

    `earlier` are the ids of the versions of the same second that S3 lists as older ones. It is None if the
    versions were not listed, because the event has a sequencer.
    """

    id: str
    size: int
    etag: str
    modified: datetime
    is_replica: bool
    earlier: tuple[str, ...] | None = None


class UploadedVersions:
    """Finds the versions that events are about. `taken_in` returns the versions of a file that have facts."""

    def __init__(self, *, s3: Any, taken_in: Callable[[Arrival], set[str]]) -> None:
        self._s3, self._taken_in = s3, taken_in

    def find(self, arrived: Arrival, since: datetime) -> Version | None:
        """Return the version that an event is about, or None if it no longer exists.

        A Transfer Family event names no version. Its version is the newest one with the event's etag and size
        that existed when the event's command ended, because a client may have overwritten it since, and that
        was written in this region. The event of an upload that failed before it left an object has no etag;
        an object under its name comes from another upload.

        Versions from before `since` are left out: their facts may have expired, so it is unknown whether they
        were taken in, and S3 is about to remove them.
        """
        if arrived.version_id is not None:
            listed = None if arrived.sequencer else self._listed(arrived)
            return self._head(arrived, arrived.version_id, listed)
        if arrived.failure is not None and arrived.etag is None:
            return None
        listed, replica = self._listed(arrived), None
        for version_id in self._alike(arrived, since, listed):
            version = self._head(arrived, version_id, listed)
            if version and not version.is_replica:
                return version
            replica = replica or version
        return replica

    def _listed(self, arrived: Arrival) -> list[dict[str, Any]]:
        """Return the versions of the event's key, newest first.

        A listing is sorted by key, so those of the key come before those of keys that begin with it, of which
        there may be any number.
        """
        pages = self._s3.get_paginator("list_object_versions").paginate(
            Bucket=arrived.bucket, Prefix=arrived.key
        )
        return list(_of_first_key(pages, arrived.key))

    def _alike(self, arrived: Arrival, since: datetime, listed: Iterable[dict[str, Any]]) -> list[str]:
        """Return the versions with the event's etag and size, newest first, those after the event last.

        Versions that were already taken in come after the others, because uploads of the same bytes have one
        event each.

        The event of a rename has no etag. The result is then empty if the first version may have been written
        after the rename and another one just before it, because the first may be half a file. S3's own event
        of the rename names the version.
        """
        alike = []
        for entry in listed:
            same_etag = arrived.etag in (None, entry["ETag"].strip('"'))
            same_size = arrived.failure is not None or arrived.size in (None, entry["Size"])
            if same_etag and same_size and entry["LastModified"] >= since:
                is_after = arrived.ended is not None and entry["LastModified"] > arrived.ended
                alike.append((is_after, entry["VersionId"], entry["LastModified"]))
        alike.sort(key=lambda each: each[0])
        if arrived.etag is None and _is_unclear(arrived.ended, [modified for *_, modified in alike]):
            return []
        taken = self._taken_in(arrived) if arrived.etag is not None and len(alike) > 1 else set()
        alike.sort(key=lambda each: (each[0], each[1] in taken))
        return [version_id for _, version_id, _ in alike]

    def _head(self, arrived: Arrival, version_id: str, listed: list[dict[str, Any]] | None) -> Version | None:
        head = objects.head(self._s3, arrived.bucket, arrived.key, version_id)
        if head is None:
            return None
        return Version(
            id=version_id,
            size=head["ContentLength"],
            etag=head["ETag"].strip('"'),
            modified=head["LastModified"],
            is_replica=head.get("ReplicationStatus") == "REPLICA",
            earlier=None if listed is None else _earlier(listed, version_id),
        )


def _of_first_key(pages: Iterable[dict[str, Any]], key: str) -> Iterator[dict[str, Any]]:
    for page in pages:
        for entry in page.get("Versions", ()):
            if entry["Key"] != key:
                return
            yield entry


def _earlier(listed: list[dict[str, Any]], version_id: str) -> tuple[str, ...] | None:
    """Return the versions of the same second that are listed behind a version; None if it is not listed."""
    at = next((at for at, entry in enumerate(listed) if entry["VersionId"] == version_id), None)
    if at is None:
        return None
    second = listed[at]["LastModified"].replace(microsecond=0)
    behind = (entry for entry in listed[at + 1 :] if entry["LastModified"].replace(microsecond=0) == second)
    return tuple(entry["VersionId"] for entry in behind)


def _is_unclear(ended: datetime | None, modified: Sequence[datetime]) -> bool:
    """Return whether the first version may be newer than the end of a command that wrote another one.

    `modified` are the times of the versions, which S3 reports to the second.
    """
    if ended is None or not modified or modified[0] < ended.replace(microsecond=0):
        return False
    return any(timedelta(0) <= modified[0] - other <= _RENAMING for other in modified[1:])
