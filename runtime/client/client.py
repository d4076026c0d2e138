"""A customer's client: uploads to where the name points, and again elsewhere when that does not answer."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from runtime.client.buckets import Buckets, NotFoundError
from runtime.client.journal import Journal
from runtime.client.submissions import Due, Sent, Submissions
from runtime.client.upload import upload
from runtime.contract import INBOUND_SDK, PRIMARY

#: How often an upload is tried, and the seconds before the second try, doubled before each other: ten
#: minutes in all, longer than a region's evacuation takes to reach the names.
_TRIES, _PAUSE = 9, 2.5

_CONFIG = Config(
    use_fips_endpoint=True,
    connect_timeout=5,
    read_timeout=60,
    retries={"mode": "standard", "total_max_attempts": 2},
)


class NotAcknowledgedError(RuntimeError):
    """No region has acknowledged the file; the message says what the last try met with. Send it again."""


class FileChangedError(ValueError):
    """A file that is to be sent again is not what was sent; the message names it."""


class Client:
    """Sends one customer's files, and knows which of them to send again."""

    def __init__(
        self,
        customer: str,
        zone: str,
        *,
        journal: Path,
        patience: timedelta = timedelta(minutes=30),
        window: timedelta = timedelta(hours=24),
        buckets: Buckets | None = None,
        s3: Callable[[str], Any] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Go on with what the journal knows; JournalError when it cannot be read.

        `customer` is the id and `zone` the DNS zone that the platform's operators gave. `patience` is how
        long a receipt may take, `window` how long a file that is sent again is recognised, of the customer's
        registry entry. `s3` makes the client of a region.
        """
        self._patience, self._window, self._sleep, self._now = patience, window, sleep, now
        self._buckets = buckets or Buckets(customer, zone)
        self._s3 = cache(s3 or _client)
        self._journal, self._ledger = Journal(journal), Submissions(customer)
        for document in self._journal.read():
            if "sent" in document:
                self._ledger.add(Sent.parse(document["sent"]))
            else:
                self._ledger.receive(document["message"], datetime.fromisoformat(document["at"]))

    def upload(self, source: Path, name: str, *, endpoint: str = PRIMARY) -> Sent:
        """Upload a file as `inbound/sdk/<name>` and return what was acknowledged.

        Raises RefusedError, NotAcknowledgedError, or OSError when the file cannot be read.
        """
        if not name or name.startswith("/") or name.endswith("/"):
            raise ValueError(f"{name!r} is no name of a file: write it as `folder/report.csv`")
        return self._send(source, f"{INBOUND_SDK}{name}", endpoint)

    def receive(self, message: Mapping[str, Any]) -> None:
        """Take in a receipt or a notice, parsed from JSON, that came from the receipt topic.

        Taking in a message twice changes nothing.
        """
        at = self._now()
        self._journal.add({"message": message, "at": at.isoformat()})
        self._ledger.receive(message, at)

    def due(self) -> Due:
        """Return what has to be sent again now."""
        return self._ledger.due(self._now(), patience=self._patience, window=self._window)

    def resend(self, sent: Sent, *, endpoint: str = PRIMARY) -> Sent:
        """Send a file once more, from where it was; ChangedError when it is not there or is another."""
        source = Path(sent.source)
        try:
            with source.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError as error:
            raise FileChangedError(
                f"{source}: is gone; put back what was sent, SHA-256 {sent.sha256}"
            ) from error
        if found != sent.sha256:
            raise FileChangedError(f"{source}: has changed since it was sent; upload it as a new file")
        return self._send(source, sent.key, endpoint, first=sent.first)

    def _send(self, source: Path, key: str, endpoint: str, first: str = "") -> Sent:
        tries = 0
        while True:
            tries += 1
            try:
                record = self._buckets.find(endpoint)
                with source.open("rb") as file:
                    done = upload(self._s3(record.region), record, key, file)
            except (NotFoundError, ClientError, BotoCoreError) as error:
                self._buckets.forget()
                if tries == _TRIES:
                    raise NotAcknowledgedError(f"{source} as {key}: after {tries} tries: {error}") from error
                self._sleep(_PAUSE * 2 ** (tries - 1))
                continue
            sent = Sent(
                key=key,
                bucket=record.bucket,
                region=record.region,
                version_id=done.version_id,
                sha256=done.sha256,
                size=done.size,
                at=self._now(),
                source=str(source.absolute()),
                first=first or done.version_id,
            )
            self._journal.add({"sent": sent.document()})
            self._ledger.add(sent)
            return sent


def _client(region: str) -> Any:
    return boto3.client("s3", region_name=region, config=_CONFIG)
