"""A customer's client: sends files to the bucket that DNS names, and knows which ones to send again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Self

from mft_client.aws_clients import new_client
from mft_client.claims import Claims
from mft_client.content import Content, SourceFile
from mft_client.discovery import Discovery
from mft_client.errors import FileChangedError, MessageError
from mft_client.file_names import key_of
from mft_client.journal import Journal
from mft_client.messages import understood
from mft_client.protocol import INBOUND_SDK, NOTICE, PRIMARY, Outcome
from mft_client.queues import Collected, collect
from mft_client.sender import PAUSES, Sender
from mft_client.settings import Settings
from mft_client.submissions import Due, Planned, Sent, Submissions


class Client:
    """Sends one customer's files. Several clients, in one process or in several, may use the same journal."""

    def __init__(
        self,
        settings: Settings,
        *,
        discovery: Discovery | None = None,
        aws: Callable[[str, str], Any] = new_client,
        pauses: Sequence[float] = PAUSES,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Continue from the journal of the settings; JournalError if it cannot be used.

        `aws` makes the client of a service in a region. `pauses` are the seconds to wait before each further
        try of an upload.
        """
        self.settings, self._now = settings, now
        self._aws = cache(aws)
        self._journal = Journal(settings.journal, settings.customer)
        self._claims = Claims(settings.journal)
        self._sender = Sender(
            settings,
            self._journal,
            discovery or Discovery(settings),
            lambda region: self._aws("s3", region),
            pauses=pauses,
            sleep=sleep,
        )
        self._submissions, self._read, self._lock = Submissions(settings.customer), 0, threading.Lock()
        self._refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    def send(
        self,
        source: Path,
        name: str,
        *,
        endpoint: str = PRIMARY,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Sent:
        """Upload a file as `inbound/sdk/<name>` and return the acknowledged submission.

        `progress` is called with the number of bytes that S3 has; after a failure it begins again. Raises
        NameRefusedError, ClaimedError, FileChangedError, RecordRefusedError, UploadRefusedError,
        CredentialsError, NotAcknowledgedError, JournalError, or OSError if the file cannot be read. The file
        is due again after each of these but the first three.
        """
        key = key_of(name)
        with self._claims.claim(key), SourceFile(source) as file:
            content = file.measure()
            planned = Planned(
                key=key,
                source=str(source.absolute()),
                sha256=content.sha256,
                size=content.size,
                mtime_ns=content.mtime_ns,
                at=self._now(),
            )
            self._journal.plan(planned)
            try:
                return self._send(planned, file, content, endpoint, progress)
            except FileChangedError:
                self._journal.withdraw(key)
                raise

    def resend(
        self,
        due: Planned,
        *,
        endpoint: str = PRIMARY,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Sent | None:
        """Send a file again from its path; None if another process or a receipt was faster.

        Raises FileChangedError if the file is missing or has changed, and otherwise as `send` does.
        """
        source = Path(due.source)
        with self._claims.claim(due.key):
            if due not in (*self.due().again, *self.due().late):
                return None
            with SourceFile(source) as file:
                content = file.measure()
                if content.sha256 != due.sha256:
                    raise FileChangedError(
                        f"{source}: has changed since it was sent; restore the file whose SHA-256 is"
                        f" {due.sha256}, or send this one as a new file"
                    )
                if isinstance(due, Sent):
                    planned = _plan(due, self._now())
                    self._journal.plan(planned)
                else:
                    planned = due
                planned = replace(planned, mtime_ns=content.mtime_ns)
                return self._send(planned, file, content, endpoint, progress)

    def receive(self, message: Mapping[str, Any]) -> None:
        """Take in a receipt or a notice, parsed from JSON, that came from the receipt topic.

        A message that is still in the envelope of SNS is taken out of it. Taking in a message twice changes
        nothing. MessageError, and nothing is kept, if it is neither of both, is about another customer, or
        contradicts what was sent.
        """
        read, at = understood(message, self.settings.topics), self._now()
        if read.get("customer") != self.settings.customer:
            raise MessageError(f"it is about {read.get('customer')!r}, not about {self.settings.customer!r}")
        self._refresh()
        with self._lock:
            self._submissions.receive(read, at)
        if _concerns_uploads(read):
            self._journal.receive(read, at)

    def collect(self) -> Collected:
        """Take the receipts and notices from the queues of the settings; return what came."""
        return collect(self.settings, self._aws, self.receive)

    def due(self) -> Due:
        """Return the files that have to be sent again now.

        One that another process is sending at this moment is among them: `resend` leaves it to that process.
        """
        self._refresh()
        with self._lock:
            return self._submissions.due(
                self._now(), patience=self.settings.patience, window=self.settings.window
            )

    def last(self, name: str) -> Planned | None:
        """Return what was sent last, or is about to be sent, under a name; None if nothing was."""
        self._refresh()
        with self._lock:
            return self._submissions.last(key_of(name))

    def files(self) -> list[tuple[Planned, Outcome | None]]:
        """Return the last content of every name, and what is known to have become of it."""
        self._refresh()
        with self._lock:
            return list(self._submissions.files())

    def _send(
        self,
        planned: Planned,
        file: SourceFile,
        content: Content,
        endpoint: str,
        progress: Callable[[int], None],
    ) -> Sent:
        record, version_id, upload_id = self._sender.send(planned.key, file, content, endpoint, progress)
        sent = Sent(
            **{**vars(planned), "at": self._now(), "first": planned.first or version_id},
            bucket=record.bucket,
            region=record.region,
            version_id=version_id,
        )
        self._journal.acknowledged(sent, upload_id)
        return sent

    def _refresh(self) -> None:
        """Read what this and other processes have added to the journal."""
        with self._lock:
            for number, document in self._journal.since(self._read):
                self._take(document)
                self._read = number

    def _take(self, document: dict[str, Any]) -> None:
        match document:
            case {"planned": planned}:
                self._submissions.plan(Planned.parse(planned))
            case {"withdrawn": key}:
                self._submissions.withdraw(key)
            case {"sent": sent}:
                self._submissions.add(Sent.parse(sent))
            case {"message": message, "at": at}:
                with suppress(MessageError):  # what contradicts what was journalled after it came
                    self._submissions.receive(message, datetime.fromisoformat(at))
            case _:
                pass  # a newer version may write what is not known here


def _plan(sent: Sent, at: datetime) -> Planned:
    """Return the plan to repeat a submission."""
    return Planned(
        key=sent.key,
        source=sent.source,
        sha256=sent.sha256,
        size=sent.size,
        mtime_ns=sent.mtime_ns,
        first=sent.first,
        at=at,
    )


def _concerns_uploads(message: Mapping[str, Any]) -> bool:
    """Return whether a message is a notice, or a receipt of a file that a client like this has uploaded."""
    return message.get("outcome") == NOTICE or str(message.get("key", "")).startswith(INBOUND_SDK)
