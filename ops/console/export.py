"""The console as files: a picture of one moment, for a mail or an archive, that no server is needed for."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ops.console.pages import PAGES
from ops.console.query import Query
from ops.console.reports import Report
from ops.console.site import Site
from ops.console.source import Source
from ops.plan import RefusedError

_Parameters = tuple[tuple[str, str], ...]
_PageKey = tuple[str, _Parameters]

#: The lists of an export; the files that they show for a person to decide on have their stories told, too.
_LISTS, _TOLD = ("transfers", "retrying", "held"), ("retrying", "held")


def export(
    source: Source,
    folder: Path,
    *,
    handbook: str | None,
    given: Sequence[Report],
    done: Callable[[], None],
) -> list[str]:
    """Write the pages to a new folder, all or none, and return their names, sorted.

    `done` is called after each page that asks AWS. Raises RefusedError if there is such a folder, or if it
    cannot be written to.
    """
    if folder.exists():
        raise RefusedError(f"--export: {folder} exists; name a folder that does not")
    asked: dict[_PageKey, str] = {
        ("overview", ()): "index.html",
        **{(name, ()): f"{name}.html" for name in _LISTS},
    }
    data: dict[_PageKey, dict[str, Any]] = {}
    for key in asked:
        data[key] = _make(source, *key)
        done()
    for name in _TOLD:
        for each in data[name, ()]["transfers"]:
            key = ("file", _key({"customer": each.customer, "key": each.key, "transfer": each.transfer}))
            asked.setdefault(key, f"file-{each.transfer}.html")
    for key in asked.keys() - data.keys():
        data[key] = _make(source, *key)
        done()
    names: dict[_PageKey, str] = {**asked, ("reports", ()): "reports.html", ("runbook", ()): "runbook.html"}
    names |= {("report", (("number", str(n)),)): f"report-{n}.html" for n in range(1, len(given) + 1)}

    def address(page: str, parameters: Mapping[str, str]) -> str | None:
        return names.get((page, _key(parameters)))

    site = Site(source.environment, address, handbook=handbook, reports=given, exported=True)
    pages: dict[str, bytes] = {asked[key]: site.render(key[0], its).encode() for key, its in data.items()}
    for name in ("reports", "runbook"):
        if (text := site.still(name)) is not None:
            pages[f"{name}.html"] = text.encode()
    pages |= {f"report-{number}.html": each.html for number, each in enumerate(given, start=1)}
    _write(folder, pages)
    return sorted(pages)


def _key(parameters: Mapping[str, str]) -> _Parameters:
    return tuple(sorted(parameters.items()))


def _make(source: Source, name: str, parameters: _Parameters) -> dict[str, Any]:
    page = PAGES[name]
    return page.make(source, Query(dict(parameters), page.parameters))


def _write(folder: Path, pages: Mapping[str, bytes]) -> None:
    """Write pages to a folder beside the one that is meant, which then gets its name."""
    new = folder.with_name(f".{folder.name}.new")
    try:
        shutil.rmtree(new, ignore_errors=True)  # of an export that was cut off
        new.mkdir(parents=True)
        for name, content in pages.items():
            (new / name).write_bytes(content)
        new.rename(folder)
    except OSError as error:
        shutil.rmtree(new, ignore_errors=True)
        raise RefusedError(f"--export: {folder} cannot be written: {error.strerror}") from error
