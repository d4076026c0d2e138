"""The differences between two recorded graphs of a stack, as the operations that Pulumi would carry out.

What the engine only knows from AWS is missing: drift, defaults, and values that AWS assigns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, assert_never

from local.preview.replacement import LOSES, forces_replacement
from local.preview.values import differences, leaves, within
from local.program import Graph, Resource

TENANT = "mft:tenant:Tenant"

#: The ends of the paths of properties that say for how long data is kept.
_KEPT_FOR = (
    "expiration.days",
    "noncurrentVersionExpiration.noncurrentDays",
    "messageRetentionSeconds",
    "retentionInDays",
)


class Operation(StrEnum):
    """What becomes of a resource, the worst first.

    A resource dangles if it goes on naming another that goes, because changes of that property are ignored. A
    released resource stays in AWS, and Pulumi forgets it.
    """

    DELETE = "delete"
    REPLACE = "replace"
    DANGLE = "dangle"
    RELEASE = "release"
    CHANGE = "change"
    ADD = "add"

    @property
    def destroys(self) -> bool:
        """Whether AWS deletes what the base describes."""
        match self:
            case Operation.DELETE | Operation.REPLACE:
                return True
            case Operation.DANGLE | Operation.RELEASE | Operation.CHANGE | Operation.ADD:
                return False
            case _:
                assert_never(self)

    @property
    def lets_go(self) -> bool:
        """Whether the resource that the base describes is Pulumi's no longer."""
        return self.destroys or self is Operation.RELEASE


@dataclass(frozen=True, kw_only=True)
class PropertyChange:
    """A property whose value changes. None stands for an absent value; the values of a secret are not kept.

    `follows` is the name of a resource that is replaced or goes, if the value contains its id, ARN or name.
    """

    path: str
    old: Any = None
    new: Any = None
    secret: bool = False
    follows: str = ""
    replaces: bool = False


@dataclass(frozen=True, kw_only=True)
class ResourceChange:
    """What becomes of a resource. `customer` is the id of the customer it belongs to, "" for the cell."""

    action: Operation
    type: str
    name: str
    customer: str = ""
    changes: tuple[PropertyChange, ...] = ()
    was_protected: bool = False
    is_protected: bool = False

    @property
    def breaches(self) -> bool:
        """Whether a resource goes that is protected in the base."""
        return self.action.lets_go and self.was_protected

    @property
    def refused(self) -> bool:
        """Whether Pulumi itself would refuse.

        Before a deletion it checks `protect` in the state, before a replacement in both state and program:
        https://github.com/pulumi/pulumi/blob/master/pkg/resource/deploy/step_generator.go
        """
        return self.breaches and (self.action is not Operation.REPLACE or self.is_protected)

    @property
    def loses(self) -> str:
        """What would be lost for good, "" for nothing."""
        return LOSES.get(self.type, "") if self.action.destroys else ""

    @property
    def bares(self) -> bool:
        """Whether a resource that holds data stays, but is no longer protected."""
        return (
            self.action is Operation.CHANGE
            and self.type in LOSES
            and self.was_protected
            and not self.is_protected
        )

    @property
    def shortens(self) -> tuple[PropertyChange, ...]:
        """The changes after which data is kept for a shorter time, so that older data is deleted."""
        return tuple(
            change
            for change in self.changes
            if change.path.endswith(_KEPT_FOR)
            and isinstance(change.old, int)
            and isinstance(change.new, int)
            and change.new < change.old
        )


def compare(base: Graph, head: Graph) -> tuple[ResourceChange, ...]:
    """Return the changes between two graphs of a stack: the cell's, then each customer's, worst first."""
    olds = {each.urn: each for each in base.resources}
    owner_before, owner = _owners(base), _owners(head)
    anew: dict[str, Resource] = {}
    kept: dict[str, Resource] = {}  # what each resource of the head was in the base
    steps = []
    for new in head.resources:  # registered after everything that it depends on
        old = next((olds.pop(urn) for urn in (new.urn, *new.former_urns) if urn in olds), None)
        if not new.custom:
            continue
        if old is None:
            anew[new.urn] = new
            steps.append(
                ResourceChange(action=Operation.ADD, type=new.type, name=new.name, customer=owner[new.urn])
            )
            continue
        kept[new.urn] = old
        changes = (*_changes(old, new, anew), *_of_provider(old, new, anew, kept))
        if any(change.replaces for change in changes):
            anew[new.urn] = new
            steps.append(_step(Operation.REPLACE, old, new, owner[new.urn], changes))
        elif changes:
            steps.append(_step(Operation.CHANGE, old, new, owner[new.urn], changes))
    for old in olds.values():
        if old.custom:
            action = Operation.RELEASE if old.retain_on_delete else Operation.DELETE
            steps.append(_step(action, old, None, owner_before[old.urn]))
    gone = olds | {kept[urn].urn: kept[urn] for urn in anew if urn in kept}
    for new in head.resources:
        if new.urn in kept and new.urn not in anew and (left := tuple(_left(kept[new.urn], new, gone))):
            steps.append(_step(Operation.DANGLE, kept[new.urn], new, owner[new.urn], left))
    order = list(Operation)
    return tuple(
        sorted(steps, key=lambda each: (each.customer, order.index(each.action), each.type, each.name))
    )


