"""URNs as Pulumi's engine makes them: a resource's own, and those that it may have had before.

Two runs of the program are compared by URN. The mocks of Pulumi's SDK keep only the type of the parent.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_STACK = "pulumi:pulumi:Stack"


def make(stack: str, project: str, parent: str, type: str, name: str) -> str:
    """Return the URN of a resource below a parent's URN; the type of the stack is left out.

    https://www.pulumi.com/docs/iac/concepts/resources/names/#urns
    """
    above = _qualified_type(parent) if parent else ""
    qualified = type if above in ("", _STACK) else f"{above}${type}"
    return f"urn:pulumi:{stack}::{project}::{qualified}::{name}"


def former(request: Any, own: str, parents: Iterable[str]) -> tuple[str, ...]:
    """Return the URNs that the aliases of a RegisterResourceRequest give it, its own and its parent's.

    `own` is its URN, `parents` are the former URNs of its parent. This follows `generateAliases` in
    https://github.com/pulumi/pulumi/blob/master/pkg/resource/deploy/step_generator.go
    """
    named = [alias.urn or _spelt_out(alias.spec, request, own) for alias in request.aliases]
    inherited = [_below(parent, each, request.parent) for parent in parents for each in (own, *named)]
    return tuple(dict.fromkeys(named + inherited))


def _spelt_out(spec: Any, request: Any, own: str) -> str:
    """Return the URN of an alias that specifies only what was different."""
    stack, project = own.removeprefix("urn:pulumi:").split("::")[:2]
    parent = "" if spec.noParent else spec.parentUrn or request.parent
    type, name = spec.type or request.type, spec.name or request.name
    return make(spec.stack or stack, spec.project or project, parent, type, name)


def _below(former_parent: str, child: str, parent: str) -> str:
    """Return a child's URN below a former parent, whose name replaces the parent's as prefix of its own."""
    stack, project = child.removeprefix("urn:pulumi:").split("::")[:2]
    type, name = _qualified_type(child).rpartition("$")[2], _name(child)
    if name.startswith(_name(parent)):
        name = _name(former_parent) + name.removeprefix(_name(parent))
    return make(stack, project, former_parent, type, name)


def _qualified_type(urn: str) -> str:
    return urn.split("::")[2]


def _name(urn: str) -> str:
    return urn.split("::", 3)[3]
