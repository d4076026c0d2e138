"""The picture of a transfer's life: the states of the deployed definition, and the ways between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from components.statemachine import definition
from local.drill.report.svg import element, join
from tests.pages.drawing import drawing

_SIZE = (1470, 500)
_BOX = (162, 50)

#: Where each state stands: left and top. A state that the definition gains needs a place here.
_PLACES = {
    "Claim": (210, 180),
    "Decide": (420, 180),
    "ClaimAgain": (210, 330),
    "LookAgain": (420, 330),
    "Compare": (420, 40),
    "NothingToSend": (640, 40),
    "Complete": (1080, 40),
    "Archive": (1285, 40),
    "ArchiveAllTheSame": (1080, 160),
    "NotCompleted": (1080, 280),
    "NotArchived": (1285, 160),
    "Attempt": (650, 180),
    "GoOn": (840, 180),
    "AttemptAfterUnknown": (650, 280),
    "Failed": (650, 380),
    "LeaseLost": (840, 380),
}
#: The states of one destination, in their frame.
_FRAME = (632, 130, 388, 320)

_STYLE = """
text { text-anchor: middle; }
.name { font-size: 12.5px; font-weight: 600; }
.note { font-size: 11.5px; fill: #52606d; }
.frame { fill: #f0f6fc; stroke: #7ba7d0; }
.Task { fill: #e3f8ee; stroke: #57ae89; }
.Choice { fill: #f2ebfe; stroke: #9a7fd1; }
.Wait { fill: #fffaeb; stroke: #d0a75e; }
.Pass { fill: #ffffff; stroke: #9fb3c8; }
.Fail { fill: #fdeeee; stroke: #d27c7c; }
.way { fill: none; stroke: #486581; stroke-width: 1.5; }
.caught { fill: none; stroke: #c0605f; stroke-width: 1.3; stroke-dasharray: 5 4; }
"""

_KINDS = {
    "Choice": "decides by the facts",
    "Wait": "waits",
    "Pass": "passes on",
    "Fail": "the execution fails",
}


def workflow_picture() -> str:
    """Return the picture as SVG; KeyError if a state has no place in it."""
    steps = ("claim", "compare", "deliver", "complete", "archive")
    machine = definition({step: step for step in steps}, partition="aws-us-gov")
    states = machine["States"]
    inner = states["Deliver"]["ItemProcessor"]["States"]
    left, top, width, height = _FRAME
    frame = (
        element("rect", class_="frame", x=left, y=top, width=width, height=height, rx=10),
        _text("Deliver, for each destination", left + width / 2, top + 22, "name"),
    )
    tips = (_tip(name, color) for name, color in (("way", "#486581"), ("caught", "#c0605f")))
    parts = [
        element("defs", *tips),
        _ways(states),
        _way((174, 205), (210, 205), caught=False),
        *frame,
        _ways(inner),
        *(_box(name, state) for name, state in (states | inner).items() if name != "Deliver"),
        _upload(),
        _text(
            "Solid: the next state. Dashed: after an error that is not repeated."
            " A state without a way on is an end.",
            _SIZE[0] / 2,
            _SIZE[1] - 18,
            "note",
        ),
    ]
    return drawing(
        join(parts), title="A transfer, from its upload to its archived copy", size=_SIZE, style=_STYLE
    )


def _tip(name: str, color: str) -> Markup:
    head = element("path", d="M0 1 L10 5 L0 9 z", fill=color)
    where = {"viewBox": "0 0 10 10", "refX": 9, "refY": 5, "markerWidth": 7, "markerHeight": 7}
    return element("marker", head, id=f"tip-{name}", orient="auto", **where)


def _upload() -> Markup:
    box = element("rect", class_="Pass", x=16, y=172, width=_BOX[0], height=66, rx=8)
    lines = ("upload", "event, queue, ingest:", "RECEIVED is recorded")
    return element(
        "g", box, *(_text(line, 95, 193 + 17 * n, "note" if n else "name") for n, line in enumerate(lines))
    )


def _box(name: str, state: Mapping[str, Any]) -> Markup:
    left, top = _PLACES[name]
    width, height = _BOX
    return element(
        "g",
        element("rect", class_=state["Type"], x=left, y=top, width=width, height=height, rx=8),
        _text(name, left + width / 2, top + 21, "name"),
        _text(_about(state), left + width / 2, top + 39, "note"),
    )


def _about(state: Mapping[str, Any]) -> str:
    if state["Type"] != "Task":
        return _KINDS[state["Type"]]
    return f"{state['Parameters']['FunctionName']}, up to {state['TimeoutSeconds']} s"


def _ways(states: Mapping[str, Any]) -> Markup:
    return join(
        _way(*_ends(name, to), caught=caught)
        for name, state in states.items()
        for to, caught in sorted(set(_next(state)))
    )


def _next(state: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yield the states that follow one, each with whether an error leads there."""
    yield from ((choice["Next"], False) for choice in state.get("Choices", ()))
    yield from ((state[key], False) for key in ("Next", "Default") if key in state)
    yield from ((caught["Next"], True) for caught in state.get("Catch", ()))


def _ends(name: str, to: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return where a way leaves one box and reaches another, on the line between their middles."""
    (ax, ay, aw, ah), (bx, by, bw, bh) = _area(name), _area(to)
    start, end = (ax + aw / 2, ay + ah / 2), (bx + bw / 2, by + bh / 2)
    return _border(start, end, aw, ah), _border(end, start, bw, bh)


def _area(name: str) -> tuple[float, float, float, float]:
    return _FRAME if name == "Deliver" else (*_PLACES[name], *_BOX)


def _border(
    middle: tuple[float, float], other: tuple[float, float], width: float, height: float
) -> tuple[float, float]:
    dx, dy = other[0] - middle[0], other[1] - middle[1]
    scale = min(
        width / 2 / abs(dx) if dx else float("inf"),
        height / 2 / abs(dy) if dy else float("inf"),
    )
    return middle[0] + dx * scale, middle[1] + dy * scale


def _way(start: tuple[float, float], end: tuple[float, float], *, caught: bool) -> Markup:
    kind = "caught" if caught else "way"
    (x, y), (to_x, to_y) = start, end
    # Two ways between the same boxes are bent apart.
    bend = 0.12
    middle = ((x + to_x) / 2 - (to_y - y) * bend, (y + to_y) / 2 + (to_x - x) * bend)
    path = f"M{x:.0f} {y:.0f} Q{middle[0]:.0f} {middle[1]:.0f} {to_x:.0f} {to_y:.0f}"
    return element("path", class_=kind, d=path, marker_end=f"url(#tip-{kind})")


def _text(words: str, x: float, y: float, kind: str) -> Markup:
    return element("text", words, class_=kind, x=f"{x:.0f}", y=f"{y:.0f}")
