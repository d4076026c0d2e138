"""The chart of a measure over repeated runs: a strip for each scenario, with a box from four values on."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from local.drill.report import svg

_ROW = 44
_BOX_FROM = 4


def spread(title: str, rows: Mapping[str, Sequence[float]]) -> Markup:
    """Return the chart of a measure: a row for each scenario, its values in scaled seconds."""
    there = {name: sorted(values) for name, values in rows.items() if values}
    if not there:
        return svg.empty(title)
    axis = svg.Seconds.over(values[-1] for values in there.values())
    bottom = len(there) * _ROW
    parts = [axis.draw(top=0, bottom=bottom)]
    for number, (name, values) in enumerate(there.items()):
        top = number * _ROW
        parts.append(svg.label(name, f": {in_words(values)}", y=top + 13))
        parts += _strip(name, values, axis, top + 30)
    return svg.chart(title, *parts, height=bottom + svg.AXIS, kind="spread")


def in_words(values: Sequence[float]) -> str:
    """Return the values in words: the median and, if there are several, their range."""
    if not values:
        return "-"
    middle = f"{statistics.median(values):.1f} s"
    return middle if len(values) == 1 else f"{middle} ({min(values):.1f} to {max(values):.1f})"


def _strip(name: str, values: Sequence[float], axis: svg.Seconds, y: float) -> list[Markup]:
    parts = [svg.element("line", x1="0", x2="100%", y1=y, y2=y, class_="lane")]
    if len(values) >= _BOX_FROM:
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        parts.append(
            svg.element("rect", x=axis.x(low), y=y - 8, width=axis.width(low, high), height=16, class_="box")
        )
    parts += [
        svg.element(
            "circle",
            svg.element("title", f"{name}: {value:.1f} s"),
            cx=axis.x(value),
            cy=y,
            r=4.5,
            class_="dot",
        )
        for value in values
    ]
    if len(values) > 1:
        parts.append(svg.rule(axis.x(statistics.median(values)), y - 10, y + 10, class_="median"))
    return parts
