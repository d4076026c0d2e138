"""The picture of a failover: the timeline of a drill that was played, as its record has it.

`mft-local drill --scenario west-lost-with-its-control-planes --json | python -m tests.pages.failover_picture`
keeps the record of a run as docs/failover.json; `make pages` draws it.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from local.drill.report.svg import element, join
from local.program import ROOT
from tests.pages.drawing import drawing

RECORD = ROOT / "docs/failover.json"
_SCENARIO = "west-lost-with-its-control-planes"
_SOURCE = ROOT / "local/drill/scenarios/west_lost_with_its_control_planes.py"

_WIDTH, _ROW, _TOP = 1240, 34, 92
_CHARACTERS = 128
_COLORS = {
    "operator": "#8763c5",
    "platform": "#486581",
    "dns": "#d0a75e",
    "client": "#2f8f68",
    "partner": "#2f8f68",
}
_STYLE = """
.title { font-size: 16px; font-weight: 700; }
.note { font-size: 12.5px; fill: #52606d; }
.at { font-size: 12.5px; text-anchor: end; fill: #52606d; }
.who { font-size: 12.5px; font-weight: 600; }
.what { font-size: 12.5px; }
.line { stroke: #d9e2ec; stroke-width: 2; }
"""


def failover_picture() -> str:
    """Return the picture of the recorded run as SVG."""
    run = json.loads(RECORD.read_text())
    events = sorted(run["timeline"], key=lambda event: event["at"])
    height = _TOP + _ROW * len(events) + 62
    line = element("line", class_="line", x1=98, x2=98, y1=_TOP - 12, y2=_TOP + _ROW * (len(events) - 1) + 12)
    parts = [
        element("text", run["title"], class_="title", x=24, y=36),
        element("text", _about(run), class_="note", x=24, y=58),
        line,
        *(_event(event, _TOP + _ROW * number) for number, event in enumerate(events)),
        *_measured(run, height),
    ]
    return drawing(
        join(parts), title=f"Timeline of a drill: {run['title']}", size=(_WIDTH, height), style=_STYLE
    )


def _about(run: Mapping[str, Any]) -> str:
    scale = run["scale"]
    return (
        f"A recorded run on one machine, in its seconds: DNS runs {scale['dns']} times faster than deployed,"
        f" and the workflow's waits {scale['workflow']} times."
    )


def _event(event: Mapping[str, Any], y: int) -> Markup:
    return element(
        "g",
        element("text", f"{event['at']:.1f} s", class_="at", x=80, y=y + 4),
        element("circle", cx=98, cy=y, r=6, fill=_COLORS[event["who"]]),
        element("text", event["who"], class_="who", x=118, y=y + 4, fill=_COLORS[event["who"]]),
        element("text", _said(event["what"]), class_="what", x=190, y=y + 4),
    )


def _said(what: str) -> str:
    """Return a line of the timeline; of a verb that refused, what it said and not its JSON."""
    plain = re.sub(r': ops \w+ ended with \d+: \{"refused": "(.*)"\}$', r": \1", what)
    return plain if len(plain) <= _CHARACTERS else f"{plain[:_CHARACTERS]}..."


def _measured(run: Mapping[str, Any], height: int) -> Iterator[Markup]:
    measures = run["measures"]
    found = {"dns_moved": "DNS had moved", "first_delivered": "the survivor had delivered a first file"}
    said = [f"{words} after {measures[key]:.1f} s" for key, words in found.items() if measures[key]]
    yield element("text", f"After the decision: {'; '.join(said)}.", class_="note", x=24, y=height - 24)


def source() -> str:
    """Return the hash of the scenario whose run is drawn."""
    return hashlib.sha256(_SOURCE.read_bytes()).hexdigest()


def main() -> None:
    """Keep the record of the scenario's run that is on standard input; exit 1 if it is not one that held."""
    runs = [run for run in json.load(sys.stdin)["runs"] if run["scenario"] == _SCENARIO and run["held"]]
    if len(runs) != 1:
        sys.exit(f"standard input has {len(runs)} runs of {_SCENARIO} that held; one is needed")
    kept = ("scenario", "title", "seconds", "scale", "measures", "timeline")
    document = {"source": source(), **{name: runs[0][name] for name in kept}}
    RECORD.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
