"""The kinds of clients that customers use: some look names up for every file, some only once."""

from __future__ import annotations

import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from customers import names
from local.dns.resolver import NotInDnsError, Resolver
from local.drill.sender import Sender
from local.loopback import SIDE_AT
from local.sftp.clients import OpenSession, SftpClient, UploadError
from local.world import DNS_SPEED_UP, World
from mft_client import Client, Discovery, MftError, Settings
from mft_client.file_names import name_of
from runtime.contract import REGION_OF, SIDE_OF, SIDES, BucketRecord

#: The exceptions of an upload that was not acknowledged.
FAILED = (
    *(UploadError, NotInDnsError, OSError, ClientError, BotoCoreError, subprocess.TimeoutExpired),
    MftError,
)

#: Of SDK clients, which do not wait long for a region that does not answer.
_IMPATIENT = {"connect_timeout": 3, "read_timeout": 20, "retries": {"total_max_attempts": 1}}


class CustomerClient(ABC):
    """One client of one customer. It knows a name, a name server, and the notices that it has read."""

    kind: str
    sender: Sender

    @abstractmethod
    def send(self, name: str, content: bytes) -> str:
        """Upload a file; return the side that acknowledged it. Raises one of FAILED."""

    def read_notice(self, notice: dict[str, Any]) -> None:
        """Do what people do when they read the operators' notice: restart the client."""
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Close what is open, and forget what was looked up."""


class ByName(CustomerClient):
    """Looks the name up for every file, and caches an answer for its TTL."""

    kind = "SFTP, answers kept for their TTL"

    def __init__(
        self,
        sender: Sender,
        name: str,
        resolver: Resolver,
        connect: Callable[[str], tuple[str, SftpClient]],
    ) -> None:
        """`connect` returns the side at an address, and an SFTP client for it."""
        self.sender, self._name, self._resolver, self._connect = sender, name, resolver, connect

    def close(self) -> None:
        self._resolver.forget()

    def send(self, name: str, content: bytes) -> str:
        side, client = self._connect(self._address())
        client.upload(name, content)
        return side

    def _address(self) -> str:
        return self._resolver.lookup(self._name)


class ForEver(ByName):
    """Looks the name up once and never again until it is restarted."""

    kind = "SFTP, answers kept for ever"
    _kept = ""

    def close(self) -> None:
        self._kept = ""

    def _address(self) -> str:
        self._kept = self._kept or self._resolver.lookup(self._name)
        return self._kept


class Staying(ByName):
    """Keeps one session open, and looks the name up again only after that has ended."""

    kind = "SFTP, one session that stays"
    _session: OpenSession | None = None
    _side = ""

    def send(self, name: str, content: bytes) -> str:
        try:
            if self._session is None:
                self._side, client = self._connect(self._address())
                self._session = client.session()
            self._session.upload(name, content)
        except FAILED:
            self.close()
            raise
        return self._side

    def close(self) -> None:
        if self._session:
            self._session.close()
        self._session = None


class ByRecord(CustomerClient):
    """The customers' SDK, which looks the bucket up in the TXT record, and keeps a journal."""

    kind = "SDK, bucket looked up in TXT"

    def __init__(self, sender: Sender, endpoint: str, start: Callable[[], Client]) -> None:
        """`start` returns the client of a program that has just started; it looks up an endpoint's record."""
        self.sender, self._endpoint, self._start = sender, endpoint, start
        self._sdk: Client | None = None

    def send(self, name: str, content: bytes) -> str:
        self._sdk = self._sdk or self._start()
        path = self._sdk.settings.journal.with_name(name)
        path.write_bytes(content)
        try:
            sent = self._sdk.send(path, name_of(self.sender.key(name)), endpoint=self._endpoint)
        finally:
            path.unlink()
        return SIDE_OF[sent.region]

    def close(self) -> None:
        if self._sdk:
            self._sdk.close()
        self._sdk = None


class HardCoded(CustomerClient):
    """A program with boto3 that has the bucket in its configuration until somebody acts on a notice."""

    kind = "SDK, bucket hard-coded"
    _written: BucketRecord | None = None

    def __init__(self, sender: Sender, name: str, resolver: Resolver, connect: Callable[[str], Any]) -> None:
        """`connect` returns the S3 client of a region."""
        self.sender, self._name, self._resolver, self._connect = sender, name, resolver, connect

    def send(self, name: str, content: bytes) -> str:
        record = self._written = self._written or BucketRecord.parse(self._resolver.txt(self._name))
        self._connect(record.region).put_object(Bucket=record.bucket, Key=self.sender.key(name), Body=content)
        return SIDE_OF[record.region]

    def close(self) -> None:
        self._resolver.forget()

    def read_notice(self, notice: dict[str, Any]) -> None:
        self._written = BucketRecord(bucket=notice["bucket"], region=notice["region"])


#: Every kind, by what it sends with.
BY_SFTP = (ByName, ForEver, Staying)
BY_SDK = (ByRecord, HardCoded)


def crowd(world: World, side: str, *, by_sftp: Sender, by_sdk: Sender) -> list[CustomerClient]:
    """Return one client of each kind for the customers of these senders, all using the names of `side`."""

    def at(address: str) -> tuple[str, SftpClient]:
        return SIDE_AT[address], world.sftp_at(by_sftp.user, address)

    @cache
    def storage(region: str) -> Any:
        return world.aws.new_client("s3", region, **_IMPATIENT)

    host = names.endpoint_host(side, by_sftp.customer.id, world.zone)
    record = names.bucket_record(side, by_sdk.customer.id, world.zone)
    return [
        *(kind(by_sftp, host, world.serve_names(), at) for kind in BY_SFTP),
        ByRecord(by_sdk, side, _sdk(world, by_sdk, storage)),
        HardCoded(by_sdk, record, world.serve_names(), storage),
    ]


def _sdk(world: World, sender: Sender, storage: Callable[[str], Any]) -> Callable[[], Client]:
    """Return what starts the SDK for a sender, with a journal of its own; it does not wait between tries."""
    world.serve_names()
    server, id = world.dns, sender.customer.id
    assert server is not None
    settings = Settings(
        customer=id,
        zone=world.zone,
        account=world.aws.account,
        buckets={REGION_OF[side]: (world.graphs[side].exports["buckets"][id],) for side in SIDES},
        resolvers=((server.address, server.port),),
        journal=Path(tempfile.mkdtemp(prefix=f"sender-{id}-", dir=world.folder)) / "mft.journal",
    )

    def start() -> Client:
        discovery = Discovery(settings, clock=lambda: time.monotonic() * DNS_SPEED_UP)
        return Client(settings, discovery=discovery, aws=lambda _, region: storage(region), pauses=())

    return start
