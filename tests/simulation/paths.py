"""The parts of JSONPath and of the intrinsic functions that state machines here may use."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from tests.simulation.unknown import NotSimulatedError

#: From a state's input and the context object to a value.
Reader = Callable[[Any, Any], Any]

_PATH = re.compile(r"\$\$?((\.[A-Za-z_][A-Za-z0-9_]*)|(\[\d+\]))*")
_STEP = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[(\d+)\]")


class PathError(Exception):
    """A path leads nowhere, which ends an execution with States.Runtime."""


@lru_cache(maxsize=512)
def reader(path: str) -> Reader:
    """Return a function that reads a path (`$.a.b`, `$$.Execution.Name`) or computes an intrinsic."""
    if path.startswith("States."):
        return _intrinsic(path)
    if not _PATH.fullmatch(path):
        raise NotSimulatedError(f"the simulated Step Functions do not know the path {path!r}")
    steps = tuple(name if name else int(index) for name, index in _STEP.findall(path))
    of_context = path.startswith("$$")

    def read(document: Any, context: Any) -> Any:
        found = context if of_context else document
        for step in steps:
            try:
                found = found[step]
            except (KeyError, IndexError, TypeError):
                raise PathError(path) from None
        return found

    return read


@lru_cache(maxsize=512)
def writer(path: str) -> Callable[[Any, Any], Any]:
    """Return a function that puts a result into a document at a path, as ResultPath does."""
    if path == "$":
        return lambda document, result: result
    steps = [name for name, _ in _STEP.findall(path)]

    def write(document: Any, result: Any) -> Any:
        made = dict(document)
        inner = made
        for step in steps[:-1]:
            inner[step] = dict(inner.get(step) or {})
            inner = inner[step]
        inner[steps[-1]] = result
        return made

    return write


def template(parameters: Any) -> Reader:
    """Return a function that fills in a payload template: keys that end in `.$` are paths."""
    if not isinstance(parameters, dict):
        return lambda document, context: parameters
    fields: list[tuple[str, Reader]] = []
    for key, value in parameters.items():
        if key.endswith(".$"):
            fields.append((key[:-2], reader(value)))
        else:
            fields.append((key, template(value)))
    return lambda document, context: {key: read(document, context) for key, read in fields}


def _intrinsic(text: str) -> Reader:
    found = re.fullmatch(r"States\.(\w+)\((.*)\)", text)
    if not found:
        raise NotSimulatedError(f"the simulated Step Functions do not know {text!r}")
    name, arguments = found[1], [_argument(each.strip()) for each in _split(found[2])]
    compute = {
        "MathAdd": lambda a, b: a + b,
        "Array": lambda *each: list(each),
        "ArrayLength": len,
        "Format": lambda form, *each: form.replace("{}", "%s") % each,
    }.get(name)
    if compute is None:
        raise NotSimulatedError(f"the simulated Step Functions do not know States.{name}")
    return lambda document, context: compute(*(read(document, context) for read in arguments))


def _argument(text: str) -> Reader:
    if text.startswith("'"):
        return lambda document, context: text[1:-1]
    if re.fullmatch(r"-?\d+", text):
        return lambda document, context: int(text)
    return reader(text)


def _split(arguments: str) -> list[str]:
    parts, depth, quoted = [""], 0, False
    for character in arguments:
        quoted ^= character == "'"
        depth += {"(": 1, ")": -1}.get(character, 0) if not quoted else 0
        if character == "," and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return [part for part in parts if part.strip()]
