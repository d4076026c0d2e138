"""The pages: every decision is in the index, and every link between pages leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.test_house import ROOT, tracked

DECISIONS = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))
FILES = set(tracked())
PAGES = sorted(path for path in FILES if path.suffix == ".md")


def head(page: Path) -> tuple[str, ...]:
    """Return number, title, status and date of a decision, as its first and third line have them."""
    first, _, third, *_ = page.read_text().splitlines()
    title = re.fullmatch(r"# (\d{4})\. (.+)", first)
    status = re.fullmatch(r"Status: (accepted|superseded by \d{4}), (\d{4}-\d{2}-\d{2})", third)
    assert title, f"{page.name}: {first}"
    assert status, f"{page.name}: {third}"
    return (*title.groups(), *status.groups())


def test_the_index_lists_every_decision_as_its_page_has_it() -> None:
    row = re.compile(r"\| \[(\d{4})\]\((.+?)\) \| (.+) \| (.+) \| (.+) \|")
    listed = row.findall((ROOT / "docs/adr/README.md").read_text())
    pages = {page.name: head(page) for page in DECISIONS}
    assert [(name, (number, *rest)) for number, name, *rest in listed] == list(pages.items())
    assert [int(number) for number, *_ in listed] == list(range(1, len(DECISIONS) + 1))


def test_the_list_of_pages_names_every_page() -> None:
    listed = set(re.findall(r"^\| \[(.+?)\]", (ROOT / "docs/README.md").read_text(), re.MULTILINE))
    assert listed == {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"} | {"adr/"}


def test_the_site_has_every_page_in_its_contents() -> None:
    """Decisions are in the contents by their index."""
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    entries = [page for section in settings["nav"] for pages in section.values() for page in pages]
    listed = [page if isinstance(page, str) else next(iter(page.values())) for page in entries]
    assert len(set(listed)) == len(listed)
    here = [page for page in listed if not page.startswith("project/")]
    assert set(here) == {path.name for path in (ROOT / "docs").glob("*.md")} | {"adr/README.md"}
    for page in set(listed) - set(here):
        assert (ROOT / page.removeprefix("project/")).exists()


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text()):
        name, _, anchor = target.partition("#")
        other = (page.parent / name).resolve() if name else page
        known = other in FILES
        assert known, f"{page.name} links to {target}, which is no file of the project"
        assert not anchor or anchor in anchors(other), f"{page.name} links to {target}"
