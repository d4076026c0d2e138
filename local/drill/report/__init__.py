"""The report of drills: one self-contained HTML file, with charts drawn here as SVG.

The other modules are pure, one chart each; `page` puts them together.
"""

from __future__ import annotations

from local.drill.report.page import write

__all__ = ["write"]
