"""The destinations of the files of an acceptance: what has arrived there, and its removal."""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, assert_never

import asyncssh

from ops.acceptance.accepted_cell import AcceptedCell
from ops.acceptance_names import ACCEPTANCE
from runtime.contract import SIDE_OF, secret_name
from runtime.delivery.s3 import S3Target
from runtime.delivery.ssh import Patience, connect
from runtime.delivery.target import SftpTarget
from runtime.destinations import private_key
from runtime.routing import DestinationKind

_PATIENCE = Patience(connect=15.0, step=30.0)


class AcceptanceDestination(Protocol):
    """A destination of the synthetic customer. All methods raise what its server or AWS answers."""

    @property
    def place(self) -> str:
        """Where it is, in the form that messages use."""

    def content(self, name: str) -> bytes | None:
        """Return the content of the file with this name, None if there is none."""

    def left(self) -> list[str]:
        """Return the names of the files that acceptances have left, half delivered ones too."""

    def remove(self, name: str) -> None:
        """Remove a file and, in a bucket, all its versions."""


def destination(cell: AcceptedCell, name: str) -> AcceptanceDestination:
    """Return one of the customer's destinations, reached from this machine."""
    document = cell.routing.destinations[name]
    kind = DestinationKind(document["kind"])
    match kind:
        case DestinationKind.S3:
            region = document["region"] or cell.region
            client = cell.regions.client("s3", SIDE_OF[region])
            bucket = S3Target(bucket=document["bucket"], prefix=document["prefix"])
            return _Bucket(target=bucket, s3=client)
        case DestinationKind.SFTP:
            fields = ("host", "port", "user", "host_key", "directory")
            target = SftpTarget(**{field: document[field] for field in fields})
            secret = secret_name(cell.environment.namespace, cell.customer.id, document["secret"])
            return _Server(target=target, secret=secret, secrets=cell.client("secretsmanager"))
        case _:
            assert_never(kind)


def destinations(cells: Mapping[str, AcceptedCell]) -> Iterator[AcceptanceDestination]:
    """Yield the destinations of both regions, each place once."""
    found: dict[str, AcceptanceDestination] = {}
    for cell in cells.values():
        for name in cell.destinations:
            to = destination(cell, name)
            found.setdefault(to.place, to)
    yield from found.values()


def _is_left(name: str) -> bool:
    """Return whether a name is that of a file of an acceptance, or of its temporary file."""
    return name.removeprefix(".").startswith(ACCEPTANCE)


@dataclass(frozen=True, kw_only=True)
class _Bucket:
    target: S3Target
    s3: Any = field(repr=False)

    @property
    def place(self) -> str:
        return self.target.place("")

    def content(self, name: str) -> bytes | None:
        try:
            answer = self.s3.get_object(Bucket=self.target.bucket, Key=self.target.key(name))
        except self.s3.exceptions.NoSuchKey:
            return None
        return bytes(answer["Body"].read())

    def left(self) -> list[str]:
        return sorted({key.removeprefix(self.target.key("")) for key, _ in self._versions(ACCEPTANCE)})

    def remove(self, name: str) -> None:
        for key, version in self._versions(name):
            self.s3.delete_object(Bucket=self.target.bucket, Key=key, VersionId=version)

    def _versions(self, name: str) -> Iterator[tuple[str, str]]:
        pages = self.s3.get_paginator("list_object_versions")
        for page in pages.paginate(Bucket=self.target.bucket, Prefix=self.target.key(name)):
            for each in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                yield each["Key"], each["VersionId"]


@dataclass(frozen=True, kw_only=True)
class _Server:
    target: SftpTarget
    secret: str
    secrets: Any = field(repr=False)

    @property
    def place(self) -> str:
        return f"{self.target.user}@{self.target.place}:{self.target.directory}"

    def content(self, name: str) -> bytes | None:
        async def read() -> bytes | None:
            async with connect(self.target, self._key(), _PATIENCE) as (_, sftp):
                path = self._path(name)
                if not await sftp.exists(path):
                    return None
                async with sftp.open(path, "rb", encoding=None) as file:
                    content: bytes = await file.read()
                    return content

        return asyncio.run(read())

    def left(self) -> list[str]:
        async def listed() -> list[str]:
            async with connect(self.target, self._key(), _PATIENCE) as (_, sftp):
                with suppress(asyncssh.SFTPNoSuchFile):  # the first delivery makes the directory
                    there = [str(name) for name in await sftp.listdir(self.target.directory)]
                    return sorted(name for name in there if _is_left(name))
                return []

        return asyncio.run(listed())

    def remove(self, name: str) -> None:
        async def gone() -> None:
            async with connect(self.target, self._key(), _PATIENCE) as (_, sftp):
                await sftp.remove(self._path(name))

        asyncio.run(gone())

    def _path(self, name: str) -> str:
        return posixpath.join(self.target.directory, name)

    def _key(self) -> str:
        return private_key(self.secrets, self.secret, self.target)
