"""A tracker table in memory that holds years of one name's submissions, made up as they are read.

It answers as DynamoDB does: items in the order of their sort keys, a page of a megabyte or of `Limit` items
at most, and read units by the kilobytes that were read:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/capacity-unit-calculations.html
"""

from __future__ import annotations

import heapq
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from runtime import contract
from runtime.contract import TRACKER_PK, TRACKER_SK, Kind
from runtime.facts import Fact
from runtime.tracker import Tracker
from tests.simulation.expressions import Item, condition, update

_PAGE, _UNIT = 1024 * 1024, 4096
_BEHIND = chr(0x10FFFF)


class ConditionalCheckFailedException(ClientError):
    """The condition of a write does not hold."""


class Submissions(Sequence[str]):
    """The sort keys of a number of delivered submissions of one name, one a minute until shortly ago."""

    KINDS = (Kind.ARCHIVED, Kind.CONFLICT, Kind.DELIVERED, Kind.RECEIPT, Kind.RECEIVED)

    def __init__(self, customer: str, key: str, count: int, *, expires: int) -> None:
        self._customer, self._key, self._count, self._expires = customer, key, count, expires
        self.file = contract.file_id(customer, key)
        self._end = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)

    def __len__(self) -> int:
        return self._count * len(self.KINDS)

    def __getitem__(self, place: Any) -> str:
        return self.fact(place).sort_key

    def transfer(self, number: int) -> str:
        at = self._end - timedelta(minutes=self._count - 1 - number)
        return contract.transfer_id(self.file, f"v{number}", at)

    def fact(self, place: int) -> Fact:
        number, kind = place // len(self.KINDS), self.KINDS[place % len(self.KINDS)]
        transfer, size = self.transfer(number), 1_000_000 + number
        said: dict[Kind, dict[str, Any]] = {
            Kind.ARCHIVED: {"bucket": "mft-cell1-archive-west", "archive_key": f"{transfer}/sdk/feed.csv"},
            Kind.CONFLICT: {"delivered_before": [transfer] * 4},
            Kind.DELIVERED: {"sha256": "0" * 64, "size": size, "path": self._key, "sent": True},
            Kind.RECEIPT: {"outcome": "delivered"},
            Kind.RECEIVED: {
                "bucket": f"mft-{self._customer}-west",
                "version_id": f"v{number}",
                "size": size,
                "etag": "0" * 32,
                "destinations": ["partner"],
                "sequencer": f"{number:018X}",
            },
        }
        return Fact(
            file=self.file,
            transfer=transfer,
            kind=kind,
            customer=self._customer,
            key=self._key,
            side=contract.WEST,
            writer=f"{transfer}-g1",
            at=f"{self._end - timedelta(minutes=self._count - 1 - number):%Y-%m-%dT%H:%M:%S.000+00:00}",
            expires=self._expires,
            destination="partner" if kind is Kind.DELIVERED else "",
            detail=said[kind],
        )


