"""JSON texts of values that contain outputs: policies, routing documents, dashboards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pulumi


def render(value: Any, *, sort_keys: bool = False) -> pulumi.Input[str]:
    """Return the JSON text of a value; it is an output if the value contains outputs.

    Only the outputs in the value are awaited. `Output.json_dumps` turns each of a document's hundred strings
    into an output, which would be most of the running time per customer.
    """
    outputs = list(_outputs(value))
    if not outputs:
        return json.dumps(value, sort_keys=sort_keys)
    return pulumi.Output.all(*outputs).apply(
        lambda known: json.dumps(_filled(value, iter(known)), sort_keys=sort_keys)
    )


def _outputs(value: Any) -> Iterator[pulumi.Output[Any]]:
    """Yield the outputs in a value, in the order in which `_filled` replaces them."""
    if isinstance(value, pulumi.Output):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _outputs(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _outputs(inner)


def _filled(value: Any, known: Iterator[Any]) -> Any:
    """Return a value in which the known results replace its outputs."""
    if isinstance(value, pulumi.Output):
        return next(known)
    if isinstance(value, dict):
        return {name: _filled(inner, known) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(inner, known) for inner in value]
    return value
