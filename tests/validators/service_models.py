"""botocore's models of AWS's services: what a request may hold, by model and by documentation."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import botocore.session
import regex
from botocore.model import OperationModel, ServiceModel, Shape

from tests.validators.translation import Kind, Node


@dataclass(frozen=True)
class ShapeNode:
    """A shape of botocore's as a place that inputs can be translated to."""

    shape: Shape

    @property
    def kind(self) -> Kind:
        kinds: dict[str, Kind] = {
            "structure": "structure",
            "list": "list",
            "map": "map",
            "string": "text",
            "integer": "number",
            "long": "number",
        }
        return kinds.get(self.shape.type_name, "other")

    @property
    def members(self) -> Mapping[str, Node]:
        return {name: ShapeNode(shape) for name, shape in self.shape.members.items()}

    @property
    def item(self) -> Node:
        return ShapeNode(self.shape.value if self.shape.type_name == "map" else self.shape.member)


@cache
def operation(service: str, name: str) -> OperationModel:
    """Return the model of an operation."""
    return _service(service).operation_model(name)


@cache
def _service(name: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(name)


#: `Valid characters: a-z, A-Z, 0-9, spaces, and ._-:/()#,@[]+=&;{}!$*`, as EC2's documentation has it.
_CHARACTERS = regex.compile(
    r"(?:Valid|Allowed) characters(?: are|:) (a-z, A-Z, 0-9, spaces, and )([^\sa-zA-Z0-9]+)"
)
_LENGTH = regex.compile(r"Up to (\d+) characters in length")

#: Character sets that a documentation states in prose, by service and member.
_STATED = {
    # https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
    ("sns", "CreateTopic", "Name"): r"[A-Za-z0-9_-]{1,256}",
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
    ("sqs", "CreateQueue", "QueueName"): r"[A-Za-z0-9_-]{1,80}",
    # https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html
    ("stepfunctions", "CreateStateMachine", "name"): r"[^\s<>{}\[\]?*\"#%\\^|~`$&,;:/\p{Cc}]{1,80}",
    # https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
    ("ssm", "PutParameter", "Name"): r"(?i)(?!/?(aws|ssm))[a-z0-9_./-]{1,1011}",
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    ("s3", "CreateBucket", "Bucket"): r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
    ("cloudwatch", "PutMetricAlarm", "MetricName"): r"[\x20-\x7e]*\S[\x20-\x7e]*",
    ("cloudwatch", "PutMetricAlarm", "Namespace"): r"[^:\P{ASCII}\p{Cc}][\x20-\x7e]*",
}


def complaints(service: str, name: str, request: Mapping[str, Any]) -> list[str]:
    """Return what the service would refuse in a request, each a line with the path of what it is about."""
    shape = operation(service, name).input_shape
    found = list(_complaints(shape, request, ""))
    for member, value in request.items():
        pattern = _STATED.get((service, name, member))
        if pattern and not regex.fullmatch(pattern, value):
            found.append(f"{member}: {value!r} is not {pattern}")
    return found


def documented(documentation: str) -> tuple[str | None, int | None]:
    """Return the character set, as a class of a regular expression, and the length that a text states."""
    text = " ".join(html.unescape(regex.sub(r"<[^>]*>", " ", documentation)).split())
    characters, length = _CHARACTERS.search(text), _LENGTH.search(text)
    return (
        f"[a-zA-Z0-9 {regex.escape(characters[2])}]*" if characters else None,
        int(length[1]) if length else None,
    )


def _complaints(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if shape.type_name == "structure":
        yield from (f"{path}.{name}: missing" for name in shape.required_members if name not in value)
        for name, inner in value.items():
            yield from _complaints(shape.members[name], inner, f"{path}.{name}")
    elif shape.type_name == "list":
        yield from _bounds(shape, len(value), "items", path)
        for inner in value:
            yield from _complaints(shape.member, inner, f"{path}[]")
    elif shape.type_name == "map":
        yield from _bounds(shape, len(value), "entries", path)
        for key, inner in value.items():
            yield from _complaints(shape.key, key, f"{path} key")
            yield from _complaints(shape.value, inner, f"{path}[{key}]")
    elif shape.type_name == "string":
        yield from _text(shape, value, path)
    elif shape.type_name in ("integer", "long", "float", "double"):
        yield from [] if _is_number(value) else [f"{path}: {value!r} is not a number"]
        yield from _bounds(shape, value, "", path)


def _text(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"{path}: {value!r} is not a text"
        return
    yield from _bounds(shape, len(value), "characters", path)
    if shape.enum and value not in shape.enum:
        yield f"{path}: {value!r} is not one of {', '.join(shape.enum)}"
    pattern = shape.metadata.get("pattern")
    if pattern and not _pattern(pattern).fullmatch(value):
        yield f"{path}: {value!r} does not match {pattern}"
    characters, length = documented(shape.documentation)
    if characters and not regex.fullmatch(characters, value):
        yield f"{path}: {value!r} has characters that are not among {characters}"
    if length and len(value) > length:
        yield f"{path}: {len(value)} characters, at most {length} are allowed"


def _bounds(shape: Shape, size: float, unit: str, path: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if (low is not None and size < low) or (high is not None and size > high):
        yield f"{path}: {size} {unit}, {low} to {high} are allowed"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@cache
def _pattern(pattern: str) -> regex.Pattern[str]:
    """Return a pattern of a model compiled; `\\p{L}` and the like are Unicode's, as in Java."""
    return regex.compile(pattern)
