"""A story that is played and judged: its steps with timings and expectations, and a table of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table

from local.program import Resource

T = TypeVar("T")

#: Seconds within which something has to have happened. Generous, because a small machine may be busy.
SOON = 120


class StoryError(RuntimeError):
    """The story cannot continue; the message says why and what to do."""


@dataclass
class Step:
    """One step: how long it took in seconds, and each expectation with whether it held."""

    title: str
    seconds: float = 0.0
    expectations: list[tuple[str, bool]] = field(default_factory=list)

    @property
    def held(self) -> bool:
        """Whether every expectation of the step held."""
        return all(held for _, held in self.expectations)


class Progress:
    """A line on a terminal that counts resources while they are made; elsewhere, nothing."""

    def __init__(self, console: Console) -> None:
        self._status = console.status("")
        self._terminal, self._count = console.is_terminal and not console.quiet, 0

    def made(self, resource: Resource) -> None:
        """Count a resource that was just made."""
        self._count += 1
        self._status.update(f"{self._count} resources made, the last one {resource.type.rpartition(':')[2]}")
        if self._terminal and self._count == 1:
            self._status.start()

    def rest(self) -> None:
        """Remove the line until the next resource is made."""
        self._status.stop()
        self._count = 0


class Story:
    """The steps as they are played. With `as_json`, one document is printed at the end and nothing before."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._console = Console(quiet=as_json, highlight=False, soft_wrap=True)
        self.progress = Progress(self._console)
        self.steps: list[Step] = []
        self.figures: dict[str, Any] = {}
        self._kept: dict[str, Any] = {}

    @property
    def held(self) -> bool:
        """Whether every expectation held."""
        return all(step.held for step in self.steps)

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Open a step: expectations inside the context belong to it."""
        step = Step(title)
        self.steps.append(step)
        began = time.monotonic()
        self._console.print(f"[bold]{len(self.steps)}. {title}[/]")
        try:
            yield step
        finally:
            self.progress.rest()
            step.seconds = time.monotonic() - began
        self._console.print(f"   [dim]{step.seconds:.1f} s[/]")

    def say(self, text: str) -> None:
        """Print a line about what is happening."""
        self._console.print(f"   {text}", markup=False)

    def expect(self, what: str, holds: bool) -> None:
        """Add an expectation to the current step, with whether it holds."""
        self.steps[-1].expectations.append((what, bool(holds)))
        mark = "[green]ok[/]" if holds else "[red]NOT SO[/]"
        self._console.print(f"   {mark} ", end="")
        self._console.print(what, markup=False)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table of what happened."""
        table = Table()
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*row)
        self._console.print(table)

    def figure(self, name: str, value: Any) -> None:
        """Add a figure to the summary."""
        self.figures[name] = value

    def keep(self, name: str, value: Any) -> None:
        """Add data to the JSON document that no person would read."""
        self._kept[name] = value

    def summary(self) -> None:
        """Print the table of steps and the figures, or the whole story as JSON."""
        if self._as_json:
            steps = [{**asdict(step), "held": step.held} for step in self.steps]
            document = {"held": self.held, "steps": steps, "figures": self.figures, **self._kept}
            print(json.dumps(document, indent=2))
            return
        table = Table("step", "seconds", "expected", "held", title="The drill")
        for step in self.steps:
            good = sum(held for _, held in step.expectations)
            verdict = "[green]yes[/]" if step.held else "[red]NO[/]"
            table.add_row(step.title, f"{step.seconds:.1f}", f"{good} of {len(step.expectations)}", verdict)
        self._console.print(table)
        for name, value in self.figures.items():
            self._console.print(f"{name}: {value}", markup=False)


def until(question: Callable[[], T], *, within: float, every: float = 0.2) -> T | None:
    """Return the first true answer, or the last one if none is true `within` this many seconds."""
    give_up = time.monotonic() + within
    while not (answer := question()) and time.monotonic() < give_up:
        time.sleep(every)
    return answer
