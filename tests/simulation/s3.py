"""Simulated S3: versioned buckets, copies that S3 makes itself, replication that may lag, events of both."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from tests.simulation.aws import Client, NoSuchKey, failed
from tests.simulation.clock import Clock, Dice
from tests.simulation.regions import Region
from tests.simulation.unknown import NotSimulatedError

#: Versions on a page of a listing; S3's pages have a thousand. A short one needs a checkpoint more often.
PAGE = 2


@dataclass(slots=True)
class Version:
    """One version of an object; `is_marker` for a deletion."""

    id: str
    key: str
    body: bytes
    etag: str
    modified: datetime
    is_replica: bool = False
    is_marker: bool = False
    checksum: str | None = None
    writer: str = ""
    sequence: int = 0


class Bucket:
    """One bucket, in a region that may be lost or (a partner's) in none."""

    def __init__(self, storage: Storage, name: str, region: Region | None, *, versioned: bool) -> None:
        self.name, self.region, self.versioned = name, region, versioned
        self.replica: Bucket | None = None
        self.on_created: Callable[[Version, str], None] | None = None
        self.versions: dict[str, list[Version]] = {}
        #: What a partner's bucket answers instead: raises, or waits.
        self.gate: Callable[[str, str], bool] | None = None
        self._storage = storage

    def put(self, key: str, body: bytes, reason: str, *, checksum: str | None, writer: str) -> Version:
        """Make a version, and trigger its event and its replica."""
        storage = self._storage
        version = Version(
            id=storage.new_id(),
            key=key,
            body=body,
            etag=hashlib.md5(body).hexdigest(),
            modified=datetime.fromtimestamp(math.floor(storage.clock.now), UTC),
            checksum=checksum,
            writer=writer,
            sequence=storage.next_sequence(),
        )
        if self.versioned:
            self.versions.setdefault(key, []).append(version)
        else:
            self.versions[key] = [version]
        if self.on_created:
            self.on_created(version, reason)
        if self.replica:
            storage.replicate(self, self.replica, version)
        return version

    def receive(self, version: Version) -> None:
        """Take in a replica: it keeps the id and the time of its source."""
        replica = Version(
            id=version.id,
            key=version.key,
            body=version.body,
            etag=version.etag,
            modified=version.modified,
            is_replica=True,
            checksum=version.checksum,
            writer=version.writer,
            sequence=self._storage.next_sequence(),
        )
        held = self.versions.setdefault(version.key, [])
        held.append(replica)
        held.sort(key=lambda each: each.modified)
        if self.on_created:
            self.on_created(replica, "PutObject")

    def delete(self, key: str) -> None:
        """Delete an object: where versions are kept, by a marker."""
        if not self.versioned:
            self.versions.pop(key, None)
        elif key in self.versions:
            storage = self._storage
            modified = datetime.fromtimestamp(math.floor(storage.clock.now), UTC)
            marker = Version(storage.new_id(), key, b"", "", modified, is_marker=True)
            self.versions[key].append(marker)

    def find(self, key: str, version_id: str | None = None) -> Version | None:
        """Return a version, the newest unless one is named; None when it is not there."""
        versions = self.versions.get(key, ())
        if version_id is None:
            newest = versions[-1] if versions else None
            return None if newest is None or newest.is_marker else newest
        return next((each for each in versions if each.id == version_id and not each.is_marker), None)


class Storage:
    """All buckets. `lag` returns the seconds that a replica takes from one bucket's side to the other's."""

    def __init__(self, clock: Clock, lag: Callable[[str, str], float]) -> None:
        self.clock, self.buckets = clock, dict[str, Bucket]()
        self.pending = self._sequence = 0
        self._lag, self._ids = lag, Dice(clock.seed, "version ids")

    def make(self, name: str, region: Region | None, *, versioned: bool = True) -> Bucket:
        """Make a bucket."""
        bucket = self.buckets[name] = Bucket(self, name, region, versioned=versioned)
        return bucket

    def new_id(self) -> str:
        """Return an id that no other version has."""
        return f"{int(self._ids.random() * 2**52):013x}"

    def next_sequence(self) -> int:
        """Return a greater number than any before: the order in which buckets got their versions."""
        self._sequence += 1
        return self._sequence

    def replicate(self, source: Bucket, target: Bucket, version: Version) -> None:
        """Copy a version to the other side after a lag, but not while one of the sides is lost."""
        assert source.region
        assert target.region
        self.pending += 1
        one, other = source.region, target.region

        def arrive() -> None:
            self.pending -= 1
            target.receive(version)

        delay = self._lag(one.side, f"{source.name}/{version.key}")
        self.clock.at(self.clock.now + delay, lambda: one.when_linked(lambda: other.when_linked(arrive)))


class S3(Client):
    """A client of S3, of one region, as boto3 makes it."""

    service = "s3"

    def __init__(self, storage: Storage, region: Region | None, trace: Any) -> None:
        super().__init__(storage.clock, region, trace)
        self._storage = storage

    def head_object(self, *, Bucket: str, Key: str, VersionId: str | None = None, **_: Any) -> dict[str, Any]:
        return self._do("HeadObject", Bucket, Key, lambda held: self._head(held, Key, VersionId))

    def get_object(
        self, *, Bucket: str, Key: str, VersionId: str | None = None, Range: str | None = None
    ) -> dict[str, Any]:
        return self._do("GetObject", Bucket, Key, lambda held: self._get(held, Key, VersionId, Range))

    def put_object(
        self,
        *,
        Bucket: str,
        Key: str,
        Body: bytes = b"",
        ChecksumAlgorithm: str | None = None,
        IfNoneMatch: str | None = None,
        **known: Any,
    ) -> dict[str, Any]:
        _refuse_unknown(known, {"ContentType", "Metadata"})

        def put(held: Any) -> dict[str, Any]:
            if IfNoneMatch == "*" and held.find(Key):
                raise failed(ClientError, "PreconditionFailed", "PutObject")
            checksum = _sha256(Body) if ChecksumAlgorithm == "SHA256" else None
            version = held.put(Key, bytes(Body), "PutObject", checksum=checksum, writer=self._caller)
            return {"ETag": f'"{version.etag}"', "VersionId": version.id}

        return self._do("PutObject", Bucket, Key, put)

    def copy_object(
        self,
        *,
        Bucket: str,
        Key: str,
        CopySource: dict[str, str],
        CopySourceIfMatch: str | None = None,
        ChecksumAlgorithm: str | None = None,
        **known: Any,
    ) -> dict[str, Any]:
        _refuse_unknown(known, {"MetadataDirective", "TaggingDirective", "ContentType"})

        def copy(held: Any) -> dict[str, Any]:
            source = self._source(CopySource)
            if CopySourceIfMatch is not None and CopySourceIfMatch.strip('"') != source.etag:
                raise failed(ClientError, "PreconditionFailed", "CopyObject")
            checksum = _sha256(source.body) if ChecksumAlgorithm == "SHA256" else source.checksum
            version = held.put(Key, source.body, "CopyObject", checksum=checksum, writer=self._caller)
            result = {"ETag": f'"{version.etag}"'}
            if checksum:
                result["ChecksumSHA256"] = checksum
            return {"CopyObjectResult": result, "VersionId": version.id}

        return self._do("CopyObject", Bucket, Key, copy)

    def copy(self, source: dict[str, str], bucket: str, key: str, **known: Any) -> None:
        """Copy a small object as boto3's managed copy does: get its size, then copy it."""
        _refuse_unknown(known, {"Config", "ExtraArgs", "SourceClient"})
        client = known.get("SourceClient") or self
        client.head_object(**source)
        self.copy_object(Bucket=bucket, Key=key, CopySource=source, **(known.get("ExtraArgs") or {}))

    def delete_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        return self._do("DeleteObject", Bucket, Key, lambda held: held.delete(Key) or {})

    def get_paginator(self, operation: str) -> Any:
        pages: dict[str, Callable[..., Iterator[dict[str, Any]]]] = {
            "list_objects_v2": self._objects,
            "list_object_versions": self._versions,
            "list_multipart_uploads": self._uploads,
        }
        return _Paginator(pages[operation])

    def list_object_versions(
        self,
        *,
        Bucket: str,
        Prefix: str = "",
        KeyMarker: str = "",
        VersionIdMarker: str = "",
        MaxKeys: int = 1000,
    ) -> dict[str, Any]:
        """Return a page of at most PAGE versions, which begins behind the one that the markers name."""

        most = min(PAGE, MaxKeys)

        def listed(held: Any) -> dict[str, Any]:
            entries = _versions_of(held, Prefix)
            places = [(each["Key"], each["VersionId"]) for each in entries]
            marker = (KeyMarker, VersionIdMarker)
            if marker in places:
                entries = entries[places.index(marker) + 1 :]
            page: dict[str, Any] = {"IsTruncated": len(entries) > most, "Versions": entries[:most]}
            if page["IsTruncated"]:
                last = entries[most - 1]
                page |= {"NextKeyMarker": last["Key"], "NextVersionIdMarker": last["VersionId"]}
            return page

        page: dict[str, Any] = self._do("ListObjectVersions", Bucket, Prefix, listed)
        return page

    def _objects(self, *, Bucket: str, Prefix: str = "") -> Iterator[dict[str, Any]]:
        def listed(held: Any) -> list[dict[str, Any]]:
            found = [each for key in sorted(held.versions) if (each := held.find(key))]
            return [_entry(each) for each in found if each.key.startswith(Prefix)]

        yield {"Contents": self._do("ListObjectsV2", Bucket, Prefix, listed)}

    def _versions(self, *, Bucket: str, Prefix: str = "") -> Iterator[dict[str, Any]]:
        found = self._do("ListObjectVersions", Bucket, Prefix, lambda held: _versions_of(held, Prefix))
        yield {"Versions": found}

    def _uploads(self, *, Bucket: str, Prefix: str = "") -> Iterator[dict[str, Any]]:
        """Yield no multipart uploads: every upload here is one request."""
        yield self._do("ListMultipartUploads", Bucket, Prefix, lambda held: {})

    @property
    def _caller(self) -> str:
        process = self._clock.current
        assert process is not None
        return process.name

    def _do(self, operation: str, bucket: str, key: str, apply: Callable[[Any], Any]) -> Any:
        held = self._storage.buckets[bucket]
        if held.gate:
            return self._at_partner(held, operation, key, apply)
        return self._effect(operation, f"{bucket}/{key}", lambda: apply(held))

    def _at_partner(self, held: Bucket, operation: str, key: str, apply: Callable[[Any], Any]) -> Any:
        gate = held.gate
        assert gate is not None

        def answer() -> Any:
            lost = gate(operation, key)
            answered = apply(held)
            if lost:
                raise ReadTimeoutError(endpoint_url=held.name)
            return answered

        return self._effect(operation, f"{held.name}/{key}", answer)

    def _head(self, held: Bucket, key: str, version_id: str | None) -> dict[str, Any]:
        version = held.find(key, version_id)
        if version is None:
            raise failed(ClientError, "404", "HeadObject")
        head = {
            "ContentLength": len(version.body),
            "ETag": f'"{version.etag}"',
            "LastModified": version.modified,
            "VersionId": version.id,
            "ContentType": "binary/octet-stream",
        }
        if version.is_replica:
            head["ReplicationStatus"] = "REPLICA"
        elif held.replica:
            head["ReplicationStatus"] = "PENDING"
        if version.checksum:
            head["ChecksumSHA256"] = version.checksum
        return head

    def _get(self, held: Bucket, key: str, version_id: str | None, ranged: str | None) -> dict[str, Any]:
        version = held.find(key, version_id)
        if version is None:
            raise failed(
                NoSuchKey if version_id is None else ClientError,
                "NoSuchKey" if version_id is None else "NoSuchVersion",
                "GetObject",
            )
        body = version.body[int(ranged.removeprefix("bytes=").rstrip("-")) :] if ranged else version.body
        return {"ContentLength": len(body), "Body": _Body(body), "ETag": f'"{version.etag}"'}

    def _source(self, source: dict[str, str]) -> Version:
        held = self._storage.buckets[source["Bucket"]]
        process = self._clock.current
        assert process is not None
        if held.region and not held.region.answers(process.side):
            raise failed(ClientError, "ServiceUnavailable", "CopyObject")
        version = held.find(source["Key"], source.get("VersionId"))
        if version is None:
            raise failed(ClientError, "NoSuchKey", "CopyObject")
        return version


class _Paginator:
    def __init__(self, paginate: Callable[..., Iterator[dict[str, Any]]]) -> None:
        self.paginate = paginate


class _Body:
    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def read(self, size: int | None = None) -> bytes:
        end = len(self._content) if size is None else self._at + size
        data, self._at = self._content[self._at : end], min(end, len(self._content))
        return data

    def iter_chunks(self, size: int) -> Iterator[bytes]:
        while data := self.read(size):
            yield data

    def close(self) -> None:
        self._at = len(self._content)


def _versions_of(held: Bucket, prefix: str) -> list[dict[str, Any]]:
    """Return the entries of all versions below a prefix, by key and newest first."""
    return [
        {**_entry(each), "VersionId": each.id, "IsLatest": each is held.versions[key][-1]}
        for key in sorted(key for key in held.versions if key.startswith(prefix))
        for each in reversed(held.versions[key])
        if not each.is_marker
    ]


def _entry(version: Version) -> dict[str, Any]:
    return {
        "Key": version.key,
        "Size": len(version.body),
        "ETag": f'"{version.etag}"',
        "LastModified": version.modified,
    }


def _sha256(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def _refuse_unknown(given: dict[str, Any], known: set[str]) -> None:
    if unknown := given.keys() - known:
        raise NotSimulatedError(f"the simulated S3 does not know {sorted(unknown)}")
