"""What a replacement of a resource takes along, computed from the recorded graph of a stack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property

from local.preview.replacement import forces_replacement
from local.program import Graph, Resource

#: Components that only bundle what a function needs; its own component is the one around it.
_WRAPPERS = {"mft:functions:Function"}


class BlastRadius:
    """The resources of one stack, and which of them follow when one is replaced."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    @cached_property
    def _by_urn(self) -> Mapping[str, Resource]:
        return {each.urn: each for each in self._graph.resources}

    @cached_property
    def _dependents(self) -> Mapping[str, Sequence[tuple[Resource, str]]]:
        """Every resource that names another in a property that is not ignored, by the URN of the other."""
        found: dict[str, list[tuple[Resource, str]]] = {}
        for each in self._graph.resources:
            for name, urns in each.property_dependencies.items():
                if name not in each.ignore_changes:
                    for urn in urns:
                        found.setdefault(urn, []).append((each, name))
        return found

    def component(self, resource: Resource) -> str:
        """Return the type of the component that a resource belongs to."""
        at = resource
        while at.parent in self._by_urn:
            at = self._by_urn[at.parent]
            if at.type not in _WRAPPERS:
                return at.type
        return at.type

    def replaced_with(self, resource: Resource) -> Counter[str]:
        """Return the types of what has to be replaced because this resource is, with their numbers."""
        return Counter(each.type for each in self._follow(resource))

    def changed_with(self, resource: Resource) -> Counter[str]:
        """Return the types of what is changed in place because this resource, or one that follows, is new."""
        gone = [resource, *self._follow(resource)]
        urns = {each.urn for each in gone}
        changed = {
            each.urn: each.type
            for one in gone
            for each, _ in self._dependents.get(one.urn, ())
            if each.urn not in urns
        }
        return Counter(changed.values())

    def _follow(self, resource: Resource) -> list[Resource]:
        found: dict[str, Resource] = {}
        waiting = [resource]
        while waiting:
            for each, name in self._dependents.get(waiting.pop().urn, ()):
                if each.urn not in found and forces_replacement(each.type, name, each.replace_on_changes):
                    found[each.urn] = each
                    waiting.append(each)
        return list(found.values())
