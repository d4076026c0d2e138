"""The stack files of a project: which stacks there are, and which cells they make.

The cell that a project began with is the pair `Pulumi.gov-west.yaml` and `Pulumi.gov-east.yaml`, whatever its
number. Every further cell has a pair of files that are named after it: cell 2 is made by
`Pulumi.gov-west-2.yaml` and `Pulumi.gov-east-2.yaml`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from runtime.contract import REGION_OF, SIDES

_PAIRED = re.compile(r"Pulumi\.gov-(?:west|east)(?P<suffix>-[1-9][0-9]{0,2}|)\.yaml")

Config = Mapping[str, Any]


class StackFileError(ValueError):
    """A stack file cannot be used; the message names the file and says what is wrong with it."""


def stack(side: str, suffix: str = "") -> str:
    """Return the name of a stack; `suffix` is that of its pair, such as `-2`."""
    return f"gov-{side}{suffix}"


def file_of(stack: str) -> str:
    """Return the name of a stack's file."""
    return f"Pulumi.{stack}.yaml"


def read(path: Path) -> Config:
    """Return the settings in a stack file; StackFileError if it cannot be read as one."""
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise StackFileError(f"{path.name}: cannot be read as a stack file: {reason}") from error
    config = document.get("config") if isinstance(document, dict) else None
    if not isinstance(config, dict):
        raise StackFileError(f"{path.name}: config: is not a mapping; is this a stack file?")
    return config


def text(value: object) -> str | None:
    """Return a value as text, as Pulumi reads it (a number needs no quotes); None for anything else."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


def suffixes(root: Path) -> tuple[str, ...]:
    """Return the suffixes of the pairs of which at least one file is below `root`, the first pair's first."""
    found = {match["suffix"] for path in root.glob("Pulumi.gov-*.yaml") if (match := _of_pair(path))}
    return tuple(sorted(found, key=lambda suffix: int(suffix[1:] or 0)))


def pair(root: Path, suffix: str, *, partly: bool = False) -> Mapping[str, Config]:
    """Return the settings of both stacks of a pair by their names; StackFileError if a file is unusable.

    If `partly` is true, one file may be missing.
    """
    files = {each: root / file_of(each) for each in (stack(side, suffix) for side in reversed(SIDES))}
    return {each: read(path) for each, path in files.items() if path.exists() or not partly}


def served_cells(root: Path) -> frozenset[str]:
    """Return the numbers of the cells that have a stack file in every region, of all files below `root`.

    Raises StackFileError if a stack file cannot be read.
    """
    configs = [read(file) for file in sorted(root.glob("Pulumi.?*.yaml"))]
    stacks = {(text(config.get("mft:cell")), config.get("mft:region")) for config in configs}
    cells = {cell for cell, _ in stacks if cell}
    return frozenset(cell for cell in cells if all((cell, region) in stacks for region in REGION_OF.values()))


def _of_pair(path: Path) -> re.Match[str] | None:
    return _PAIRED.fullmatch(path.name)
