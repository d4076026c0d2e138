"""Writes the parts of docs/ that are computed; with `--check` it says which are not current."""

from __future__ import annotations

import argparse

from local.program import ROOT
from tests.pages.pages import cheap, costly

DOCS = ROOT / "docs"


def main() -> int:
    """Write or check the pages; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.pages", description=__doc__)
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; leaves out those for which the program has to run",
    )
    checks = parser.parse_args().check
    stale = 0
    for name, text in (cheap() if checks else {**cheap(), **costly()}).items():
        path = DOCS / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        if checks:
            print(f"docs/{name} is not current; run: make pages")
        else:
            path.write_text(text, encoding="utf-8")
            print(f"docs/{name} is written anew")
    return int(checks and stale > 0)


if __name__ == "__main__":
    raise SystemExit(main())
