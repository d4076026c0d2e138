"""The report of drills: one HTML file that asks for nothing else, with charts made here as SVG.

The modules beside this one are pure, one chart each; `page` puts them together.
"""

from __future__ import annotations

from local.drill.report.page import write

__all__ = ["write"]
