"""The chart of the name server's answers over time: a bar for each name, divided where the answer changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from local.drill.report import svg
from local.drill.report.timeline import moments_of

_BAR, _ROW = 14, 40


def answers(run: Mapping[str, Any]) -> Markup:
    """Return the chart of a run's DNS answers, by name and type."""
    title = f"DNS answers during {run['title']}, by name and side"
    names = histories(run)
    if not names:
        return svg.empty(title)
    axis = svg.Seconds.over([run["seconds"], *(start for spans in names.values() for start, _, _ in spans)])
    bottom = len(names) * _ROW + 4
    parts = [axis.draw(top=0, bottom=bottom)]
    for number, ((name, kind), spans) in enumerate(names.items()):
        top = number * _ROW
        parts.append(svg.label(name, f" {kind}", y=top + 13))
        parts += [_span(name, span, axis, top + 19) for span in spans]
    if (decided := moments_of(run).get("decision")) is not None:
        parts.append(svg.rule(axis.x(decided), 0, bottom, class_="decision"))
    return svg.chart(title, *parts, height=bottom + svg.AXIS, kind="answers")


def histories(run: Mapping[str, Any]) -> dict[tuple[str, str], list[tuple[float, float, str]]]:
    """Return what each name and type answered, as spans: start, end (in seconds) and side."""
    changes: dict[tuple[str, str], list[tuple[float, str]]] = {}
    for answer in sorted(run["answers"], key=lambda answer: answer["at"]):
        changes.setdefault((answer["name"], answer["type"]), []).append((answer["at"], answer["side"]))
    return {
        name: [
            (start, end, side)
            for (start, side), end in zip(
                moments, [*(at for at, _ in moments[1:]), max(run["seconds"], moments[-1][0])], strict=True
            )
        ]
        for name, moments in changes.items()
    }


def _span(name: str, span: tuple[float, float, str], axis: svg.Seconds, y: float) -> Markup:
    start, end, side = span
    parts = [
        svg.element("title", f"{name}: {side} from {start:.1f} s to {end:.1f} s"),
        svg.element("rect", x=axis.x(start), y=y, width=axis.width(start, end), height=_BAR),
    ]
    if axis.percent(end) - axis.percent(start) > 12:  # otherwise there is no room for the word
        parts.append(svg.element("text", side, x=axis.x(start), dx=6, y=y + 11))
    known = side if side in ("east", "west") else "none"
    return svg.element("g", *parts, class_=f"span {known}")
