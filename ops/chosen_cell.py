"""The cell that this process acts on, where `--cell` named it: what messages print repeats it.

A process runs one command line, and `ops.environment` notes here which cell that is.
"""

from __future__ import annotations

from dataclasses import dataclass

from customers.stack_files import stack


@dataclass
class _Chosen:
    number: str | None = None
    suffix: str = ""


_chosen = _Chosen()


def choose(number: str | None, suffix: str) -> None:
    """Note the cell, None if the command line names none, and the suffix of its pair of stacks."""
    _chosen.number, _chosen.suffix = number, suffix


def options() -> list[str]:
    """Return the words with which a printed command names the same cell."""
    return ["--cell", _chosen.number] if _chosen.number else []


def stack_of(side: str) -> str:
    """Return the name of the cell's stack in the region of a side."""
    return stack(side, _chosen.suffix)
