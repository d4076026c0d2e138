"""The timeline of a run: who did what and when, a lane for each, and the moments that are measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from markupsafe import Markup

from local.drill.report import svg

LANES = ("operator", "platform", "dns", "client", "partner")

#: The moments of a run in words, by their names in its measures.
MOMENTS = {
    "dns_moved": "DNS moved",
    "first_delivered": "first delivered",
    "all_accounted": "all accounted",
}

_DOT = 10  # radius in pixels
_ROW = 2 * _DOT + 4
#: Percent of the width that a dot needs where the chart is narrowest, at 640 pixels.
_ROOM = 100 * (2 * _DOT + 2) / 640


def timeline(run: Mapping[str, Any]) -> Markup:
    """Return the chart of a run, with the events numbered as in `numbered`."""
    events = numbered(run)
    title = f"Timeline of {run['title']}, by who acted"
    if not events:
        return svg.empty(title)
    moments = moments_of(run)
    axis = svg.Seconds.over([run["seconds"], *(event["at"] for event in events), *moments.values()])
    head = len(moments) * svg.LINE
    y, lanes = head + 8.0, []
    for who in _lanes(events):
        rows = _rows([event for event in events if event["who"] == who], axis)
        lanes.append(svg.label(who, y=y + 14))
        for row in rows:
            y += _ROW
            lanes += [_dot(event, axis, y + 8) for event in row]
        y += 26
        lanes.append(svg.element("line", x1="0", x2="100%", y1=y, y2=y, class_="lane"))
    flags = [_flag(name, at, axis, number, y) for number, (name, at) in enumerate(moments.items())]
    return svg.chart(
        title, axis.draw(top=head, bottom=y), *flags, *lanes, height=y + svg.AXIS, kind="timeline"
    )


def numbered(run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the events of a run in order of time, each with its number, from 1."""
    events = sorted(run["timeline"], key=lambda event: event["at"])
    return [{**event, "number": number} for number, event in enumerate(events, start=1)]


def moments_of(run: Mapping[str, Any]) -> dict[str, float]:
    """Return the moments that a run reached, in seconds since it began."""
    measures = run["measures"]
    if measures["decision_at"] is None:
        return {}
    decided = measures["decision_at"]
    after = {name: measures[key] for key, name in MOMENTS.items() if measures[key] is not None}
    return {"decision": decided, **{name: decided + seconds for name, seconds in after.items()}}


def _lanes(events: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return who acted, in the order of LANES; others come last."""
    found = dict.fromkeys(event["who"] for event in events)
    return [who for who in LANES if who in found] + [who for who in found if who not in LANES]


def _rows(events: Iterable[dict[str, Any]], axis: svg.Seconds) -> list[list[dict[str, Any]]]:
    """Return events in as few rows as possible without overlapping dots."""
    rows: list[list[dict[str, Any]]] = []
    for event in events:
        at = axis.percent(event["at"])
        free = (row for row in rows if at - axis.percent(row[-1]["at"]) >= _ROOM)
        if (row := next(free, None)) is None:
            rows.append(row := [])
        row.append(event)
    return rows


def _dot(event: Mapping[str, Any], axis: svg.Seconds, y: float) -> Markup:
    x = axis.x(event["at"])
    return svg.element(
        "g",
        svg.element("title", f"{event['number']}. {event['at']:.1f} s, {event['who']}: {event['what']}"),
        svg.element("circle", cx=x, cy=y, r=_DOT),
        svg.element("text", str(event["number"]), x=x, y=y + 4, text_anchor="middle", class_="number"),
        class_="event",
    )


def _flag(name: str, at: float, axis: svg.Seconds, number: int, bottom: float) -> Markup:
    """Return a moment: a line through all lanes, with its name above them."""
    x, y = axis.x(at), number * svg.LINE
    late = axis.percent(at) > 60
    words = svg.element(
        "text",
        f"{name} at {at:.1f} s",
        x=x,
        y=y + 12,
        dx=-6 if late else 6,
        text_anchor="end" if late else "start",
        class_="flag",
    )
    kind = "decision" if name == "decision" else "moment"
    return svg.join((svg.rule(x, y, bottom, class_=kind), words))
