"""The journal: everything that a client needs after a restart, in an SQLite database.

Events are only appended; what is open at S3 is a table of its own. SQLite's rollback journal is used, not its
write-ahead log: a client writes a few lines for each file, so nothing is gained by readers that do not wait,
and the journal stays one file, which can be copied and which needs no memory shared between processes
(https://www.sqlite.org/wal.html). What a method has written is on the disk when it returns.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from mft_client.errors import JournalError
from mft_client.submissions import Planned, Sent

#: `PRAGMA application_id` of a journal, "mftj", and the version of its tables.
_APPLICATION, _VERSION = 0x6D66746A, 1

#: Seconds to wait while another process writes.
_BUSY = 30.0

_TABLES = (
    "CREATE TABLE owner (customer TEXT NOT NULL)",
    "CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, digest TEXT UNIQUE, document TEXT NOT NULL)",
    "CREATE TABLE uploads (upload_id TEXT PRIMARY KEY, region TEXT NOT NULL, bucket TEXT NOT NULL,"
    " key TEXT NOT NULL)",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {_VERSION}",
)


@dataclass(frozen=True, kw_only=True)
class OpenUpload:
    """A multipart upload that was begun and neither completed nor aborted, as far as the journal knows."""

    upload_id: str
    region: str
    bucket: str
    key: str


class Journal:
    """A journal, which several threads and processes of one machine may use at the same time.

    Every method raises JournalError if the file cannot be read or written.
    """

    def __init__(self, path: Path, customer: str) -> None:
        """Open a customer's journal, or make an empty one; JournalError if it is another customer's."""
        self.path, self._lock = path, threading.Lock()
        with self._explained():
            self._database = sqlite3.connect(
                path, timeout=_BUSY, isolation_level=None, check_same_thread=False
            )
        try:
            self._open(customer)
        except BaseException:
            self._database.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def plan(self, planned: Planned) -> None:
        """Note that a file is about to be sent."""
        self._append({"planned": planned.document()})

    def withdraw(self, key: str) -> None:
        """Note that what was about to be sent under a key was not, and will not be."""
        self._append({"withdrawn": key})

    def opened(self, upload: OpenUpload) -> None:
        """Note that a multipart upload was begun."""
        row = (upload.upload_id, upload.region, upload.bucket, upload.key)
        with self._transaction():
            self._database.execute("INSERT INTO uploads VALUES (?, ?, ?, ?)", row)

    def closed(self, upload_id: str) -> None:
        """Note that nothing of a multipart upload is left."""
        with self._transaction():
            self._database.execute("DELETE FROM uploads WHERE upload_id = ?", (upload_id,))

    def acknowledged(self, sent: Sent, upload_id: str | None) -> None:
        """Note that S3 has acknowledged a file, by completing a multipart upload if there was one."""
        with self._transaction():
            self._database.execute("DELETE FROM uploads WHERE upload_id = ?", (upload_id,))
            self._insert({"sent": sent.document()})

    def receive(self, message: dict[str, Any], at: datetime) -> None:
        """Note a receipt or a notice, unless the same one was noted before."""
        digest = hashlib.sha256(json.dumps(message, sort_keys=True).encode()).hexdigest()
        with self._transaction():
            self._insert({"message": message, "at": at.isoformat()}, digest)

    def uploads(self, key: str) -> list[OpenUpload]:
        """Return the multipart uploads of a key that may be open."""
        with self._lock, self._explained():
            rows = self._database.execute(
                "SELECT upload_id, region, bucket, key FROM uploads WHERE key = ?", (key,)
            ).fetchall()
        return [OpenUpload(upload_id=row[0], region=row[1], bucket=row[2], key=row[3]) for row in rows]

    def since(self, number: int) -> list[tuple[int, dict[str, Any]]]:
        """Return the events after the one with this number, oldest first, each with its number; 0 is all."""
        with self._lock, self._explained():
            rows = self._database.execute(
                "SELECT id, document FROM events WHERE id > ? ORDER BY id", (number,)
            ).fetchall()
        return [(id, json.loads(document)) for id, document in rows]

    def _append(self, document: dict[str, Any]) -> None:
        with self._transaction():
            self._insert(document)

    def _insert(self, document: dict[str, Any], digest: str | None = None) -> None:
        self._database.execute(
            "INSERT OR IGNORE INTO events (digest, document) VALUES (?, ?)",
            (digest, json.dumps(document, sort_keys=True)),
        )

    def _open(self, customer: str) -> None:
        with self._lock, self._explained():
            self._database.execute("PRAGMA synchronous = EXTRA")
        with self._transaction():
            version, application = (
                self._database.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("user_version", "application_id")
            )
            is_new = not self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if is_new:
                for statement in _TABLES:
                    self._database.execute(statement)
                self._database.execute("INSERT INTO owner VALUES (?)", (customer,))
            elif (application, version) != (_APPLICATION, _VERSION):
                raise JournalError(
                    f"{self.path}: is not a journal that this version of mft reads; name another file as the"
                    " journal, or use the version that wrote it"
                )
            owner = self._database.execute("SELECT customer FROM owner").fetchone()[0]
            if owner != customer:
                raise JournalError(
                    f"{self.path}: is the journal of {owner}, not of {customer}; name another file as journal"
                )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, self._explained():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise JournalError(
                f"{self.path}: the journal cannot be used: {error}; see that its folder exists, is on a local"
                " disk with room, and may be written to"
            ) from error
