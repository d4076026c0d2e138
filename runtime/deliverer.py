"""One attempt to bring a transfer to one destination, and the facts that it leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from runtime.contract import Kind, below_inbound, secret_name
from runtime.delivery import (
    Delivery,
    PermanentDeliveryError,
    Source,
    TransientDeliveryError,
    name_for,
    s3,
    sftp,
)
from runtime.delivery.s3 import S3Destination
from runtime.delivery.ssh import SftpDestination
from runtime.routing import Customer, Directory
from runtime.tracker import Tracker
from runtime.transfer import Transfer
from runtime.workflow import Leases


class Channel(Protocol):
    """A destination of one kind, opened for one file."""

    def find(self) -> Delivery | None:
        """Return the delivery when exactly this file is there already."""

    def deliver(self, *, after_unknown: bool) -> Delivery:
        """Bring the file there; raises DeliveryError."""


class Deliverer:
    """Delivers from one region. `s3` makes the S3 client of a region (None: this one)."""

    def __init__(
        self,
        *,
        namespace: str,
        side: str,
        tracker: Tracker,
        directory: Directory,
        s3: Callable[[str | None], Any],
        secrets: Any,
    ) -> None:
        self._namespace, self._side, self._tracker, self._directory = namespace, side, tracker, directory
        self._s3, self._secrets = s3, secrets
        self._leases = Leases(tracker=tracker)

    def attempt(
        self, transfer: Transfer, destination: str, *, owner: str, attempt: str, after_unknown: bool
    ) -> str:
        """Deliver, unless the tracker or the destination shows that it is done; return DELIVERED or HELD.

        `attempt` is unique: it is in the temporary name, and the writer of the fact. After an attempt whose
        end nobody knows the destination is asked first; where the file is not there (the partner may have
        taken it) the route says whether to deliver again or to hold. Raises DeliveryError, LeaseLostError.
        """
        with _nothing_sent_yet(destination):
            history = self._tracker.history(transfer.file)
            if any(
                fact.kind is Kind.DELIVERED
                and fact.transfer == transfer.id
                and fact.destination == destination
                for fact in history.facts
            ):
                return Kind.DELIVERED
            self._leases.keep(transfer, owner, history)
            customer = self._directory.customer(transfer.customer)
            route = customer.route(transfer.key)
            if route is None or destination not in customer.destinations:
                reason = "the registry no longer sends this file there"
                raise PermanentDeliveryError(destination, "route", reason)
            name = name_for(route.match, below_inbound(transfer.key))
            channel = self._channel(customer, customer.destinations[destination], transfer, name, attempt)
        done: Delivery | None
        if after_unknown and route.on_unknown == "hold":
            # What was found is the delivery: looking again could miss it, and would send it once more.
            done = channel.find()
        else:
            done = channel.deliver(after_unknown=after_unknown)
        if done is None:
            reason = "an attempt ended without an answer, and the file is not at the destination"
            self._record(transfer, Kind.HELD, attempt, destination, name=name, reason=reason)
            return Kind.HELD
        detail = {"sha256": done.sha256, "size": done.size, "path": done.path, "sent": done.sent}
        self._record(transfer, Kind.DELIVERED, attempt, destination, after_unknown=after_unknown, **detail)
        return Kind.DELIVERED

    def _record(self, transfer: Transfer, kind: Kind, attempt: str, destination: str, **detail: Any) -> None:
        fact = transfer.fact(kind, side=self._side, writer=attempt, destination=destination, **detail)
        self._tracker.record(fact)

    def _channel(
        self, customer: Customer, document: dict[str, Any], transfer: Transfer, name: str, attempt: str
    ) -> Channel:
        source = Source(
            s3=self._s3(None),
            bucket=transfer.bucket,
            key=transfer.key,
            version_id=transfer.version_id,
            size=transfer.size,
        )
        if document["kind"] == "s3":
            bucket = S3Destination(
                bucket=document["bucket"], prefix=document["prefix"], region=document["region"]
            )
            return _Bucket(source, bucket, name, self._s3(document["region"]))
        server = SftpDestination(
            **{field: document[field] for field in ("host", "port", "user", "host_key", "directory")}
        )
        secret = secret_name(self._namespace, customer.id, document["secret"])
        try:
            key = self._secrets.get_secret_value(SecretId=secret)["SecretString"]
        except self._secrets.exceptions.ResourceNotFoundException as error:
            raise PermanentDeliveryError(server.place, "log in", f"there is no secret {secret}") from error
        return _Server(source, server, name, attempt, key)


@contextmanager
def _nothing_sent_yet(destination: str) -> Iterator[None]:
    """Say of an AWS that does not answer that nothing was delivered: the attempt's fate is known."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise TransientDeliveryError(destination, "prepare", f"{type(error).__name__}: {error}") from error


class _Bucket:
    def __init__(self, source: Source, destination: S3Destination, name: str, client: Any) -> None:
        self._source, self._destination, self._name, self._client = source, destination, name, client

    def find(self) -> Delivery | None:
        return s3.find(self._source, self._destination, s3=self._client, name=self._name)

    def deliver(self, *, after_unknown: bool) -> Delivery:
        return s3.deliver(
            self._source, self._destination, s3=self._client, name=self._name, after_unknown=after_unknown
        )


class _Server:
    def __init__(
        self, source: Source, destination: SftpDestination, name: str, attempt: str, key: str
    ) -> None:
        self._source, self._destination, self._name = source, destination, name
        self._attempt, self._key = attempt, key

    def find(self) -> Delivery | None:
        return asyncio.run(self._find())

    def deliver(self, *, after_unknown: bool) -> Delivery:
        return sftp.deliver_now(
            self._source,
            self._destination,
            private_key=self._key,
            name=self._name,
            attempt=self._attempt,
            after_unknown=after_unknown,
        )

    async def _find(self) -> Delivery | None:
        async with sftp.session(self._destination, private_key=self._key) as opened:
            return await opened.find(self._source, name=self._name)
