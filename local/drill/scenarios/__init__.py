"""The scenarios of the drill, one per file: a title, what it shows, and `play`, which uses `ScenarioApi`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.drill.scenario_api import ScenarioApi

#: The names of all scenarios, as `--scenario` takes them.
NAMES = tuple(sorted(each.name.replace("_", "-") for each in pkgutil.iter_modules(__path__)))


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A scenario; `title` is the first line of its file."""

    name: str
    title: str
    play: Callable[[ScenarioApi], None]


def load(name: str) -> Scenario:
    """Return the scenario with this name, one of NAMES."""
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    assert module.__doc__
    return Scenario(name=name, title=module.__doc__.splitlines()[0].rstrip("."), play=module.play)
