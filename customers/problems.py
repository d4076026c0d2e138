"""A problem in the registry as a value, and the model's errors as sentences for the person who fixes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from customers.checks import FINDINGS, findings
from customers.fields import REFUSED
from customers.paths import Finding, KeyPath, at, nearest, shown
from customers.schema import is_required, keys_at, kinds_at

#: Sections whose items differ by their `kind`, which the model puts into the path of an error.
_BY_KIND = ("destinations", "receipts")
_NAMES = {dict: "keys and values", list: "a list", str: "text", int: "a number", bool: "true or false"}
_WANTED = {
    "tuple_type": "a list; begin each item with '- '",
    "dict_type": "keys and values; write `key: value` lines below it",
    "model_type": "keys and values; write `key: value` lines below it",
    "model_attributes_type": "keys and values; write `key: value` lines below it",
    "int_type": "a whole number, without quotes or fraction",
    "string_type": "text; put it in quotes",
}


#: How many problems of one kind in one file are printed.
_OF_ONE_KIND = 20
#: How many lines about all files are printed.
_OF_ALL_FILES = 200
_POSITION = re.compile(r"\[[0-9]+\]")


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that has to be changed, and where."""

    path: str
    line: int
    where: str
    message: str

    def __str__(self) -> str:
        """Return the problem as one line, such as `customers/acme.yaml:7: primary: 'wst' is not one of …`."""
        return f"{self.path}:{self.line}: " + (f"{self.where}: " if self.where else "") + self.message


class RegistryError(Exception):
    """The registry as a whole is refused. `problems` has them all, in the order of files and lines.

    The message has one line for each, but of more than twenty of one kind in a file only the first twenty and
    the number of the others, and of more than 200 lines the first 200 and the number of the others.
    """

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(self.lines))

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines of the message."""
        lines: list[str] = []
        kinds: dict[tuple[str, str], list[Problem]] = {}
        for problem in self.problems:
            same = kinds.setdefault((problem.path, _POSITION.sub("[]", problem.where)), [])
            same.append(problem)
            if len(same) <= _OF_ONE_KIND:
                lines.append(str(problem))
        for (path, where), same in kinds.items():
            if (more := len(same) - _OF_ONE_KIND) > 0:
                lines.append(f"{path}: {where + ': ' if where else ''}{more:,} more problems like these")
        if (more := len(lines) - _OF_ALL_FILES) > 0:
            lines[_OF_ALL_FILES:] = [f"{more:,} more problems like these, in {len(self._files):,} files"]
        return tuple(lines)

    @property
    def _files(self) -> set[str]:
        return {problem.path for problem in self.problems[_OF_ALL_FILES:]}


def sentences(error: ValidationError, data: Any) -> Iterator[Finding]:
    """Yield each of the model's errors, and each finding of `checks` about `data`, as a path and a sentence.

    The model runs these checks only when every part is valid. Here they run in any case, and on the data as
    it was written, without defaults.
    """
    found = findings(data)
    for one in error.errors(include_url=False):
        path = _path(one["loc"])
        if one["type"] == "too_short" and at(data, *path):
            continue  # there are items, and each has its own error
        if one["type"] == FINDINGS:
            found = found or one["ctx"]["findings"]
        elif one["type"] in ("union_tag_invalid", "union_tag_not_found"):
            yield _kind(path, one, data)
        else:
            yield path, _sentence(one, path, data)
    yield from found


def _path(location: KeyPath) -> KeyPath:
    """Return an error's path in the file, without the steps that exist only in the model."""
    if len(location) > 2 and location[0] in _BY_KIND:
        location = (*location[:2], *location[3:])
    return tuple(step for step in location if step != "[key]")


def _kind(path: KeyPath, one: Any, data: Any) -> Finding:
    kinds = kinds_at(path, data)
    given = at(data, *path, "kind")
    if given is None:
        return path, f"has no 'kind'; add one of {', '.join(kinds)}"
    return (*path, "kind"), f"{_described(given)} is not one of {', '.join(kinds)}"


def _sentence(one: Any, path: KeyPath, data: Any) -> str:
    kind, value, context = one["type"], one["input"], one.get("ctx", {})
    if kind == REFUSED:
        return str(context["message"])
    if kind == "missing":
        return "is missing; add it"
    if kind == "extra_forbidden":
        return f"is not a known key; {nearest(str(path[-1]), keys_at(path[:-1], data))}"
    if value is None:
        return f"is empty; give it a value{'' if is_required(path, data) else ' or remove the line'}"
    if kind == "literal_error":
        allowed = context["expected"].replace(" or ", ", ").replace("'", "")
        return f"{_described(value)} is not one of {allowed}"
    if kind in ("greater_than_equal", "less_than_equal"):
        low = kind == "greater_than_equal"
        bound = context["ge" if low else "le"]
        return f"{value} is {'below' if low else 'above'} {bound}; use {bound} or {'more' if low else 'less'}"
    if kind == "too_short":
        return f"has no entries; give at least {context['min_length']}"
    if kind == "too_long":
        return f"has {context['actual_length']} entries; at most {context['max_length']} are allowed"
    if kind in _WANTED:
        # A value of the wrong shape may be anything, so the message describes it and does not repeat it.
        wanted = "text; write one value" if kind == "string_type" and _is_nested(value) else _WANTED[kind]
        return f"is {_NAMES.get(type(value), 'something else')}, but should be {wanted}"
    return f"is not valid: {one['msg']}"


def _described(value: Any) -> str:
    return _NAMES[type(value)] if _is_nested(value) else shown(value)


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict | list)
