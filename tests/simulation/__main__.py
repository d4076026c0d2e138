"""Runs schedules: `python -m tests.simulation 100000`, or one: `python -m tests.simulation --seed 42 1`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.simulation import hunt
from tests.simulation.schedule import Schedule, generate

#: The most failing seeds that are printed.
_MOST_PRINTED = 10

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(epilog="Example: python -m tests.simulation 100000 --seed 5000")
def main(
    number: Annotated[int, typer.Argument(min=1, help="How many schedules.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="The first seed; the others follow it.")] = 0,
    file: Annotated[
        Path | None, typer.Option(help="Run the schedule in this file (JSON), as a shrunk one is printed.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    no_shrink: Annotated[
        bool, typer.Option("--no-shrink", help="Leave a failing schedule as it is.")
    ] = False,
) -> None:
    """Simulate schedules on all cores, and print those that broke a rule.

    One schedule alone is printed in full: what was planned, every effect in order, and the broken rules.
    Exit code 1 when a rule was broken.
    """
    if file is not None:
        _tell(Schedule.parse(json.loads(file.read_text())), as_json=as_json)
    elif number == 1:
        _tell(generate(seed), as_json=as_json)
    else:
        _many(number, seed, as_json=as_json, shrinks=not no_shrink)


def _many(number: int, first: int, *, as_json: bool, shrinks: bool) -> None:
    console = Console(stderr=True)
    tally, began = hunt.Tally(), time.monotonic()
    columns = (TextColumn("schedules"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[failed]} failed"), console=console) as progress:
        task = progress.add_task("", total=number, failed=0)
        for part in hunt.run_everywhere(first, number):
            tally.join(part)
            progress.update(task, completed=tally.schedules, failed=len(tally.failures))
    seconds = time.monotonic() - began
    if as_json:
        result = {
            "schedules": tally.schedules,
            "seconds": round(seconds, 1),
            "counts": dict(sorted(tally.counts.items())),
            "known": dict(sorted(tally.known.items())),
            "failures": {str(seed): broken for seed, broken in sorted(tally.failures.items())},
        }
        print(json.dumps(result, indent=1))
    else:
        print(f"{tally.schedules} schedules in {seconds:.1f} s, {tally.schedules / seconds:.0f} a second")
        for name, count in sorted(tally.counts.items()):
            print(f"  {count:8} {name}")
        for name, count in sorted(tally.known.items()):
            print(f"  {count:8} known bug: {name}")
        for failed, broken in sorted(tally.failures.items())[:_MOST_PRINTED]:
            print(f"seed {failed}: {broken[0]}\n  replay: python -m tests.simulation --seed {failed} 1")
    if not tally.failures:
        return
    if shrinks and not as_json:
        failed = min(tally.failures)
        print(f"\nthe smallest schedule of seed {failed} that breaks this rule:")
        rule = tally.failures[failed][0].partition(":")[0]
        small = hunt.smallest(generate(failed), rule)
        print("\n".join(f"  {line}" for line in small.lines()))
        print(f"  replay: write this to a file and pass it with --file\n{json.dumps(small.document())}")
    sys.exit(1)


def _tell(schedule: Schedule, *, as_json: bool) -> None:
    outcome = hunt.replay(schedule)
    broken = [str(violation) for violation in outcome.violations]
    if as_json:
        found = {"schedule": schedule.document(), "violations": broken, "known": outcome.known}
        print(json.dumps({**found, "counts": outcome.counts, "trace": outcome.trace}, indent=1))
    else:
        print("\n".join((*schedule.lines(), "", *outcome.trace, "", *(broken or ["no rule was broken"]))))
    if broken:
        sys.exit(1)


if __name__ == "__main__":
    app()
