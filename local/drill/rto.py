"""The table over the scenarios that were played: what held, and the RTO and the RPO in scaled time."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from itertools import groupby

from local.drill.commitments import COMMITMENTS
from local.drill.runs import Run
from local.drill.story import Story

COLUMNS = ("scenario", "held", "DNS moved", "first file", "last in flight", "not replicated")


def show(story: Story, runs: Sequence[Run]) -> None:
    """Print the table; of a scenario that was played several times the least, the median and the greatest.

    Seconds count from the operator's decision: until every name had moved, the survivor had delivered a file,
    and the last file in flight was accounted for. Not replicated: acknowledged files, and the oldest's age.
    """
    rows = [_row(list(group)) for _, group in groupby(runs, key=lambda run: run.scenario)]
    story.table(COLUMNS, rows)
    scales = {f"{name} {faster} times" for run in runs for name, faster in sorted(run.scale.items())}
    story.say("Seconds after the operator's decision; of several plays the least, the median, the greatest.")
    story.say(f"They are this machine's, on which time runs faster: {', '.join(sorted(scales))}.")
    story.say("Committed at production settings (docs/disaster-recovery.md), and never compared with those:")
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
