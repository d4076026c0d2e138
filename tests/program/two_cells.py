"""A project with two cells: the sample registry, of which half belongs to cell 2, and four stack files."""

from __future__ import annotations

import shutil
from pathlib import Path

from local import program

#: The stacks of each cell.
STACKS = {"1": ("gov-west", "gov-east"), "2": ("gov-west-2", "gov-east-2")}
#: The samples that belong to cell 2.
MOVED = ("agency-b", "agency-d")


def project(folder: Path) -> Path:
    """Write the project into a folder, with the stack files that the documentation has for cell 2."""
    customers = folder / "customers"
    customers.mkdir()
    for sample in (program.ROOT / "customers").glob("*.yaml"):
        cell = 'cell: "2"\n' if sample.stem in MOVED else ""
        (customers / sample.name).write_text(f"{sample.read_text()}{cell}")
    for stack_file in (*program.ROOT.glob("Pulumi*.yaml"), *(program.ROOT / "docs/cells").glob("*.yaml")):
        shutil.copy(stack_file, folder)
    return folder
