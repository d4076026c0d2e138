"""Renders a Pulumi resource's inputs in the words of another description of the same resource."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, Protocol

#: By a path of Pulumi's (`rules.filter.prefix`, without indices), the path of members below the same parent
#: (`LifecycleConfiguration.Rules`; `[]` after a member is the only item of a list). "" leaves the input out.
Renames = Mapping[str, str]


Kind = Literal["structure", "list", "map", "text", "number", "other"]


class Node(Protocol):
    """A place in the other description: a structure with members, a list or map with items, or a scalar."""

    @property
    def kind(self) -> Kind: ...

    @property
    def members(self) -> Mapping[str, Node]: ...

    @property
    def item(self) -> Node: ...


class UnmappedError(LookupError):
    """An input has no counterpart in the other description; the message is its path."""


def translate(node: Node, inputs: Any, renames: Renames, path: str = "") -> Any:
    """Return inputs with the names and the nesting that `node` has.

    A name matches a member that differs in capitals and underscores only, or is its singular or plural. A map
    becomes a list of names and values or of one structure, a list of one item a structure, and JSON text a
    document, where the other description has those.
    Raises UnmappedError for an input that neither matches nor is renamed.
    """
    if isinstance(inputs, Mapping):
        if node.kind == "map":
            return {key: translate(node.item, value, renames, path) for key, value in inputs.items()}
        if node.kind == "list" and "Name" in node.item.members:
            return [{"Name": key, "Value": value} for key, value in inputs.items()]
        if node.kind == "list":
            return [translate(node.item, inputs, renames, path)]
        return _structure(node, inputs, renames, path)
    if isinstance(inputs, list | tuple):
        if node.kind == "list":
            return [translate(node.item, each, renames, path) for each in inputs]
        (only,) = inputs
        return translate(node, only, renames, path)
    return _scalar(node, inputs)


def _structure(node: Node, inputs: Mapping[str, Any], renames: Renames, path: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in inputs.items():
        here = f"{path}.{key}" if path else key
        target = renames[here] if here in renames else _member(node, key)
        if target is None:
            raise UnmappedError(here)
        if value is None or target == "":
            continue
        place, at = found, node
        *outer, last = target.split(".")
        for step in outer:
            name = step.removesuffix("[]")
            at = at.members[name]
            if step.endswith("[]"):
                at = at.item
                place = place.setdefault(name, [{}])[0]
            else:
                place = place.setdefault(name, {})
        at = at.item if at.kind == "map" else at.members[last]
        place[last] = translate(at, value, renames, here)
    return found


def _member(node: Node, key: str) -> str | None:
    members = {name.replace("_", "").lower(): name for name in node.members}
    low = key.lower()
    for form in (low, low.removesuffix("s"), f"{low}s"):
        if form in members:
            return members[form]
    return None


def _scalar(node: Node, value: Any) -> Any:
    if isinstance(value, str) and node.kind in ("structure", "map", "other") and value.startswith("{"):
        return json.loads(value)
    if isinstance(value, bool):
        return str(value).lower() if node.kind == "text" else value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if node.kind == "text" and isinstance(value, int | float):
        return str(value)
    return value
