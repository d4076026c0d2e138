"""The scenarios of the drill, one a file: a title, what it shows, and `play` in the words of `Stage`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.drill.scenario_api import Stage

#: Their names, as `--scenario` takes them.
NAMES = tuple(sorted(each.name.replace("_", "-") for each in pkgutil.iter_modules(__path__)))


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One of them: `title` is the first line of its file."""

    name: str
    title: str
    play: Callable[[Stage], None]


def load(name: str) -> Scenario:
    """Return the scenario of a name that is one of NAMES."""
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    assert module.__doc__
    return Scenario(name=name, title=module.__doc__.splitlines()[0].rstrip("."), play=module.play)
