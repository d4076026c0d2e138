"""The JSON Schema of a registry file, for editors: `python -m customers.schema` writes it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from customers.model import Customer
from customers.paths import KeyPath, at

FILE = Path(__file__).with_name("schema.json")


@cache
def schema() -> dict[str, Any]:
    """Return the JSON Schema of one file of the registry."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Customer.model_json_schema()}


def keys_at(path: KeyPath, data: Any) -> list[str]:
    """Return the keys that are allowed at a path of `data`; none if the kind of the item is unknown."""
    return list(_chosen(_part(path, data), at(data, *path)).get("properties", {}))


def kinds_at(path: KeyPath, data: Any) -> list[str]:
    """Return the kinds that the item at a path of `data` can have."""
    return sorted(_part(path, data)["discriminator"]["mapping"])


def is_required(path: KeyPath, data: Any) -> bool:
    """Return whether the key at a path of `data` has to be there; an item of a list never has to."""
    return path[-1] in _chosen(_part(path[:-1], data), at(data, *path[:-1])).get("required", ())


def _part(path: KeyPath, data: Any) -> dict[str, Any]:
    """Return the part of the schema that describes a path of `data`."""
    part = schema()
    for depth, step in enumerate(path):
        part = _chosen(part, at(data, *path[:depth]))
        # The items of a list, or the values of a mapping with free names.
        others = [part.get("items"), *part.get("patternProperties", {}).values()]
        part = part.get("properties", {}).get(step) or next(filter(None, others), {})
    return part


def _chosen(part: dict[str, Any], data: Any) -> dict[str, Any]:
    """Return a part, or the definition that it refers to; of several, the one for the data's kind."""
    kind = at(data, "kind")
    mapping = part.get("discriminator", {}).get("mapping", {})
    optional = (each.get("$ref") for each in part.get("anyOf", ()))  # or null
    reference = part.get("$ref") or (mapping.get(kind) if isinstance(kind, str) else next(optional, None))
    return schema()["$defs"][reference.rpartition("/")[2]] if reference else part


def render() -> str:
    """Return the text of schema.json."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write schema.json, or with `--check` exit 1 if it differs from the models."""
    parser = argparse.ArgumentParser(prog="python -m customers.schema", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit 1 if the file is not current"
    )
    if not parser.parse_args(arguments).check:
        FILE.write_text(render(), encoding="utf-8")
        return 0
    if FILE.exists() and FILE.read_text(encoding="utf-8") == render():
        return 0
    print(f"{FILE.name} is not current; run python -m customers.schema")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
