"""The report as one page: the records of all runs, and the commitments, in a template."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from markupsafe import Markup

from local.drill.commitments import COMMITMENTS
from local.drill.report.answers import answers
from local.drill.report.fates import counted, fate_of, fates, legend
from local.drill.report.spread import in_words, spread
from local.drill.report.timeline import MOMENTS, numbered, timeline
from ops import page_templates

Run = Mapping[str, Any]

_MEASURES = {
    "dns_moved": "Decision to DNS moved",
    "first_delivered": "Decision to first file delivered by the survivor",
    "all_accounted": "Decision to last in-flight file accounted for",
}
#: What runs faster than in production, by the key of a run's scale.
_SCALED = {"dns": "alarms' periods and DNS TTLs", "workflow": "the workflow's waits and retries"}


def write(runs: Sequence[Run], path: Path) -> None:
    """Write the report of runs, which are documents of `local.drill.runs.Run`, as one HTML file.

    The file is written whole or not at all. Raises OSError if it cannot be written.
    """
    new = path.with_name(f".{path.name}.new")
    new.write_text(render(runs, made=datetime.now(UTC)), encoding="utf-8")
    new.replace(path)


def render(runs: Sequence[Run], *, made: datetime) -> str:
    """Return the report as HTML, with the runs in the given order."""
    scenarios = _grouped(runs)
    by_fate = [(name, counted(_transfers(of_one))) for name, of_one in scenarios.items()]
    firsts = {id(of_one[0]) for of_one in scenarios.values()}
    page: str = _template().render(
        made=f"{made:%Y-%m-%d %H:%M} UTC",
        runs=[_run(number, run, is_first=id(run) in firsts) for number, run in enumerate(runs, start=1)],
        scenarios=[_scenario(of_one, runs) for of_one in scenarios.values()],
        not_held=sum(not all(run["held"] for run in of_one) for of_one in scenarios.values()),
        tiles=_tiles(runs, scenarios),
        scales=_scales(runs),
        commitments=COMMITMENTS,
        spreads=list(_spreads(scenarios)),
        fates=fates(by_fate, about="all runs"),
        legend=legend(by_fate),
        calls=_calls(runs),
    )
    return page


def _template() -> Any:
    environment = page_templates.environment(Path(__file__).parent)
    environment.filters["seconds"] = lambda value: "-" if value is None else f"{value:.1f} s"
    style = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
    environment.globals["style"] = Markup(style)  # noqa: S704 - our own file
    return environment.get_template("page.html")


def _grouped(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Return the runs by scenario; runs with different scales are apart, for their seconds differ."""
    scales = {tuple(sorted(run["scale"].items())) for run in runs}
    found: dict[str, list[Run]] = {}
    for run in runs:
        scale = f", DNS {run['scale']['dns']} times" if len(scales) > 1 else ""
        found.setdefault(f"{run['scenario']}{scale}", []).append(run)
    return found


def _tiles(runs: Sequence[Run], scenarios: Mapping[str, Sequence[Run]]) -> list[tuple[str, str, bool]]:
    """Return the figures at the top: what is counted, how many, and whether that is bad."""
    held = [bool(holds) for run in runs for _, holds in run["expectations"]]
    transfers = _transfers(runs)
    open_ = counted(transfers)["open"]
    twice = sum(transfer["sent"] > 1 for transfer in transfers)
    return [
        ("scenarios", f"{len(scenarios):,}", False),
        ("runs", f"{len(runs):,}", False),
        ("expectations held", f"{sum(held):,} of {len(held):,}", not all(held)),
        ("files acknowledged", f"{len(transfers):,}", False),
        ("not accounted for", f"{open_:,}", bool(open_)),
        ("sent to one destination twice", f"{twice:,}", bool(twice)),
    ]


def _scenario(of_one: Sequence[Run], runs: Sequence[Run]) -> dict[str, Any]:
    measures = [run["measures"] for run in of_one]
    lost = [measure["rpo_files"] for measure in measures if measure["rpo_files"] is not None]
    ages = [age for measure in measures for age in measure["rpo_ages"]]
    return {
        "title": of_one[0]["title"],
        "name": of_one[0]["scenario"],
        "runs": len(of_one),
        "held": sum(run["held"] for run in of_one),
        "first": runs.index(of_one[0]) + 1,
        "rto": [in_words(_values(of_one, key)) for key in _MEASURES],
        "rpo_files": _between(lost) if lost else "-",
        "rpo_age": f"{max(ages):.1f} s" if ages else "-",
    }


def _spreads(scenarios: Mapping[str, Sequence[Run]]) -> Iterator[tuple[str, Markup]]:
    for key, title in _MEASURES.items():
        yield title, spread(title, {name: _values(of_one, key) for name, of_one in scenarios.items()})
    ages = {
        name: [age for run in of_one for age in run["measures"]["rpo_ages"]]
        for name, of_one in scenarios.items()
    }
    title = "RPO: age of each file that had not replicated"
    yield title, spread(title, ages)


def _values(of_one: Iterable[Run], key: str) -> list[float]:
    return [value for run in of_one if (value := run["measures"][key]) is not None]


def _run(number: int, run: Run, *, is_first: bool) -> dict[str, Any]:
    rows = [(run["scenario"], counted(run["transfers"]))]
    measures = run["measures"]
    return {
        **run,
        "number": number,
        "is_open": is_first or not run["held"],  # further runs of a scenario are collapsed
        "events": numbered(run),
        "expectations": sorted(run["expectations"], key=lambda expectation: bool(expectation[1])),
        "moments": [(name, measures[key]) for key, name in MOMENTS.items()],
        "timeline": timeline(run),
        "answers": answers(run),
        "fates": fates(rows, about=run["title"]),
        "legend": legend(rows),
        "transfers": [{**each, "is_open": fate_of(each) == "open"} for each in run["transfers"]],
    }


def _transfers(runs: Iterable[Run]) -> list[Mapping[str, Any]]:
    return [transfer for run in runs for transfer in run["transfers"]]


def _scales(runs: Iterable[Run]) -> list[str]:
    """Return, in words, what ran how many times faster than in production."""
    found: dict[str, set[int]] = {}
    for run in runs:
        for key, factor in run["scale"].items():
            found.setdefault(key, set()).add(factor)
    return [
        f"{_SCALED.get(key, key)} run {' or '.join(f'{each:,}' for each in sorted(factors))} times faster"
        for key, factors in found.items()
    ]


def _calls(runs: Iterable[Run]) -> list[tuple[str, list[tuple[str, ...]]]]:
    """Return each verb's calls by region, endpoint and operation, with the range of counts per run."""
    counts: dict[tuple[str, ...], list[int]] = {}
    times = Counter[str]()
    for run in runs:
        for verb, calls in run["calls"].items():
            times[verb] += 1
            for call, count in calls.items():
                counts.setdefault((verb, *call.split(" ", 2)), []).append(count)
    rows = [
        (verb, *where, _between([*found, *[0] * (times[verb] - len(found))]))
        for (verb, *where), found in sorted(counts.items())
    ]
    return [(verb, [row[1:] for row in of_one]) for verb, of_one in groupby(rows, key=lambda row: row[0])]


def _between(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