def _step(
    action: Operation,
    old: Resource,
    new: Resource | None,
    customer: str,
    changes: tuple[PropertyChange, ...] = (),
) -> ResourceChange:
    return ResourceChange(
        action=action,
        type=old.type,
        name=(new or old).name,
        customer=customer,
        changes=changes,
        was_protected=old.protect,
        is_protected=bool(new and new.protect),
    )


def _owners(graph: Graph) -> dict[str, str]:
    """Return the customer that each resource belongs to, "" for the cell, by URN."""
    owners: dict[str, str] = {}
    for each in graph.resources:
        owners[each.urn] = each.name if each.type == TENANT else owners.get(each.parent, "")
    return owners


def _changes(old: Resource, new: Resource, anew: Mapping[str, Resource]) -> Iterator[PropertyChange]:
    found = [*_of_properties(old, new)]
    found += _of_dependencies(new, anew, {change.path for change in found})
    for change in found:
        if not any(within(change.path, ignored) for ignored in new.ignore_changes):
            yield change
    for option in ("protect", "retain_on_delete"):
        before, after = getattr(old, option), getattr(new, option)
        if before is not after:
            yield PropertyChange(path=option, old=before, new=after)


def _left(old: Resource, new: Resource, gone: Mapping[str, Resource]) -> Iterator[PropertyChange]:
    """Yield each property whose changes are ignored and whose value names a resource that goes."""
    for name, urns in sorted(old.property_dependencies.items()):
        if any(within(name, ignored) for ignored in new.ignore_changes):
            for urn in sorted(set(urns) & gone.keys()):
                yield PropertyChange(path=name, follows=gone[urn].name)


def _of_properties(old: Resource, new: Resource) -> Iterator[PropertyChange]:
    for name in sorted(old.inputs.keys() | new.inputs.keys()):
        found = [*differences(old.inputs.get(name), new.inputs.get(name), name)]
        forcing = {path for path, *_ in found if forces_replacement(new.type, path, new.replace_on_changes)}
        if found and name in old.secrets | new.secrets:
            yield PropertyChange(path=name, secret=True, replaces=bool(forcing))
        else:
            for path, before, after in found:
                yield PropertyChange(path=path, old=before, new=after, replaces=path in forcing)


def _of_dependencies(
    new: Resource, anew: Mapping[str, Resource], known: Iterable[str]
) -> Iterator[PropertyChange]:
    """Yield the properties whose value changes because it comes from a resource that is made anew."""
    for name, urns in sorted(new.property_dependencies.items()):
        for source in (anew[urn] for urn in sorted(urns) if urn in anew):
            for path in _mentions(new.inputs.get(name), source, name):
                if not any(within(path, other) or within(other, path) for other in known):
                    replaces = forces_replacement(new.type, path, new.replace_on_changes)
                    yield PropertyChange(path=path, follows=source.name, replaces=replaces)


def _of_provider(
    old: Resource, new: Resource, anew: Mapping[str, Resource], kept: Mapping[str, Resource]
) -> Iterator[PropertyChange]:
    """Yield the change of provider, for which Pulumi replaces a resource."""
    before, after = (each.provider.rpartition("::")[0] for each in (old, new))
    if after in anew:
        yield PropertyChange(path="provider", follows=anew[after].name, replaces=True)
    elif before != (kept[after].urn if after in kept else after):
        yield PropertyChange(path="provider", old=_last(before), new=_last(after), replaces=True)


def _mentions(value: Any, source: Resource, path: str) -> Iterator[str]:
    """Yield the paths in a property whose value contains an id or output of a resource."""
    if not isinstance(value, dict | list):
        yield path
        return
    names = [source.id, *(each for each in source.outputs.values() if isinstance(each, str))]
    for below, leaf in leaves(value, path):
        if isinstance(leaf, str) and any(each in leaf for each in names):
            yield below


def _last(urn: str) -> str:
    return urn.rpartition("::")[2]
