"""The kinds of updates of a stack, each as two recorded graphs: how it is before, and how it is after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from local.program import Graph, Resource
from tests.program.conftest import record, with_lifecycle

_STACK = "gov-west"
_FUNCTION = "aws:lambda/function:Function"


@dataclass(frozen=True)
class Update:
    """A kind of update: `notices` says what customers notice of it."""

    name: str
    graphs: Callable[[], tuple[Graph, Graph]]
    notices: str


def _sample(**settings: str) -> Graph:
    return record(_STACK, config={f"mft:{name}": value for name, value in settings.items()})


def plain(graph: Graph) -> Graph:
    """Return a graph whose functions' code is its path, by which two recordings compare."""

    def made(each: Resource) -> Resource:
        inputs = {**each.inputs, "code": getattr(each.inputs.get("code"), "path", each.inputs.get("code"))}
        return replace(each, inputs=inputs) if each.type == _FUNCTION else each

    return replace(graph, resources=tuple(map(made, graph.resources)))


def _other_code() -> tuple[Graph, Graph]:
    """Return the sample with other code of the functions, as a release has it."""

    def released(each: Resource) -> Resource:
        return replace(each, inputs={**each.inputs, "code": "another"}) if each.type == _FUNCTION else each

    graph = _sample()
    return graph, replace(graph, resources=tuple(map(released, graph.resources)))


def _stage(before: str, after: str) -> Callable[[], tuple[Graph, Graph]]:
    """Return the graphs of a customer's two stages."""

    def graphs() -> tuple[Graph, Graph]:
        with TemporaryDirectory() as folder:
            found = []
            for stage in (before, after):
                place = Path(folder) / stage
                place.mkdir()
                found.append(record(_STACK, root=with_lifecycle(stage, id="c7k2m", to=place)))
        return found[0], found[1]

    return graphs


def _added() -> tuple[Graph, Graph]:
    """Return the sample without one of its customers, and with it."""
    with TemporaryDirectory() as folder:
        place = with_lifecycle("active", id="c7k2m", to=Path(folder))
        for file in (place / "customers").glob("*.yaml"):
            if "\nid: c7k2m" in f"\n{file.read_text()}":
                file.unlink()
        return record(_STACK, root=place), _sample()


def _setting(name: str, before: str, after: str) -> Callable[[], tuple[Graph, Graph]]:
    return lambda: (_sample(**{name: before}), _sample(**{name: after}))


NOTHING = "nothing"

CODE = Update("a release: other code of the functions", _other_code, NOTHING)
UPDATES = (
    CODE,
    Update(
        "a customer is added", _added, f"{NOTHING}; the new one can send once it is `active` in both regions"
    ),
    Update("a customer: `onboarding` to `active`", _stage("onboarding", "active"), "its names appear in DNS"),
    Update("a customer: `active` to `closing`", _stage("active", "closing"), NOTHING),
    Update("a customer: `closing` to `draining`", _stage("closing", "draining"), "it can send no more files"),
    Update(
        "a customer: `draining` to `retired`",
        _stage("draining", "retired"),
        "it gets no more receipts; its data stays until its retention ends",
    ),
    Update("`peer`: `absent` to `present`", _setting("peer", "absent", "present"), NOTHING),
    Update(
        "`automaticFailover`: `false` to `true`",
        _setting("automaticFailover", "false", "true"),
        "names move by themselves from now on",
    ),
    Update(
        "`switch`: `alarm` to `endpoint`",
        _setting("switch", "alarm", "endpoint"),
        f"{NOTHING}; an evacuation that is under way meanwhile is not safe",
    ),
)
