"""Plants faults in recorded resources, so that validators are seen to find them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from local.program import Resource


def planted(resources: Iterable[Resource], type: str, **inputs: Any) -> Resource:
    """Return the first resource of a type that has all of these inputs, with other values."""
    found = next(each for each in resources if each.type == type and each.inputs.keys() >= inputs.keys())
    return replace(found, inputs={**found.inputs, **inputs})


def planted_document(
    resources: Iterable[Resource], type: str, name: str, change: Callable[[Any], None]
) -> Resource:
    """Return the first resource of a type whose input `name` is JSON text, with a change to its document."""
    found = next(each for each in resources if each.type == type and name in each.inputs)
    document = json.loads(found.inputs[name])
    change(document)
    return replace(found, inputs={**found.inputs, name: json.dumps(document)})
