"""Properties of resources as plain data: where two of them differ, and what is in them.

A path is written as in Pulumi, `rules[0].expiration.days`, but with an element's own name in place of its
number if it has one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

#: JSON's null, which is not the same as nothing.
_NULL = "null"


def differences(old: Any, new: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield the path, old value and new value of each difference. JSON documents are compared by content.

    None stands for an absent value, the text `null` for JSON's null.
    """
    if old == new:
        return
    old, new = _opened(old), _opened(new)
    if isinstance(old, list) and isinstance(new, list) and (named := _named(old, new)):
        olds, news = named
    elif isinstance(old, dict) and isinstance(new, dict):
        olds, news = ({f".{name}": value for name, value in side.items()} for side in (old, new))
    else:
        if old != new:
            yield path, old, new
        return
    for name in sorted(olds.keys() | news.keys()):
        before, after = (
            _NULL if name in side and side[name] is None else side.get(name) for side in (olds, news)
        )
        yield from differences(before, after, f"{path}{name}")


def _opened(value: Any) -> Any:
    """Return the content of a JSON text of an object or a list, any other value as it is."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _named(*lists: list[Any]) -> tuple[dict[str, Any], ...] | None:
    """Return the elements of each list by their key, which is a name in them or their number.

    Returns None if the elements are not objects, or the lists differ in length and their elements in naming.
    """
    elements = [each for side in lists for each in side]
    if not elements or not all(isinstance(each, dict) for each in elements):
        return None
    for key in ("id", "Id", "Sid", "name"):
        if all(key in each for each in elements):
            named = tuple({f"[{each[key]}]": each for each in side} for side in lists)
            if all(len(by_name) == len(side) for by_name, side in zip(named, lists, strict=True)):
                return named
    if len({len(side) for side in lists}) == 1:
        return tuple({f"[{number}]": each for number, each in enumerate(side)} for side in lists)
    return None


def leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the path and value of everything in a property that is neither an object nor a list."""
    match value:
        case dict():
            for key, below in value.items():
                yield from leaves(below, f"{path}.{key}")
        case list():
            for number, below in enumerate(value):
                yield from leaves(below, f"{path}[{number}]")
        case _:
            yield path, value


def within(path: str, block: str) -> bool:
    """Return whether a path is that of a block, or of something within it."""
    return path.startswith(block) and path[len(block) : len(block) + 1] in ("", ".", "[")
