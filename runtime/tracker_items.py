"""Items of the tracker's table, read: facts, and what is not one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from runtime.contract import TRACKER_INDEX_PK, TRACKER_PK, TRACKER_SK, TRACKER_TTL, kind_of
from runtime.facts import CARRIED_FROM, Fact

#: The attributes of a fact's item in the table, besides the index's key, which follows from them.
_ATTRIBUTES = (
    *(TRACKER_PK, TRACKER_SK, TRACKER_INDEX_PK, TRACKER_TTL, "transfer", "kind", "destination"),
    *("customer", "key", "side", "writer", "at", "detail"),
)

_FACT_SEPARATORS = 4

_read = TypeDeserializer().deserialize


def live(page: dict[str, Any], now: float) -> list[dict[str, Any]]:
    """Return the items of a page of a query that have not expired, with plain values.

    DynamoDB deletes expired items late, so an expired item is treated as deleted:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html
    """
    plain = ({name: _read(value) for name, value in item.items()} for item in page["Items"])
    return [item for item in plain if item[TRACKER_TTL] > now]


def facts(items: Iterable[dict[str, Any]]) -> list[Fact]:
    """Return the facts among some items with plain values, in their order."""
    return [fact(item) for item in items if is_fact(item[TRACKER_SK])]


def is_fact(sort_key: str) -> bool:
    """Return whether an item with this sort key is a fact, of a known kind or not (Fact.sort_key)."""
    return sort_key.count("#") == _FACT_SEPARATORS


def fact(item: dict[str, Any]) -> Fact:
    """Return the fact of an item with plain values."""
    return Fact(
        file=item[TRACKER_PK],
        transfer=item["transfer"],
        kind=kind_of(item["kind"]),
        customer=item["customer"],
        key=item["key"],
        side=item["side"],
        writer=item["writer"],
        at=item["at"],
        expires=int(item[TRACKER_TTL]),
        destination=item["destination"],
        detail=_plain(item["detail"]),
        extra=_plain({name: value for name, value in item.items() if name not in _ATTRIBUTES}),
    )


def outlined(item: dict[str, Any], customer: str) -> Fact:
    """Return the fact of an item with few attributes; the others are parsed from its sort key."""
    transfer, kind, destination, side, writer = item[TRACKER_SK]["S"].split("#")
    return Fact(
        file=item[TRACKER_PK]["S"],
        transfer=transfer,
        kind=kind_of(kind),
        customer=customer,
        key=item["key"]["S"],
        side=side,
        writer=writer,
        at=item["at"]["S"],
        expires=int(item[TRACKER_TTL]["N"]),
        destination=destination,
        detail=_plain(_read(item["detail"])) if "detail" in item else {},
        extra={name: item[name]["S"] for name in (CARRIED_FROM,) if name in item},
    )


def _plain(value: Any) -> Any:
    """Return a DynamoDB document with its numbers as int or, if they have fractions, as float."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if hasattr(value, "as_tuple"):
        return int(value) if value == int(value) else float(value)
    return value
