"""What this process removes before it ends: temporary folders, with private keys in them, and processes.

A folder is locked for as long as its process lives. Whoever makes one removes those whose process was killed.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import signal
import tempfile
from contextlib import suppress
from pathlib import Path

_PREFIX = "mft-world-"

#: The folders of this process, each with the descriptor that holds its lock, None before it has one.
_folders: dict[Path, int | None] = {}

#: The process groups that this process started, by the id of their leader.
_groups: set[int] = set()


def folder() -> Path:
    """Return a new folder below the temporary folder, for this user alone; OSError if it cannot be made."""
    temporary = Path(tempfile.gettempdir())
    _remove_dead(temporary)
    while True:
        path = temporary / f"{_PREFIX}{secrets.token_hex(4)}"
        _folders[path] = None  # before it exists: a signal may end this function at any point
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
            if (held := _lock(path)) is not None:
                _folders[path] = held
                return path
        del _folders[path]  # another process has it, or took it for a dead one's and removed it


def remove(path: Path) -> None:
    """Remove a folder with everything in it; nothing happens if it does not exist."""
    shutil.rmtree(path, ignore_errors=True)
    if (held := _folders.pop(path, None)) is not None:
        os.close(held)


def note_group(leader: int) -> None:
    """Note a process group that has to be gone when this process ends."""
    _groups.add(leader)


def forget_group(leader: int) -> None:
    """Forget a process group that has ended."""
    _groups.discard(leader)


def remove_all() -> None:
    """Kill the process groups and remove the folders that are still there."""
    for leader in tuple(_groups):
        with suppress(ProcessLookupError):
            os.killpg(leader, signal.SIGKILL)
        forget_group(leader)
    for path in tuple(_folders):
        remove(path)


def _remove_dead(temporary: Path) -> None:
    """Remove the folders of this user whose process was killed before it could do so."""
    for path in temporary.glob(f"{_PREFIX}*"):
        with suppress(FileNotFoundError):
            if path.lstat().st_uid == os.getuid() and (held := _lock(path)) is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(held)


def _lock(path: Path) -> int | None:
    """Return a descriptor that holds the lock of a folder, None if another has it or the folder is gone."""
    try:
        held = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(held), path.lstat()):
            return held
    except OSError:
        pass
    os.close(held)
    return None
