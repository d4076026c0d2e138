"""A customer's client: uploads to the bucket that DNS names, and looks it up again if an upload fails."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from runtime.client.buckets import Buckets, NotFoundError
from runtime.client.journal import Journal
from runtime.client.keys import key_of
from runtime.client.messages import MessageError, understood
from runtime.client.submissions import Due, Sent, Submissions
from runtime.client.upload import Uploaded, upload
from runtime.contract import PRIMARY, BucketRecord

#: The number of tries of an upload, and the seconds before the second try, which double before each further
#: one: ten minutes in all, which is longer than the evacuation of a region takes to reach DNS.
_TRIES, _PAUSE = 9, 2.5

_CONFIG = Config(
    use_fips_endpoint=True,
    connect_timeout=5,
    read_timeout=60,
    retries={"mode": "standard", "total_max_attempts": 2},
)


class NotAcknowledgedError(RuntimeError):
    """No region has acknowledged the file; the message has the error of the last try. Send the file again."""


class FileChangedError(ValueError):
    """A file to be sent again is missing or differs from the one that was sent; the message names it."""


class Client:
    """Sends one customer's files and knows which of them to send again."""

    def __init__(
        self,
        customer: str,
        zone: str,
        *,
        journal: Path,
        account: str | None = None,
        patience: timedelta = timedelta(minutes=30),
        window: timedelta = timedelta(hours=24),
        buckets: Buckets | None = None,
        s3: Callable[[str], Any] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Continue from the journal; JournalError if it cannot be read.

        `customer` is the id, and `zone` the DNS zone, that the platform's operators have given, and
        `account` their AWS account: a bucket of any other is refused, whatever DNS says. `patience` is the
        time that a receipt may take. `window` is the time for which a file that is sent again is
        recognised, as the customer's registry entry says. `s3` makes the S3 client of a region.
        """
        self._account = account
        self._patience, self._window, self._sleep, self._now = patience, window, sleep, now
        self._buckets = buckets or Buckets(customer, zone)
        self._s3 = cache(s3 or _client)
        self._journal, self._submissions = Journal(journal), Submissions(customer)
        for document in self._journal.read():
            if "sent" in document:
                self._submissions.add(Sent.parse(document["sent"]))
            # Version 0.1.0 wrote messages as `told`; a newer version may write what is not known here.
            elif message := document.get("message", document.get("told")):
                with suppress(MessageError):  # earlier versions wrote down what they could not read
                    self._submissions.receive(understood(message), datetime.fromisoformat(document["at"]))

    def upload(self, source: Path, name: str, *, endpoint: str = PRIMARY) -> Sent:
        """Upload a file as `inbound/sdk/<name>` and return the acknowledged submission.

        Raises UploadRefusedError, NotAcknowledgedError, ValueError for a name that the platform cannot
        deliver, or OSError if the file cannot be read.
        """
        return self._send(source, key_of(name), endpoint)

    def receive(self, message: Mapping[str, Any]) -> None:
        """Take in a receipt or a notice, parsed from JSON, that came from the receipt topic.

        A message that is still in the envelope of SNS, as queues and web servers get it unless raw delivery
        is on, is taken out of it. Taking in a message twice changes nothing. MessageError, and nothing is
        kept, if it is neither.
        """
        read, at = understood(message), self._now()
        self._journal.add({"message": read, "at": at.isoformat()})
        self._submissions.receive(read, at)

    def due(self) -> Due:
        """Return the submissions that have to be sent again now."""
        return self._submissions.due(self._now(), patience=self._patience, window=self._window)

    def resend(self, sent: Sent, *, endpoint: str = PRIMARY) -> Sent:
        """Send a file again from its path.

        Raises FileChangedError if the file is missing or has changed, and otherwise as `upload` does.
        """
        source = Path(sent.source)
        try:
            with source.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError as error:
            raise FileChangedError(
                f"{source}: is gone; restore the file that was sent, SHA-256 {sent.sha256}"
            ) from error
        if found != sent.sha256:
            raise FileChangedError(f"{source}: has changed since it was sent; upload it as a new file")
        return self._send(source, sent.key, endpoint, first=sent.first)

    def _send(self, source: Path, key: str, endpoint: str, first: str = "") -> Sent:
        record, done = self._upload(source, key, endpoint)
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
        self._submissions.add(sent)
        return sent

    def _upload(self, source: Path, key: str, endpoint: str) -> tuple[BucketRecord, Uploaded]:
        tries = 0
        while True:
            try:
                record = self._buckets.find(endpoint)
                with source.open("rb") as file:
                    return record, upload(self._s3(record.region), record, key, file, owner=self._account)
            except (NotFoundError, ClientError, BotoCoreError) as error:
                self._buckets.forget()
                tries += 1
                if tries == _TRIES:
                    raise NotAcknowledgedError(f"{source} as {key}: after {tries} tries: {error}") from error
            self._sleep(_PAUSE * 2 ** (tries - 1))


def _client(region: str) -> Any:
    return boto3.client("s3", region_name=region, config=_CONFIG)
