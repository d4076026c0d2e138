"""The destinations of customers, each opened for the delivery of one file."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, assert_never

from runtime.content_progress import ContentProgress
from runtime.contract import secret_name
from runtime.delivery import Delivery, PermanentDeliveryError, Source, s3, sftp
from runtime.delivery.names import TEMPORARY
from runtime.delivery.publish import Way
from runtime.delivery.s3 import S3Target
from runtime.delivery.target import SftpTarget
from runtime.executions import earlier
from runtime.routing import DestinationKind, RoutingDocument, renames, verifies
from runtime.tracker import Tracker
from runtime.transfer import Transfer


@dataclass(frozen=True)
class Work:
    """The delivery of one file: the transfer, its name at the destination, and the execution that owns it.

    `remaining` returns the seconds that are left. `goes_on` means that the time of the attempt before has
    run out during the upload.
    """

    transfer: Transfer
    name: str
    owner: str
    remaining: Callable[[], float]
    goes_on: bool


class Destination(Protocol):
    """A destination of one kind, opened for one file."""

    def find(self) -> Delivery | None:
        """Return the delivery if exactly this file is already there, else None. Raises DeliveryError."""

    def deliver(self, *, after_unknown: bool, before: Callable[[], None]) -> Delivery:
        """Deliver the file; `before` is called, and may raise, just before the file appears.

        With `after_unknown` the destination is searched for the file first. Raises DeliveryError.
        """


class Destinations:
    """Opens destinations from one region.

    `s3` makes an S3 client of a region, where None is this one; `s3_once` makes one that repeats no request
    by itself. `secrets` is a Secrets Manager client. `tracker` keeps how far large files were read.
    """

    def __init__(
        self,
        *,
        namespace: str,
        s3: Callable[[str | None], Any],
        s3_once: Callable[[str], Any],
        secrets: Any,
        tracker: Tracker,
    ) -> None:
        self._namespace, self._s3, self._s3_once, self._secrets = namespace, s3, s3_once, secrets
        self._tracker = tracker
        self._ways: dict[str, Way] = {}

    def source(self, transfer: Transfer, remaining: Callable[[], float] = lambda: math.inf) -> Source:
        """Return the content of a transfer; `remaining` returns the seconds that are left to read it."""
        return Source(
            s3=self._s3(None),
            bucket=transfer.bucket,
            key=transfer.key,
            version_id=transfer.version_id,
            size=transfer.size,
            progress=ContentProgress(self._tracker, transfer.id),
            remaining=remaining,
        )

    def open(self, customer: RoutingDocument, destination: str, work: Work) -> Destination:
        """Return a destination of a customer, opened for the file.

        Raises PermanentDeliveryError when the destination is of an unknown kind or its secret does not exist.
        """
        source, document = self.source(work.transfer, work.remaining), customer.destinations[destination]
        kind = _kind(destination, document)
        match kind:
            case DestinationKind.S3:
                return self._bucket(source, document, work)
            case DestinationKind.SFTP:
                return self._server(source, document, work, customer.id)
            case _:
                assert_never(kind)

    def _bucket(self, source: Source, document: dict[str, Any], work: Work) -> Destination:
        region = document["region"]
        bucket = S3Target(
            bucket=document["bucket"],
            prefix=document["prefix"],
            region=region,
            owner=document.get("account"),  # which a document of an older version does not have
        )
        return _Bucket(source, bucket, work.name, self._s3(region), self._s3_once(region))

    def _server(self, source: Source, document: dict[str, Any], work: Work, customer: str) -> Destination:
        server = SftpTarget(
            **{field: document[field] for field in ("host", "port", "user", "host_key", "directory")},
            # A document of an older version has none of these.
            temporary_name=document.get("temporary_name", TEMPORARY),
            renames=renames(document.get("publish", "rename")),
            verifies=verifies(document.get("verify", "size")),
            fsync=document.get("fsync", True),
        )
        secret = secret_name(self._namespace, customer, document["secret"])
        return _Server(source, server, work, private_key(self._secrets, secret, server), self._ways)


def private_key(secrets: Any, secret: str, server: SftpTarget) -> str:
    """Return the private key for a server; PermanentDeliveryError if its secret does not exist."""
    try:
        return str(secrets.get_secret_value(SecretId=secret)["SecretString"])
    except secrets.exceptions.ResourceNotFoundException as error:
        raise PermanentDeliveryError(server.place, "log in", f"there is no secret {secret}") from error


def _kind(destination: str, document: dict[str, Any]) -> DestinationKind:
    try:
        return DestinationKind(document["kind"])
    except ValueError as error:
        known = ", ".join(DestinationKind)
        reason = f"its kind is {document['kind']!r}; this version delivers to: {known}"
        raise PermanentDeliveryError(destination, "route", reason) from error


class _Bucket:
    def __init__(self, source: Source, destination: S3Target, name: str, client: Any, once: Any) -> None:
        self._source, self._destination, self._name = source, destination, name
        self._client, self._once = client, once

    def find(self) -> Delivery | None:
        return s3.find(self._source, self._destination, s3=self._client, name=self._name)

    def deliver(self, *, after_unknown: bool, before: Callable[[], None]) -> Delivery:
        return s3.deliver(
            self._source,
            self._destination,
            s3=self._client,
            once=self._once,
            name=self._name,
            after_unknown=after_unknown,
            before=before,
        )


class _Server:
    def __init__(
        self, source: Source, destination: SftpTarget, work: Work, key: str, ways: dict[str, Way]
    ) -> None:
        self._source, self._destination, self._work, self._key = source, destination, work, key
        self._ways = ways

    def find(self) -> Delivery | None:
        return asyncio.run(self._find())

    def deliver(self, *, after_unknown: bool, before: Callable[[], None]) -> Delivery:
        return sftp.deliver_now(
            self._source,
            self._destination,
            private_key=self._key,
            name=self._work.name,
            attempt=self._work.owner,
            abandoned=earlier(self._work.owner),
            after_unknown=after_unknown,
            goes_on=self._work.goes_on,
            before=before,
            remaining=self._work.remaining,
            ways=self._ways,
        )

    async def _find(self) -> Delivery | None:
        async with sftp.session(self._destination, private_key=self._key) as opened:
            return await opened.find(self._source, name=self._work.name)
