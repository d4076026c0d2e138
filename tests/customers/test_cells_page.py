"""What docs/cells.md says of many customers is what the code of the quotas says."""

from __future__ import annotations

from pathlib import Path

from tests.customers import cells_table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cells.md"


def test_the_tables_are_those_that_the_code_makes() -> None:
    tables = PAGE.read_text().partition("<!-- tables -->\n\n")[2].partition("\n\n<!-- end of tables -->")[0]
    assert tables == cells_table.page()
