"""The messages of receipt topics: their JSON Schemas, and whether what was published is as these say."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from ops.recovery.notice_document import NoticeDocument
from runtime.receipts import Receipt

#: By the names of their files in docs/schemas.
TYPES: dict[str, Any] = {"receipt": Receipt, "notice": NoticeDocument}


class PublishedMessageError(ValueError):
    """A message is not as the published schemas say; the text says where."""


@cache
def _adapter(name: str) -> TypeAdapter[list[dict[str, Any]]]:
    """Return what reads a list of messages; a setting of the list is one of the messages in it."""
    config = ConfigDict(use_attribute_docstrings=True, extra="forbid", strict=True)
    many: Any = list
    return TypeAdapter(many[TYPES[name]], config=config)


def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of a kind of message, one of TYPES.

    It allows other fields, which a later version may add.
    """
    whole = _opened(_adapter(name).json_schema())
    found = whole["$defs"].pop(TYPES[name].__name__)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found, "$defs": whole["$defs"]}


def checked(text: str) -> dict[str, Any]:
    """Return a published message; PublishedMessageError if it is neither a receipt nor a notice.

    A field that no schema has is refused, too: this version has written it.
    """
    message = json.loads(text)
    name = "notice" if message.get("outcome") == "notice" else "receipt"
    try:
        _adapter(name).validate_json(f"[{text}]")
    except ValidationError as error:
        raise PublishedMessageError(f"a {name} is not as docs/schemas/{name}.json says: {error}") from error
    return dict(message)


def _opened(part: Any) -> Any:
    """Return a part of a schema that allows fields which it does not name."""
    if isinstance(part, dict):
        closed = ("additionalProperties", False)
        return {key: _opened(value) for key, value in part.items() if (key, value) != closed}
    return [_opened(each) for each in part] if isinstance(part, list) else part
