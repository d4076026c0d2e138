"""Whether an answer has the types of its service's model, as strictly as AWS's SDK for Go reads them.

boto3 takes a date for a number and ignores what it does not know; deserializers of the SDK for Go fail:
https://github.com/aws/aws-sdk-go-v2/blob/main/service/transfer/deserializers.go
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import regex
from botocore.model import OperationModel, Shape

_DATE = regex.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_NUMBERS = {"integer": int, "long": int, "float": (int, float), "double": (int, float)}


def complaints(operation: OperationModel, body: bytes) -> list[str]:
    """Return what is wrong with the types in the body of an answer, each a line with its path."""
    shape = operation.output_shape
    if shape is None or not body or shape.serialization.get("payload"):
        return []
    protocol = operation.service_model.metadata["protocol"]
    if body.lstrip()[:1] == b"{":
        return list(_json(shape, json.loads(body), operation.name))
    root = ElementTree.fromstring(body)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    if wrapper := shape.serialization.get("resultWrapper"):
        root = root.find(wrapper) if root.find(wrapper) is not None else root
    return list(_xml(shape, root, operation.name, item="item" if protocol == "ec2" else "member"))


def _json(shape: Shape, value: Any, path: str) -> Iterator[str]:
    match shape.type_name:
        case _ if value is None:
            return
        case "structure" if isinstance(value, dict):
            names = {each.serialization.get("name", name): each for name, each in shape.members.items()}
            for name, inner in value.items():
                if name in names and names[name].serialization.get("location") is None:
                    yield from _json(names[name], inner, f"{path}.{name}")
        case "list" if isinstance(value, list):
            for inner in value:
                yield from _json(shape.member, inner, f"{path}[]")
        case "map" if isinstance(value, dict):
            for key, inner in value.items():
                yield from _json(shape.value, inner, f"{path}.{key}")
        case "boolean" if isinstance(value, bool):
            return
        case "timestamp":
            is_text = shape.serialization.get("timestampFormat") == "iso8601"
            if isinstance(value, bool) or not isinstance(value, str if is_text else (int, float)):
                yield f"{path}: {value!r} is not a time"
        case "integer" | "long" | "float" | "double" as kind:
            if isinstance(value, bool) or not isinstance(value, _NUMBERS[kind]):
                yield f"{path}: {value!r} is not of type {kind}"
        case "string" | "blob" if isinstance(value, str):
            return
        case other:
            yield f"{path}: {value!r} is not of type {other}"


def _xml(shape: Shape, element: ElementTree.Element, path: str, item: str) -> Iterator[str]:
    text = (element.text or "").strip()
    match shape.type_name:
        case "structure":
            for name, inner in shape.members.items():
                tag = inner.serialization.get("name", name)
                if inner.type_name == "list" and inner.serialization.get("flattened"):
                    tag, inner = inner.member.serialization.get("name", tag), inner.member
                for child in element.findall(tag):
                    yield from _xml(inner, child, f"{path}.{name}", item)
        case "list":
            tag = shape.member.serialization.get("name", item)
            for child in element:
                if child.tag != tag:
                    yield f"{path}: <{child.tag}> is not <{tag}>"
                yield from _xml(shape.member, child, f"{path}[]", item)
        case "boolean" if text not in ("true", "false"):
            yield f"{path}: {text!r} is not true or false"
        case "integer" | "long" if not regex.fullmatch(r"-?\d+", text):
            yield f"{path}: {text!r} is not a whole number"
        case "timestamp" if not _DATE.fullmatch(text):
            yield f"{path}: {text!r} is not a time"
