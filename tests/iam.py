"""IAM policy documents as the tests read and judge them: who may do what, by AWS's own rules.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local.program import Graph, Resource

Context = Mapping[str, str | tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement, everything in it a tuple; `principals` and `conditions` are empty when it has none."""

    sid: str
    effect: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    principals: Mapping[str, tuple[str, ...]]
    conditions: Mapping[str, Mapping[str, tuple[str, ...]]]
    elements: frozenset[str]

    @property
    def allows(self) -> bool:
        """Return whether its effect is Allow."""
        return self.effect == "Allow"

    def condition(self, key: str) -> tuple[str, ...]:
        """Return what a condition key is compared with, under any operator."""
        return tuple(
            v for keys in self.conditions.values() for k, values in keys.items() if k == key for v in values
        )

    def covers(self, action: str, resource: str, context: Context) -> bool:
        """Return whether it is about this action on this resource in this context."""
        return (
            any(matches(pattern, action) for pattern in self.actions)
            and any(matches(pattern, resource) for pattern in self.resources)
            and all(_holds(operator, keys, context) for operator, keys in self.conditions.items())
        )


@dataclass(frozen=True, kw_only=True)
class Document:
    """A policy as one input of a resource rendered it; `path` is where in the inputs it stands."""

    resource: Resource
    path: str
    raw: Mapping[str, Any]
    statements: tuple[Statement, ...]

    def __str__(self) -> str:
        return f"{self.resource.type.rpartition(':')[2]} {self.resource.name} {self.path}"


def parsed(raw: Mapping[str, Any]) -> tuple[Statement, ...]:
    """Return the statements of a policy document."""
    found = raw["Statement"]
    return tuple(_statement(each) for each in (found if isinstance(found, list) else [found]))


def documents(graph: Graph) -> tuple[Document, ...]:
    """Return every policy of a graph: any text in any resource's inputs that is one."""
    found = []
    for resource in graph.resources:
        for path, text in texts(resource.inputs):
            raw = _json(text)
            if isinstance(raw, dict) and "Statement" in raw:
                found.append(Document(resource=resource, path=path, raw=raw, statements=parsed(raw)))
    return tuple(found)


def texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text in a value, with where it stands (`rules[].destination.bucket`)."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from texts(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts(inner, f"{path}[]")


def matches(pattern: str, text: str) -> bool:
    """Return whether a text fits a pattern of IAM's: `*` is any characters, `?` is one."""
    spelled = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return bool(re.fullmatch(spelled, text, re.DOTALL))


def granting(
    statements: Iterable[Statement], action: str, resource: str, context: Context | None = None
) -> list[Statement]:
    """Return the statements by which an action on a resource is allowed; none when one of them denies it."""
    covering = [each for each in statements if each.covers(action, resource, context or {})]
    return covering if all(each.allows for each in covering) else []


def _statement(raw: Mapping[str, Any]) -> Statement:
    principal = raw.get("Principal", {})
    named = {"AWS": principal} if isinstance(principal, str) else principal
    return Statement(
        sid=raw.get("Sid", ""),
        effect=raw["Effect"],
        actions=_several(raw.get("Action", ())),
        resources=_several(raw.get("Resource", ())),
        principals={kind: _several(who) for kind, who in named.items()},
        conditions={
            operator: {key: _several(values) for key, values in keys.items()}
            for operator, keys in raw.get("Condition", {}).items()
        },
        elements=frozenset(raw),
    )


def _several(value: Any) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (str(value),)


def _holds(operator: str, keys: Mapping[str, tuple[str, ...]], context: Context) -> bool:
    quantifier, _, comparison = operator.rpartition(":")
    if comparison == "Null":
        return all((key not in context) == (value == "true") for key, (value,) in keys.items())
    if comparison == "StringNotEquals":
        return not any(_holds("StringEquals", {key: wanted}, context) for key, wanted in keys.items())
    compare = {
        "StringEquals": str.__eq__,
        "Bool": str.__eq__,
        "StringLike": matches,
        "ArnLike": matches,
        "ArnEquals": matches,
        "IpAddress": str.__eq__,
    }[comparison]

    def holds(key: str, wanted: tuple[str, ...]) -> bool:
        found = _several(context.get(key, ()))
        one = (any(compare(pattern, value) for pattern in wanted) for value in found)
        return all(one) if quantifier == "ForAllValues" else any(one)

    return all(holds(key, wanted) for key, wanted in keys.items())


def _json(text: str) -> Any:
    try:
        return json.loads(text) if text.startswith("{") else None
    except ValueError:
        return None
