"""Graphs that one worker of a run of the tests records, and that the others read."""

from __future__ import annotations

import fcntl
import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.program import Graph

#: The folder that all workers of this run share; each process records for itself while there is none.
folder: Path | None = None


def recorded_once(key: object, record: Callable[[], Graph]) -> Graph:
    """Return what `record` returns, which it does in the first worker only that asks for this key.

    Equal keys must mean equal graphs within a run; a run's folder is not used by any other.
    """
    if folder is None:
        return record()
    kept = folder / f"{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}.graph"
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the others wait for the first
        if not kept.exists():
            graph = record()
            kept.with_suffix(".part").write_bytes(pickle.dumps(graph))
            kept.with_suffix(".part").rename(kept)
            return graph
        found: Graph = pickle.loads(kept.read_bytes())
        return found
