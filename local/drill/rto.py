"""The table of the scenarios that were played: what held, and RTO and RPO in scaled time."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from itertools import groupby

from local.drill.commitments import COMMITMENTS
from local.drill.runs import Run
from local.drill.story import Story

COLUMNS = ("scenario", "held", "DNS moved", "first file", "last in flight", "not replicated")


def show(story: Story, runs: Sequence[Run]) -> None:
    """Print the table; for a scenario that was played several times, the minimum, median and maximum.

    Seconds count from the operator's decision until every name had moved, the survivor had delivered a file,
    and the last file in flight was accounted for. "not replicated" is the number of acknowledged files that
    had not, and the age of the oldest.
    """
    rows = [_row(list(group)) for _, group in groupby(runs, key=lambda run: run.scenario)]
    story.table(COLUMNS, rows)
    scales = {f"{name} {faster} times faster" for run in runs for name, faster in run.scale.items()}
    story.say("Seconds after the operator's decision; for several runs: minimum / median / maximum.")
    story.say(f"They are measured on this machine, where time is scaled: {', '.join(sorted(scales))}.")
    story.say("Committed at production settings (docs/disaster-recovery.md), never compared with the above:")
    for each in COMMITMENTS:
        story.say(f"  {each.measure}: {each.formula} = {each.figure}; {each.basis}")


def _row(runs: Sequence[Run]) -> list[str]:
    measures = [run.measures for run in runs]
    losses = [each for each in measures if each.rpo_files is not None]
    ages = [age for each in losses for age in each.rpo_ages]
    lost = sorted({each.rpo_files or 0 for each in losses})
    count = " to ".join(map(str, dict.fromkeys((lost[0], lost[-1])))) if lost else "-"
    return [
        runs[0].scenario.replace("-", " "),
        "yes" if all(run.held for run in runs) else f"NO, {sum(not run.held for run in runs)} of {len(runs)}",
        _spread(each.dns_moved for each in measures),
        _spread(each.first_delivered for each in measures),
        _spread(each.all_accounted for each in measures),
        f"{count}, {max(ages):.1f} s" if ages else count,
    ]


def _spread(values: Iterable[float | None]) -> str:
    there = sorted(value for value in values if value is not None)
    if not there:
        return "-"
    if len(there) == 1:
        return f"{there[0]:.1f}"
    return f"{there[0]:.1f} / {statistics.median(there):.1f} / {there[-1]:.1f}"
