"""What one worker of a run of the tests makes, and the others read: recorded graphs, and the keys in them."""

from __future__ import annotations

import fcntl
import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

_T = TypeVar("_T")

#: The folder that all workers of this run share; each process records for itself while there is none.
folder: Path | None = None


def recorded_once(key: object, record: Callable[[], _T]) -> _T:
    """Return what `record` returns, which it does in the first worker only that asks for this key.

    Equal keys must mean equal values within a run; a run's folder is not used by any other.
    """
    if folder is None:
        return record()
    kept = folder / f"{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}.pickle"
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the others wait for the first
        if not kept.exists():
            made = record()
            kept.with_suffix(".part").write_bytes(pickle.dumps(made))
            kept.with_suffix(".part").rename(kept)
            return made
        found: _T = pickle.loads(kept.read_bytes())
        return found
