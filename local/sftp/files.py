"""S3 as a user of a Transfer Family server sees it: logical directories and files. Blocking, no SSH.

These limits are on purpose, because the service or S3 has them: names are UTF-8, directories cannot be
renamed and can only be removed when they are empty, and there are no links and no permissions.
"""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from asyncssh import (
    SFTPAttrs,
    SFTPDirNotEmpty,
    SFTPFileAlreadyExists,
    SFTPInvalidFilename,
    SFTPName,
    SFTPNoSuchFile,
    SFTPOpUnsupported,
    SFTPPermissionDenied,
)
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from local.sftp.streams import Download, MiB, Upload, file_attrs

#: CopyObject refuses more than 5 GB: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
COPY = TransferConfig(multipart_threshold=5 * 10**9, multipart_chunksize=512 * MiB, use_threads=False)

_DIRECTORY = stat.S_IFDIR | 0o755


@dataclass(frozen=True)
class Place:
    """Where a path is in S3. `root` marks a mapping's own directory, which cannot be replaced."""

    bucket: str
    key: str
    root: bool

    @property
    def path(self) -> str:
        """The form that the service's events use: `/bucket/key`."""
        return f"/{self.bucket}/{self.key}"

    @property
    def below(self) -> str:
        """The prefix of everything in this directory; empty for a whole bucket."""
        return f"{self.key}/" if self.key else ""


def normal(path: str) -> str:
    """Return `path` as an absolute one without `.`, `..` or doubled slashes; `..` stops at `/`."""
    return "/" + posixpath.normpath("/" + path).strip("/")  # normpath keeps a leading `//`


class Home:
    """The logical directories of a user (`HomeDirectoryMappings`): the only way from a path to S3."""

    def __init__(self, mappings: list[dict[str, str]]) -> None:
        self._targets: dict[str, tuple[str, str]] = {}
        for mapping in mappings:
            bucket, _, prefix = mapping["Target"].strip("/").partition("/")
            self._targets[normal(mapping["Entry"])] = bucket, prefix

    def place(self, path: str) -> Place | None:
        """Return the place of a normal path, None for a directory that exists only above an entry.

        The longest entry that contains the path decides. Raises SFTPNoSuchFile if no entry does.
        """
        for entry in sorted(self._targets, key=len, reverse=True):
            if path == entry or path.startswith(entry.rstrip("/") + "/"):
                bucket, prefix = self._targets[entry]
                rest = path[len(entry) :].strip("/")
                return Place(bucket, "/".join(part for part in (prefix, rest) if part), root=not rest)
        if self.entries_in(path):
            return None
        raise SFTPNoSuchFile(f"{path} is outside this user's directories")

    def entries_in(self, path: str) -> set[str]:
        """Return the names in the directory `path` that come from entries."""
        above = path.rstrip("/") + "/"
        below = (entry[len(above) :] for entry in self._targets if entry.startswith(above))
        return {rest.split("/")[0] for rest in below if rest}


