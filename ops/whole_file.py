"""Files that are written completely or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path


def replace(path: Path, text: str) -> None:
    """Write a file, completely or not at all; it keeps its mode."""
    path = path.resolve()
    new = _beside(path, text)
    if path.exists():
        shutil.copymode(path, new)
    new.replace(path)


def create(path: Path, text: str) -> None:
    """Write a new file, completely or not at all; FileExistsError when there is one."""
    new = _beside(path, text)
    try:
        path.hardlink_to(new)  # unlike a rename, it never replaces a file
    finally:
        new.unlink()


def _beside(path: Path, text: str) -> Path:
    """Return a file with this text in the same folder. Its name is hidden: the registry ignores it."""
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(text.encode())
    return new
