"""A drawing as an SVG file of its own: a frame, a style, a title for screen readers."""

from __future__ import annotations

import re

from markupsafe import Markup

from local.drill.report.svg import element

_STYLE = """
text {
  font-family: "Helvetica Neue", Helvetica, Arial, "Liberation Sans", "DejaVu Sans", sans-serif;
  fill: #1f2d3d;
}
.page { fill: #ffffff; stroke: #d9e2ec; }
"""


def drawing(content: Markup, *, title: str, size: tuple[int, int], style: str) -> str:
    """Return the text of an SVG file of this size in pixels, in which many elements begin a line."""
    width, height = size
    drawn = element(
        "svg",
        element("title", title),
        Markup("<style>{}</style>").format(Markup(_STYLE + style)),
        element("rect", class_="page", x=0.5, y=0.5, width=width - 1, height=height - 1, rx=12),
        content,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
    )
    return re.sub(r"(</(?:g|defs|style|title)>|<path[^>]*></path>)", r"\1\n", str(drawn)) + "\n"