class Files:
    """The operations of a user on files, by their SFTP paths."""

    def __init__(self, s3: Any, home: Home) -> None:
        self._s3 = s3
        self._home = home

    def path(self, raw: bytes) -> str:
        """Return a client's path in normal form; SFTPInvalidFilename if it is not UTF-8."""
        try:
            return normal(raw.decode())
        except UnicodeDecodeError:
            raise SFTPInvalidFilename("a name must be UTF-8") from None

    def changeable(self, raw: bytes) -> Place:
        """Return the place of a path that may be written, removed or renamed; otherwise an SFTP error."""
        place = self._home.place(self.path(raw))
        if place is None or place.root:
            raise SFTPPermissionDenied(f"{self.path(raw)} is fixed by the user's directory mappings")
        return place

    def upload(self, raw: bytes, *, create: bool, exclusive: bool) -> Upload:
        """Return an upload to `raw`, which replaces any file there once it is finished."""
        place = self.changeable(raw)
        if exclusive or not create:
            exists = self._head(place) is not None
            if exists and exclusive:
                raise SFTPFileAlreadyExists(f"{self.path(raw)} already exists")
            if not exists and not create:
                raise SFTPNoSuchFile(f"{self.path(raw)} does not exist")
        return Upload(self._s3, place.bucket, place.key)

    def download(self, raw: bytes) -> Download:
        """Return the file at `raw`, open for reading."""
        place = self.changeable(raw)
        return Download(self._s3, place.bucket, place.key)

    def stat(self, raw: bytes) -> SFTPAttrs:
        """Return the attributes of a file or directory."""
        place = self._home.place(self.path(raw))
        if place is None or place.root:
            return SFTPAttrs(permissions=_DIRECTORY)
        if head := self._head(place):
            return file_attrs(head["ContentLength"], head["LastModified"])
        if self._keys(place, 1):
            return SFTPAttrs(permissions=_DIRECTORY)
        raise SFTPNoSuchFile(f"{self.path(raw)} does not exist")

    def listing(self, raw: bytes) -> Iterator[list[SFTPName]]:
        """Yield the entries of a directory, in pages as S3 lists them."""
        path = self.path(raw)
        place = self._home.place(path)
        fixed = self._home.entries_in(path)
        yield [_name(name, SFTPAttrs(permissions=_DIRECTORY)) for name in (".", "..", *sorted(fixed))]
        if place is None:
            return
        found = place.root
        pages = self._s3.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=place.bucket, Prefix=place.below, Delimiter="/"):
            rows = {
                prefix["Prefix"][len(place.below) : -1]: SFTPAttrs(permissions=_DIRECTORY)
                for prefix in page.get("CommonPrefixes", [])
            } | {
                each["Key"][len(place.below) :]: file_attrs(each["Size"], each["LastModified"])
                for each in page.get("Contents", [])
            }
            found = found or bool(rows)
            yield [_name(name, attrs) for name, attrs in sorted(rows.items()) if name and name not in fixed]
        if not found:
            raise SFTPNoSuchFile(f"{path} does not exist")

    def mkdir(self, raw: bytes) -> None:
        """Make a directory: an empty object whose key ends in a slash."""
        place = self.changeable(raw)
        if self._head(place) or self._keys(place, 1):
            raise SFTPFileAlreadyExists(f"{self.path(raw)} already exists")
        self._s3.put_object(Bucket=place.bucket, Key=place.below, Body=b"")

    def rmdir(self, raw: bytes) -> None:
        """Remove an empty directory."""
        place = self.changeable(raw)
        keys = self._keys(place, 2)
        if not keys:
            raise SFTPNoSuchFile(f"{self.path(raw)} does not exist")
        if keys != [place.below]:
            raise SFTPDirNotEmpty(f"{self.path(raw)} is not empty")
        self._s3.delete_object(Bucket=place.bucket, Key=place.below)

    def remove(self, raw: bytes) -> None:
        """Remove a file."""
        place = self._existing(raw)
        self._s3.delete_object(Bucket=place.bucket, Key=place.key)

    def rename(self, old_raw: bytes, new_raw: bytes) -> tuple[Place, Place] | None:
        """Copy a file to its new name and delete the old one; None if both names are the same."""
        old, new = self._existing(old_raw), self.changeable(new_raw)
        if old == new:
            return None
        source = {"Bucket": old.bucket, "Key": old.key}
        self._s3.copy(source, new.bucket, new.key, Config=COPY)
        self._s3.delete_object(**source)
        return old, new

    def _existing(self, raw: bytes) -> Place:
        place = self.changeable(raw)
        if self._head(place):
            return place
        if self._keys(place, 1):
            raise SFTPOpUnsupported(f"{self.path(raw)} is a directory")
        raise SFTPNoSuchFile(f"{self.path(raw)} does not exist")

    def _head(self, place: Place) -> dict[str, Any] | None:
        try:
            head: dict[str, Any] = self._s3.head_object(Bucket=place.bucket, Key=place.key)
        except ClientError as exc:
            if exc.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise
        return head

    def _keys(self, place: Place, most: int) -> list[str]:
        page = self._s3.list_objects_v2(Bucket=place.bucket, Prefix=place.below, MaxKeys=most)
        return [each["Key"] for each in page.get("Contents", [])]


def _name(name: str, attrs: SFTPAttrs) -> SFTPName:
    return SFTPName(name.encode(), attrs=attrs)
