"""Who is sending under a name right now: locks that end with their process, however that ends."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mft_client.errors import ClaimedError, JournalError
from mft_client.file_names import name_of


class Claims:
    """The claims of all processes and threads that use one journal, as locked files in a folder beside it.

    The operating system releases a lock when its process ends, so a claim that is left over does not bind
    anybody.
    """

    def __init__(self, journal: Path) -> None:
        self._folder = journal.with_name(f"{journal.name}.claims")

    @contextmanager
    def claim(self, key: str) -> Iterator[None]:
        """Hold a key until the context ends; ClaimedError if somebody else does."""
        path = self._folder / hashlib.sha256(key.encode()).hexdigest()
        try:
            self._folder.mkdir(exist_ok=True)
            descriptor = _lock(path)
        except BlockingIOError as error:
            raise ClaimedError(
                f"{name_of(key)}: another process is sending it; wait until that has ended"
            ) from error
        except OSError as error:
            raise JournalError(
                f"{path}: cannot be written: {error.strerror}; see who may write there"
            ) from error
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            os.close(descriptor)


def _lock(path: Path) -> int:
    """Return the descriptor of a locked file at this path; BlockingIOError if it is locked."""
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:
            pass  # whoever held it before has removed it meanwhile: take a new one
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
