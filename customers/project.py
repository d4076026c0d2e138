"""Where the project is: the folder that holds the program, the stack files and the registry.

The code may be installed elsewhere, as a package; the project is what it works on.
"""

from __future__ import annotations

from pathlib import Path

#: The file by which a project's folder is recognised.
MARK = "Pulumi.yaml"


class ProjectNotFoundError(LookupError):
    """Neither a folder nor any folder above it holds a project; the message says what to do."""


def nearest(start: Path) -> Path | None:
    """Return the first folder, from `start` upwards, that is a project's; None when there is none."""
    start = start.resolve()
    return next((folder for folder in (start, *start.parents) if (folder / MARK).is_file()), None)


def find() -> Path:
    """Return the project's folder around the current one; ProjectNotFoundError when there is none."""
    here = Path.cwd()
    if found := nearest(here):
        return found
    raise ProjectNotFoundError(
        f"no project was found: neither {here} nor any folder above it holds {MARK}; "
        "change to the folder of the project, or to one below it"
    )
