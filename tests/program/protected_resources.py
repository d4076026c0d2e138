"""The approved list of protected resources: none of them may vanish, be bared or replaced unseen.

`python -m tests.program.protected_resources` adds those that are new. It takes none away: that is done by
hand, in the file, by whoever means it (docs/upgrade.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from local.preview.replacement import REPLACES
from local.program import Graph, Resource
from tests.program.approved_graphs import FOLDER, _value

FILE = FOLDER / "protected.yaml"
HELP = (
    "if that is meant, follow docs/upgrade.md#protected-resources, and then take its entry out of"
    " tests/program/approved/protected.yaml"
)
_HEAD = (
    "# Every protected resource with the inputs whose change would replace it. To add new ones:\n"
    "# python -m tests.program.protected_resources. An entry is only ever removed by hand: docs/upgrade.md\n"
)

#: By stack, by the part of the URN that the program decides: the inputs that force a replacement.
Approved = dict[str, dict[str, dict[str, Any]]]


def approved() -> Approved:
    """Return the approved list."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: Approved = yaml.load(FILE.read_text(), loader)
    return found


def protected(graph: Graph) -> dict[str, dict[str, Any]]:
    """Return the protected resources of a graph in the form of the list."""
    return {_name(each.urn): _forcing(each) for each in graph.resources if each.protect}


def complaints(graph: Graph, listed: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield a sentence for every resource of the list that the graph lacks, bares or would replace."""
    known = {_name(urn): each for each in graph.resources for urn in (*each.former_urns, each.urn)}
    for name, forcing in listed.items():
        resource = known.get(name)
        where = f"{graph.stack}: {name}"
        if resource is None:
            yield f"{where} is gone: an update would delete it, and Pulumi refuses; {HELP}"
        elif not resource.protect:
            yield f"{where} is no longer protected: nothing would stop a later deletion; {HELP}"
        else:
            now = _forcing(resource)
            for path in sorted({*forcing, *now}):
                if forcing.get(path) != now.get(path):
                    change = f"{path} was {forcing.get(path)!r} and is {now.get(path)!r}"
                    yield f"{where} would be replaced, because {change}; {HELP}"


def _forcing(resource: Resource) -> dict[str, Any]:
    found = {}
    for path in REPLACES[resource.type]:
        value: Any = resource.inputs
        for step in path.split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
        if value is not None:
            found[path] = _value(value)
    return found


def _name(urn: str) -> str:
    return urn.split("::", 2)[2]


def merged(listed: Approved, found: Approved) -> Approved:
    """Return the list with what is new; what it has stays as it is."""
    return {stack: {**of_stack, **listed.get(stack, {})} for stack, of_stack in found.items()}


if __name__ == "__main__":
    from tests.program.conftest import STACKS, record

    new = {stack: protected(record(stack)) for stack in STACKS}
    document = merged(approved() if FILE.exists() else {}, new)
    FILE.write_text(_HEAD + yaml.safe_dump(document, sort_keys=True, width=1_000_000, allow_unicode=True))
