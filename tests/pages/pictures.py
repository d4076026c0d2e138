"""Pictures that people draw or a browser takes: when what one shows changes, somebody has to look.

`python -m tests.pages.pictures NAME` says that a picture in docs/ shows what there is now. Before that it
takes drill-report.png anew, from the report of `make drill`, by headless Chromium, and console.png from a
console that runs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from local.program import ROOT
from tests.pages.approved import approved

#: Which hash of its subject each picture shows.
SHOWN = ROOT / "docs/pictures.json"


@dataclass(frozen=True)
class Picture:
    """A picture: `subject` is the hash of what it shows, `how` says how it is made anew."""

    subject: Callable[[], str]
    how: str


def _files(folder: str) -> Callable[[], str]:
    """Return what hashes the code and templates of a folder."""

    def subject() -> str:
        files = sorted((ROOT / folder).glob("*.*"))
        return _hash("".join(file.read_text() for file in files if file.suffix in (".py", ".html", ".css")))

    return subject


def _components() -> str:
    return _hash("\n".join(sorted({each.type for each in approved()})))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


PICTURES: Mapping[str, Picture] = {
    "architecture.svg": Picture(
        _components, "draw what is new in it, or see that it is no part of this picture"
    ),
    "console.png": Picture(
        _files("ops/console/templates"), "run `mft-ops console` beside `make up`, and this command"
    ),
    "drill-report.png": Picture(_files("local/drill/report"), "run `make drill`, and this command"),
}


def shown() -> dict[str, str]:
    """Return the hashes of the subjects that the pictures show."""
    found: dict[str, str] = json.loads(SHOWN.read_text())
    return found


def stale(name: str) -> str:
    """Return why a picture has to be looked at; "" if it shows what there is."""
    if shown().get(name) == PICTURES[name].subject():
        return ""
    return f"what docs/{name} shows has changed; {PICTURES[name].how}: python -m tests.pages.pictures {name}"


def _take(page: str, name: str) -> None:
    options = ("--headless", "--no-sandbox", "--hide-scrollbars", "--window-size=1080,999")
    command = ["chromium", *options, f"--screenshot={ROOT / 'docs' / name}", f"file://{ROOT / page}#run-1"]
    subprocess.run(command, check=True)


def main() -> None:
    """Take a picture that a browser takes, and note that it shows what there is now."""
    parser = argparse.ArgumentParser(prog="python -m tests.pages.pictures", description=__doc__)
    parser.add_argument("name", choices=PICTURES)
    name = parser.parse_args().name
    if name == "drill-report.png":
        _take(".build/drill.html", name)
    if name == "console.png":
        command = [sys.executable, "-m", "tests.browser", "http://127.0.0.1:8030/", str(ROOT / "docs" / name)]
        subprocess.run(command, cwd=ROOT, check=True)
    known = shown() if SHOWN.exists() else {}
    document = dict(sorted({**known, name: PICTURES[name].subject()}.items()))
    SHOWN.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
