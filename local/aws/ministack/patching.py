"""Loads MiniStack with changes, and refuses to if any of them no longer fits.

There are two kinds of change. An `Edit` replaces text in a module's source before it is compiled: for a line
in the middle of a function. An `@after` function runs once a module has been imported, and replaces its
functions: for anything larger. Both are named, so that an error can say which change does not fit.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.metadata
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any

PINNED = "1.5.33"
PACKAGE = "ministack"

# In two parts: no file of this program may spell out another partition's prefix.
_OTHER_PARTITION = "arn:" + "aws:"
_PARTITION = "arn:aws-us-gov:"
_COMPARED = re.compile(r'(artition"?(?: [!=]=| =|:)) "aws"')


class PatchError(RuntimeError):
    """MiniStack is not as a change expects it; the message names the change."""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A text that occurs exactly once in a module, and its replacement."""

    name: str
    why: str
    module: str  # below the package: `services.s3`
    old: str
    new: str

    def apply(self, source: str) -> str:
        """Return `source` with the text replaced; PatchError unless it occurs exactly once."""
        if (found := source.count(self.old)) != 1:
            where = f"{PACKAGE}.{self.module}"
            raise PatchError(f"change {self.name!r}: its text occurs {found} times in {where}, not once")
        return source.replace(self.old, self.new)


#: A module of MiniStack, or a class in one. MiniStack ships no types, so all its attributes are Any.
Module = Any

Change = Callable[[Module], None]

_AFTER: dict[str, list[Change]] = {}


def after(module: str) -> Callable[[Change], Change]:
    """Register a function that changes `module` (`services.s3`) when it has been imported."""

    def register(change: Change) -> Change:
        _AFTER.setdefault(module, []).append(change)
        return change

    return register


def original(change: str, module: Module, name: str) -> Any:
    """Return the attribute of `module` that `change` replaces or calls; PatchError if it does not exist."""
    try:
        return getattr(module, name)
    except AttributeError:
        raise PatchError(f"change {change!r}: {module.__name__} has no {name!r}") from None


def check_version() -> None:
    """Raise PatchError unless exactly the pinned MiniStack is installed."""
    try:
        found = importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise PatchError(f"{PACKAGE} is not installed; this needs {PACKAGE}=={PINNED}") from None
    if found != PINNED:
        raise PatchError(f"{PACKAGE} {found} is installed; its gaps are closed for {PINNED} only")


def in_partition(source: str) -> str:
    """Return a module's source with the hard-coded partition replaced in ARNs and comparisons."""
    return _COMPARED.sub(r'\1 "aws-us-gov"', source.replace(_OTHER_PARTITION, _PARTITION))


class _Loader(importlib.machinery.SourceFileLoader):
    """Compiles the changed source; neither reads nor writes the byte code caches of the installation."""

    edits: dict[str, list[Edit]]

    def get_code(self, fullname: str) -> CodeType:
        source = self.get_data(self.path).decode()
        for edit in self.edits.get(fullname.removeprefix(f"{PACKAGE}."), ()):
            source = edit.apply(source)
        return self.source_to_code(in_partition(source), self.path)

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        for change in _AFTER.get(module.__name__.removeprefix(f"{PACKAGE}."), ()):
            change(module)


def install(edits: list[Edit]) -> None:
    """Import MiniStack's server and every changed module; PatchError if a change does not fit.

    They are imported at once, so that a change that does not fit is known before the first request.
    """
    by_module: dict[str, list[Edit]] = {}
    for edit in edits:
        by_module.setdefault(edit.module, []).append(edit)

    class Finder(importlib.machinery.PathFinder):
        @classmethod
        def find_spec(
            cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
        ) -> ModuleSpec | None:
            if fullname.partition(".")[0] != PACKAGE:
                return None
            spec = super().find_spec(fullname, path, target)
            if spec and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
                spec.loader = _Loader(spec.loader.name, spec.loader.path)
                spec.loader.edits = by_module
            return spec

    if any(name.partition(".")[0] == PACKAGE for name in sys.modules):
        raise PatchError(f"{PACKAGE} was imported before its changes")
    sys.meta_path.insert(0, Finder)
    for name in sorted({"app"} | set(by_module) | set(_AFTER)):
        importlib.import_module(f"{PACKAGE}.{name}")
