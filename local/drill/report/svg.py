"""SVG as text: elements whose content is always escaped, and a time axis in percent of the width.

A chart fills the width that it is given: x is in percent and y in pixels, so that text keeps its size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from ops.cli import printable

_NOTHING = Markup("")

#: Pixels of a line of text, and of the axis below a chart.
LINE = 16
AXIS = 28
#: Characters of a label that fit on a narrow screen.
_LABEL = 52


def element(tag: str, *content: str, **attributes: object) -> Markup:
    """Return an element; `class_` becomes `class`, `text_anchor` becomes `text-anchor`.

    An attribute that is None is left out. Content that is not Markup is escaped and stays on its line.
    """
    written = (
        Markup(' {}="{}"').format(name.rstrip("_").replace("_", "-"), _safe(str(value)))
        for name, value in attributes.items()
        if value is not None
    )
    return Markup("<{0}{1}>{2}</{0}>").format(tag, _NOTHING.join(written), join(content))


def join(parts: Iterable[str]) -> Markup:
    """Return the parts one after the other, escaped if they are not Markup."""
    return _NOTHING.join(_safe(part) for part in parts)


def chart(title: str, *content: Markup, height: float, kind: str) -> Markup:
    """Return a chart; `title` is its text for screen readers, `kind` its CSS class."""
    return element(
        "svg",
        element("title", title),
        *content,
        role="img",
        class_=f"chart {kind}",
        width="100%",
        height=math.ceil(height),
        xmlns="http://www.w3.org/2000/svg",
    )


def empty(title: str) -> Markup:
    """Return the text in place of a chart that has nothing to draw."""
    return element("p", f"{title}: nothing to show.", class_="empty")


def shortened(text: str, room: int) -> str:
    """Return text of at most `room` characters; the middle is cut out, because names differ at their ends."""
    if len(text) <= room:
        return text
    head = (room - 1) // 2
    return f"{text[:head]}…{text[head + 1 - room :]}"


@dataclass(frozen=True)
class Seconds:
    """An axis from 0 to `end` seconds, with ticks at round values."""

    end: float

    @classmethod
    def over(cls, values: Iterable[float | None]) -> Seconds:
        """Return an axis that covers all of these values."""
        return cls(max((value for value in values if value is not None), default=0.0) or 1.0)

    def percent(self, value: float) -> float:
        """Return the position of a value, from 0 to 100."""
        return 100 * min(max(value / self.end, 0.0), 1.0)

    def x(self, value: float) -> str:
        """Return the position of a value, as an attribute."""
        return f"{self.percent(value):.2f}%"

    def width(self, start: float, end: float) -> str:
        """Return the width of a span, as an attribute."""
        return f"{self.percent(end) - self.percent(start):.2f}%"

    @property
    def ticks(self) -> list[float]:
        """Up to six round values, of which the first is 0."""
        raw = self.end / 5
        size = 10 ** math.floor(math.log10(raw))
        step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= raw)
        return [step * count for count in range(math.floor(self.end / step + 1e-9) + 1)]

    def draw(self, *, top: float, bottom: float) -> Markup:
        """Return the axis: a rule for each tick from `top` to `bottom`, with its seconds below."""
        return join(
            join(
                (
                    rule(self.x(tick), top, bottom, class_="grid"),
                    text(
                        f"{tick:g} s", x=self.x(tick), y=bottom + LINE, class_="tick", at=self.percent(tick)
                    ),
                )
            )
            for tick in self.ticks
        )


def rule(x: str, top: float, bottom: float, *, class_: str) -> Markup:
    """Return a vertical line."""
    return element("line", x1=x, x2=x, y1=top, y2=bottom, class_=class_)


def text(content: str, *, x: str, y: float, class_: str | None = None, at: float = 50) -> Markup:
    """Return a line of text centred at x; near an end of the chart it begins or ends there instead.

    `at` is x in percent of the width.
    """
    anchor = "start" if at < 8 else "end" if at > 92 else "middle"
    return element("text", content, x=x, y=y, class_=class_, text_anchor=anchor)


def label(name: str, more: str = "", *, y: float) -> Markup:
    """Return a line of text at the left; a long name is shortened, and given whole as the title."""
    shown = shortened(name, max(_LABEL - len(more), 12))
    whole = element("title", name) if shown != name else _NOTHING
    return element("text", whole, shown, more, x=0, y=y, class_="label")


def _safe(part: str) -> str:
    return part if isinstance(part, Markup) else printable(part)
