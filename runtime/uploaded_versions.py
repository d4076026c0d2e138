"""The versions that uploads left in a customer's bucket: which one an event means, and what came before."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from runtime import objects
from runtime.arrival import Arrival

#: A version written within this time before the end of a rename may be the one that the rename made.
_RENAMING = timedelta(minutes=1)

#: S3 dates a version from when its upload began. No upload takes longer than this.
LONGEST_UPLOAD = timedelta(days=1)

#: Most versions with the etag and size of an event that are looked at. There are more only where a file of
#: the same bytes was sent many times, and then those behind have had events of their own.
MOST_ALIKE = 32

#: Versions in one response of S3.
PAGE = 100


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
    """Finds the versions that events are about.

    `is_taken_in` says of an event and one of the versions of its key, by id and time, whether it has facts.
    """

    def __init__(self, *, s3: Any, is_taken_in: Callable[[Arrival, str, datetime], bool]) -> None:
        self._s3, self._is_taken_in = s3, is_taken_in

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
            return self._head(arrived, arrived.version_id)
        if arrived.failure is not None and arrived.etag is None:
            return None
        replica = None
        for version_id in self._alike(arrived, since):
            version = self._head(arrived, version_id)
            if version and not version.is_replica:
                return version
            replica = replica or version
        return replica

    def _alike(self, arrived: Arrival, since: datetime) -> Iterator[str]:
        """Yield the versions with the event's etag and size, newest first, those after the event last.

        Versions that were already taken in come after the others, because uploads of the same bytes have one
        event each. No more than MOST_ALIKE versions on either side of the event are looked at, and none that
        is too old to be its own: what is older and unknown is a matter of the sweep.

        The event of a rename has no etag. There are none then if the first version may have been written
        after the rename and another one just before it, because the first may be half a file. S3's own event
        of the rename names the version.
        """
        known: list[tuple[str, datetime]] = []
        after: deque[tuple[str, datetime]] = deque(maxlen=MOST_ALIKE)
        oldest = since if arrived.ended is None else max(since, arrived.ended - LONGEST_UPLOAD)
        for entry in versions_of(self._s3, arrived.bucket, arrived.key):
            version = entry["VersionId"], entry["LastModified"]
            if version[1] < oldest or len(known) == MOST_ALIKE:
                break
            if not _is_alike(entry, arrived):
                continue
            if arrived.ended is not None and version[1] > arrived.ended:
                after.append(version)
            elif arrived.etag is None or self._is_taken_in(arrived, *version):
                known.append(version)
            else:
                yield version[0]
        if arrived.etag is not None:
            after = deque(sorted(after, key=lambda each: self._is_taken_in(arrived, *each)))
        elif _is_unclear(arrived.ended, [modified for _, modified in (*known, *after)]):
            return
        yield from (version_id for version_id, _ in (*known, *after))

    def _head(self, arrived: Arrival, version_id: str) -> Version | None:
        head = objects.head(self._s3, arrived.bucket, arrived.key, version_id)
        if head is None:
            return None
        modified = head["LastModified"]
        return Version(
            id=version_id,
            size=head["ContentLength"],
            etag=head["ETag"].strip('"'),
            modified=modified,
            is_replica=head.get("ReplicationStatus") == "REPLICA",
            earlier=None if arrived.sequencer else self._earlier(arrived, version_id, modified),
        )

    def _earlier(self, arrived: Arrival, version_id: str, modified: datetime) -> tuple[str, ...]:
        """Return the versions of the same second that S3 lists behind a version."""
        second = modified.replace(microsecond=0)
        behind = versions_of(self._s3, arrived.bucket, arrived.key, after=version_id)
        of_second = takewhile(lambda each: each["LastModified"].replace(microsecond=0) == second, behind)
        return tuple(entry["VersionId"] for entry in of_second)


def _is_alike(entry: Mapping[str, Any], arrived: Arrival) -> bool:
    same_etag = arrived.etag in (None, entry["ETag"].strip('"'))
    return same_etag and (arrived.failure is not None or arrived.size in (None, entry["Size"]))


def versions_of(s3: Any, bucket: str, key: str, *, after: str = "") -> Iterator[dict[str, Any]]:
    """Yield the versions of one key, newest first, or those behind the version `after`; PAGE in a request.

    A listing is sorted by key, so those of the key come before those of keys that begin with it, of which
    there may be any number.
    """
    markers = {"KeyMarker": key, "VersionIdMarker": after} if after else {}
    while True:
        page = s3.list_object_versions(Bucket=bucket, Prefix=key, MaxKeys=PAGE, **markers)
        for entry in page.get("Versions", ()):
            if entry["Key"] != key:
                return
            yield entry
        if not page["IsTruncated"]:
            return
        markers = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}


def _is_unclear(ended: datetime | None, modified: Sequence[datetime]) -> bool:
    """Return whether the first version may be newer than the end of a command that wrote another one.

    `modified` are the times of the versions, which S3 reports to the second.
    """
    if ended is None or not modified or modified[0] < ended.replace(microsecond=0):
        return False
    return any(timedelta(0) <= modified[0] - other <= _RENAMING for other in modified[1:])
