"""The empty directory that sshd, when run by root, confines its unprivileged process to."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

#: The path that sshd is compiled with; the start-up script of its package makes the directory.
_PATH = Path("/run/sshd")

#: The mode of a directory that was made here and is to be removed, which the package's does not have.
_OURS = 0o711


class PrivilegeSeparation:
    """Holds the directory until `release`: it is made if missing, and then removed by its last holder."""

    def __init__(self) -> None:
        self._held: int | None = None
        while self._held is None:
            _PATH.mkdir(mode=_OURS, exist_ok=True)
            with suppress(FileNotFoundError):
                self._held = _hold()

    def release(self) -> None:
        """Release the directory. Safe to call twice."""
        if self._held is None:
            return
        if os.fstat(self._held).st_mode & 0o777 == _OURS:
            # Other holders keep a shared lock, so the exclusive one fails while there are any. A new holder
            # waits for this one, and then makes the directory again.
            with suppress(OSError):
                fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _PATH.rmdir()
        os.close(self._held)
        self._held = None


def _hold() -> int | None:
    """Return a descriptor with a shared lock on the directory, None if it was removed in the meantime."""
    held = os.open(_PATH, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(held, fcntl.LOCK_SH)
    if os.fstat(held).st_nlink:
        return held
    os.close(held)
    return None