class LongFeed:
    """A client of the table, which holds what was `before` and what is written.

    `requests` counts the requests, of queries each page, and `units` the read units, in halves. `seconds` is
    the processor time that making items up has taken.
    """

    exceptions = SimpleNamespace(ConditionalCheckFailedException=ConditionalCheckFailedException)

    def __init__(self, submissions: Submissions) -> None:
        self.before, self._written = submissions, dict[tuple[str, str], Item]()
        self.requests, self.units, self.seconds = Counter[str](), 0, 0.0

    def put_item(self, *, Item: Item, ConditionExpression: str | None = None, **_: Any) -> None:
        key = Item[TRACKER_PK]["S"], Item[TRACKER_SK]["S"]
        self.requests["PutItem"] += 1
        self._check(ConditionExpression, self._held(key), {}, {})
        self._written[key] = Item

    def update_item(
        self,
        *,
        Key: Item,
        UpdateExpression: str,
        ExpressionAttributeNames: dict[str, str],
        ExpressionAttributeValues: Item,
        ConditionExpression: str | None = None,
        **_: Any,
    ) -> None:
        key = Key[TRACKER_PK]["S"], Key[TRACKER_SK]["S"]
        about = ExpressionAttributeNames, ExpressionAttributeValues
        self.requests["UpdateItem"] += 1
        self._check(ConditionExpression, self._held(key), *about)
        self._written[key] = update(UpdateExpression)(self._held(key) or dict(Key), *about)

    def get_item(self, *, Key: Item, **_: Any) -> dict[str, Any]:
        self.requests["GetItem"] += 1
        held = self._held((Key[TRACKER_PK]["S"], Key[TRACKER_SK]["S"]))
        return {"Item": held} if held else {}

    def get_paginator(self, operation: str) -> LongFeed:
        assert operation == "query", operation
        return self

    def paginate(
        self,
        *,
        KeyConditionExpression: str,
        ExpressionAttributeValues: Item,
        ConsistentRead: bool,
        ScanIndexForward: bool = True,
        PaginationConfig: dict[str, int | None] | None = None,
        **_: Any,
    ) -> Iterator[dict[str, Any]]:
        most = (PaginationConfig or {}).get("PageSize")
        low, high = _range(KeyConditionExpression, ExpressionAttributeValues)
        partition = next(iter(ExpressionAttributeValues.values()))["S"]
        page: list[Item] = []
        size = 0
        for item in self._items(partition, low, high, backwards=not ScanIndexForward):
            page.append(item)
            size += _bytes(item)
            if len(page) == most or size >= _PAGE:
                yield self._page(page, size, consistent=ConsistentRead)
                page, size = [], 0
        yield self._page(page, size, consistent=ConsistentRead)

    def _page(self, items: list[Item], size: int, *, consistent: bool) -> dict[str, Any]:
        self.requests["Query"] += 1
        self.units += max(1, -(-size // _UNIT)) * (2 if consistent else 1)
        return {"Items": items}

    def _items(self, partition: str, low: str, high: str, *, backwards: bool) -> Iterator[Item]:
        written = sorted(
            (key for key in self._written if key[0] == partition and low < key[1] < high), reverse=backwards
        )
        merged: Iterable[tuple[str, str]] = written
        if partition == self.before.file:
            places = range(bisect_left(self.before, low), bisect_left(self.before, high))
            earlier = ((partition, self.before[at]) for at in (places[::-1] if backwards else places))
            merged = heapq.merge(written, earlier, reverse=backwards)
        for key in merged:
            began = time.process_time()
            item = self._held(key)
            self.seconds += time.process_time() - began
            assert item is not None
            yield item

    def _held(self, key: tuple[str, str]) -> Item | None:
        if key in self._written or key[0] != self.before.file:
            return self._written.get(key)
        at = bisect_left(self.before, key[1])
        is_there = at < len(self.before) and self.before[at] == key[1]
        return _item(self.before.fact(at)) if is_there else None

    def _check(self, expression: str | None, held: Item | None, names: Any, values: Any) -> None:
        if expression and not condition(expression)(held or {}, names, values):
            raise ConditionalCheckFailedException({"Error": {"Code": "ConditionalCheckFailed"}}, "write")


def _range(expression: str, values: Item) -> tuple[str, str]:
    """Return the sort keys between which a key condition selects, both exclusive."""
    _, _, about = expression.partition(" AND ")
    bound = list(values.values())[-1]["S"]
    if about.startswith("begins_with"):
        return bound, f"{bound}{_BEHIND}"
    if " < " in about:
        return "", bound
    return (bound, _BEHIND) if " > " in about else ("", _BEHIND)


def _item(fact: Fact) -> Item:
    """Return the item that the tracker writes for a fact."""
    kept: list[Item] = []
    client = SimpleNamespace(put_item=lambda Item, **_: kept.append(Item), exceptions=LongFeed.exceptions)
    Tracker(table="t", side=fact.side, client=client).record(fact)
    return kept[0]


def _bytes(value: Any) -> int:
    """Return about the size of an item by DynamoDB's rules: names and texts by their bytes."""
    if isinstance(value, dict):
        return sum(len(name) + _bytes(inner) for name, inner in value.items())
    if isinstance(value, list):
        return sum(map(_bytes, value))
    return len(value) if isinstance(value, str) else 1
