"""The chart of what became of acknowledged files: a bar for each row, divided by fate."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, assert_never

from markupsafe import Markup

from local.drill.report import svg
from runtime.facts import Status

#: Every fate in words, by its CSS class, in the order of a bar.
FATES = {
    "west": "delivered by West",
    "east": "delivered by East",
    "both": "delivered, by both regions",
    "held": "held for a person",
    "failed": "failed or rejected, with a receipt",
    "open": "not accounted for",
}

_BAR, _ROW = 20, 46


def fate_of(transfer: Mapping[str, Any]) -> str:
    """Return the fate of a file, one of FATES: the worst among its submissions.

    `transfer["fate"]` lists the outcomes of its submissions, e.g. `2 delivered, held`. An unknown outcome
    counts as not accounted for.
    """
    words = {re.sub(r"^\d+ ", "", part.strip()) for part in transfer["fate"].split(",")} - {""}
    found = {_fate_of_one(Status(word)) if word in list(Status) else "open" for word in words}
    sides = [side for side in ("west", "east") if side in transfer["delivered_by"]]
    if worst := next((fate for fate in ("failed", "held", "open") if fate in found), None):
        return worst
    if found and sides:
        return "both" if len(sides) == 2 else sides[0]
    return "open"


def _fate_of_one(status: Status) -> str:
    """Return the fate of one submission: one of FATES, or "delivered" for either region."""
    match status:
        case Status.FAILED | Status.REJECTED:
            return "failed"
        case Status.HELD:
            return "held"
        case Status.DELIVERED | Status.DUPLICATE:
            return "delivered"
        case Status.UNDER_WAY:
            return "open"
        case _:
            assert_never(status)


def counted(transfers: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """Return how many files met each fate."""
    return Counter(fate_of(transfer) for transfer in transfers)


def fates(rows: Sequence[tuple[str, Counter[str]]], *, about: str) -> Markup:
    """Return the chart of these rows, each a label with the counts of its fates."""
    title = f"Acknowledged files of {about}, by fate"
    most = max((counts.total() for _, counts in rows), default=0)
    if not most:
        return svg.empty(title)
    parts = []
    for number, (label, counts) in enumerate(rows):
        top = number * _ROW
        parts.append(svg.label(label, f": {counts.total():,}", y=top + 13))
        parts += _bar(label, counts, most, top + 19)
    return svg.chart(title, *parts, height=len(rows) * _ROW, kind="fates")


def legend(rows: Iterable[tuple[str, Counter[str]]]) -> dict[str, str]:
    """Return the fates that occur in the rows, by class: the legend of a chart."""
    there = Counter[str]()
    for _, counts in rows:
        there += counts
    return {fate: words for fate, words in FATES.items() if there[fate]}


def _bar(label: str, counts: Counter[str], most: int, y: float) -> list[Markup]:
    parts, before = [], 0
    for fate, words in FATES.items():
        count = counts[fate]
        if not count:
            continue
        share, start = 100 * count / most, 100 * before / most
        parts_of_span = [
            svg.element("title", f"{label}: {count} {words}"),
            svg.element("rect", x=f"{start:.2f}%", y=y, width=f"{share:.2f}%", height=_BAR),
        ]
        if share > 3:
            parts_of_span.append(
                svg.element("text", f"{count}", x=f"{start + share / 2:.2f}%", y=y + 14, text_anchor="middle")
            )
        parts.append(svg.element("g", *parts_of_span, class_=f"span {fate}"))
        before += count
    return parts
