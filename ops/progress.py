"""The progress of long work: a bar on standard error where that is a terminal, and nothing elsewhere."""

from __future__ import annotations

import sys
import threading
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Bar:
    """A bar of `total` steps, None when their number is not known; `counted` names what else is counted.

    `done` is the number of steps that are done. Threads may share a bar.
    """

    def __init__(self, total: int | None, steps: str, counted: str = "") -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn(steps),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[counts]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
            # On a terminal, lines are printed above the bar; a pipe gets them unchanged.
            redirect_stdout=sys.stdout.isatty(),
        )
        self._task = self._progress.add_task(steps, total=total, counts="")
        self.total, self.done = total, 0
        self._counted, self._count, self._lock = counted, 0, threading.Lock()

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def step(self) -> None:
        """Note that one more step is done."""
        self.steps(1)

    def steps(self, more: int) -> None:
        """Note that `more` steps are done."""
        with self._lock:
            self.done += more
        self._progress.advance(self._task, more)

    def count(self, more: int) -> None:
        """Add `more` to what is counted besides the steps."""
        with self._lock:
            self._count += more
            self._progress.update(self._task, counts=f"{self._count:,} {self._counted}")
