"""A JSON Schema as Markdown: a section with a table of its fields for each kind of object in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.pages.markdown import code, listed, table

Schema = Mapping[str, Any]


def sections(schema: Schema, *, level: int = 2) -> Iterator[str]:
    """Yield the fields of an object, and then a section for each kind of object below it."""
    yield _fields(schema, schema)
    for name in _reached(schema, schema):
        part = schema["$defs"][name]
        if "properties" in part:
            yield f"{'#' * level} {name}\n\n{part.get('description', '')}\n"
            yield _fields(schema, part)


def _fields(schema: Schema, part: Schema) -> str:
    required = set(part.get("required", ()))
    rows = [
        (code(name), _kind(schema, field), _presence(name in required, field), _meaning(schema, field))
        for name, field in part["properties"].items()
    ]
    return table(("field", "type", "if absent", "meaning"), rows)


def _presence(required: bool, field: Schema) -> str:
    if required:
        return "required"
    if field.get("default") is None:
        return ""
    return code(json.dumps(field["default"]))


def _meaning(schema: Schema, field: Schema) -> str:
    if "description" in field:
        return str(field["description"])
    target = _target(schema, field)
    return str(target.get("description", "")) if target else ""


def _kind(schema: Schema, field: Schema) -> str:
    """Return what a value may be, in words."""
    target = _target(schema, field)
    if target is not None:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})" if "properties" in target else _kind(schema, target)
    if "const" in field:
        return code(json.dumps(field["const"]).strip('"'))
    if "enum" in field:
        return listed(map(str, field["enum"]))
    for several in ("oneOf", "anyOf"):
        if several in field:
            kinds = [_kind(schema, each) for each in field[several] if each.get("type") != "null"]
            return " or ".join(kinds)
    match field.get("type"):
        case "array":
            return f"list of: {_kind(schema, field.get('items', {}))}"
        case "object":
            (values,) = (*field.get("patternProperties", {}).values(), field.get("additionalProperties", {}))[
                :1
            ]
            return f"by name: {_kind(schema, values)}" if values else "object"
        case kind:
            return f"{kind or 'any'}{_bounds(field)}"


def _bounds(field: Schema) -> str:
    low, high = field.get("minimum"), field.get("maximum")
    if low is not None and high is not None:
        return f", {low:,} to {high:,}"
    if low is not None:
        return f", at least {low:,}"
    return f", at most {high:,}" if high is not None else ""


def _target(schema: Schema, field: Schema) -> Schema | None:
    reference = field.get("$ref")
    return schema["$defs"][reference.rpartition("/")[2]] if reference else None


def _reached(schema: Schema, part: Any) -> Iterator[str]:
    """Yield the definitions that a part of a schema refers to, each once, in the order of reading."""
    seen: dict[str, None] = {}

    def look(at: Any) -> None:
        if isinstance(at, Mapping):
            reference = at.get("$ref")
            if reference and (name := reference.rpartition("/")[2]) not in seen:
                seen[name] = None
                look(schema["$defs"][name])
            for key, each in at.items():
                if key not in ("$defs", "$ref", "discriminator"):
                    look(each)
        elif isinstance(at, list):
            for each in at:
                look(each)

    look(part)
    yield from seen
