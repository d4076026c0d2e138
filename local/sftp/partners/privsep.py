"""The empty directory that sshd, run by root, confines its first process to, for as long as it is needed."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

#: Where sshd looks; the package's own start-up makes it.
_PATH = Path("/run/sshd")

#: The mode by which a directory that was made here, and is to go again, is told from the package's.
_OURS = 0o711


class PrivilegeSeparation:
    """The directory, from now until `release`: made where it is missing, and then removed by who is last."""

    def __init__(self) -> None:
        self._held: int | None = None
        while self._held is None:
            _PATH.mkdir(mode=_OURS, exist_ok=True)
            with suppress(FileNotFoundError):
                self._held = _hold()

    def release(self) -> None:
        """Let go of it. Safe to call twice."""
        if self._held is None:
            return
        if os.fstat(self._held).st_mode & 0o777 == _OURS:
            # Whoever else needs it holds it; who comes now waits for this, and then makes it again.
            with suppress(OSError):
                fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _PATH.rmdir()
        os.close(self._held)
        self._held = None


def _hold() -> int | None:
    """Return a descriptor that holds the directory, or None if it was removed in the meantime."""
    held = os.open(_PATH, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(held, fcntl.LOCK_SH)
    if os.fstat(held).st_nlink:
        return held
    os.close(held)
    return None
