"""The kinds of clients that customers use: some look names up for every file, some only once."""

from __future__ import annotations

import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cache
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from customers import names
from local.dns.resolver import NotInDnsError, Resolver
from local.drill.sender import Sender
from local.loopback import SIDE_AT
from local.sftp.clients import OpenSession, SftpClient, UploadError
from local.world import World
from runtime.contract import SIDE_OF, BucketRecord

#: The exceptions of an upload that was not acknowledged.
FAILED = (UploadError, NotInDnsError, OSError, ClientError, BotoCoreError, subprocess.TimeoutExpired)

#: Of SDK clients, which do not wait long for a region that does not answer.
_IMPATIENT = {"connect_timeout": 3, "read_timeout": 20, "retries": {"total_max_attempts": 1}}


class CustomerClient(ABC):
    """One client of one customer. It knows a name, a name server, and the notices that it has read."""

    kind: str

    def __init__(self, sender: Sender, name: str, resolver: Resolver) -> None:
        self.sender, self._name, self._resolver = sender, name, resolver

    @abstractmethod
    def send(self, name: str, content: bytes) -> str:
        """Upload a file; return the side that acknowledged it. Raises one of FAILED."""

    def read_notice(self, notice: dict[str, Any]) -> None:
        """Do what people do when they read the operators' notice: restart the client."""
        self.close()

    def close(self) -> None:
        """Close what is open, and forget what was looked up."""
        self._resolver.forget()


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
        super().__init__(sender, name, resolver)
        self._connect = connect

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
    """Looks the bucket up in the TXT record for every file, as the platform's guide says."""

    kind = "SDK, bucket looked up in TXT"

    def __init__(self, sender: Sender, name: str, resolver: Resolver, connect: Callable[[str], Any]) -> None:
        """`connect` returns the S3 client of a region."""
        super().__init__(sender, name, resolver)
        self._connect = connect

    def send(self, name: str, content: bytes) -> str:
        record = self._record()
        self._connect(record.region).put_object(Bucket=record.bucket, Key=self.sender.key(name), Body=content)
        return SIDE_OF[record.region]

    def _record(self) -> BucketRecord:
        return BucketRecord.parse(self._resolver.txt(self._name))


class HardCoded(ByRecord):
    """Has the bucket in its configuration until somebody who reads the notice changes it."""

    kind = "SDK, bucket hard-coded"
    _written: BucketRecord | None = None

    def read_notice(self, notice: dict[str, Any]) -> None:
        self._written = BucketRecord(bucket=notice["bucket"], region=notice["region"])

    def _record(self) -> BucketRecord:
        self._written = self._written or super()._record()
        return self._written


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
        *(kind(by_sdk, record, world.serve_names(), storage) for kind in BY_SDK),
    ]
