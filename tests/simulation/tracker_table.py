"""A simulated DynamoDB global table: two replicas, written at once, last writer wins for each item.

Replication is asynchronous, with a lag of its own for each item and direction. Nothing that was ever
written is forgotten here: `facts` and `events` are what the invariants are checked against.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from runtime.contract import (
    SIDES,
    TRACKER_INDEX,
    TRACKER_INDEX_PK,
    TRACKER_PK,
    TRACKER_SK,
    TRACKER_TTL,
    Kind,
    peer_of,
)
from tests.simulation.aws import Client, ConditionalCheckFailed, failed
from tests.simulation.clock import Clock, Dice
from tests.simulation.expressions import Item, condition, update
from tests.simulation.regions import Region
from tests.simulation.schedule import Share
from tests.simulation.unknown import NotSimulatedError

Key = tuple[str, str]

#: Items of a page at most, in one schedule or another. A megabyte holds thousands; a short page lets others
#: write between two.
_PAGES = (3, 50, 50, 50)


@dataclass(slots=True)
class Row:
    """One item in one replica: None is a deletion. `stamp` decides which of two writes is the last."""

    item: Item | None
    stamp: tuple[float, str]
    at: float


@dataclass(slots=True)
class Written:
    """The first writing of a fact, and when each replica has had it."""

    item: Item
    side: str
    at: float
    writer: str
    seen: dict[str, float] = field(default_factory=dict)


#: What the keys of a customer's slots (`runtime.shares`) begin with. Where the schedule does not give them a
#: number, they are always free: no schedule has as many files as there usually are slots.
_SHARE = "share#"

#: Until when a slot is in use that was given back.
_FREE = {"N": "0"}


class Table:
    """The global table. `lag` returns the seconds until a write from a side is in the other replica."""

    def __init__(
        self,
        clock: Clock,
        regions: dict[str, Region],
        lag: Callable[[str, str], float],
        broken: Callable[[str, str], None],
    ) -> None:
        self.clock, self._regions, self._lag, self._broken = clock, regions, lag, broken
        self.rows: dict[str, dict[str, dict[str, Row]]] = {side: {} for side in SIDES}
        self.days: dict[str, dict[str, set[Key]]] = {side: {} for side in SIDES}
        self.facts: dict[Key, Written] = {}
        #: When a side first knew of a transfer's lease on a file; of its own, what it had read before.
        self.leases: dict[tuple[str, str, str], float] = {}
        #: The leases on a transfer that a side has taken, and those of its peer that came to it: when, and
        #: until when they run.
        self.taken: dict[tuple[str, str, str], list[tuple[float, int]]] = {}
        self.told: dict[tuple[str, str, str], list[tuple[float, int]]] = {}
        self.pending = 0
        self.page = Dice(clock.seed, "pages").pick(_PAGES)
        self.share: Share | None = None
        #: The slots that an attempt wanted to give back, by its own name, when AWS did not answer.
        self.unanswered: set[tuple[Key, str]] = set()

    def write(self, side: str, key: Key, item: Item | None, writer: str) -> None:
        """Write an item in a side's replica, and to the other in time."""
        clock = self.clock
        stamp = (clock.now, side)
        self._note(side, key, item, writer)
        process = clock.current
        self._note_lease(side, key, item, process.read_at if process else clock.now, self.taken)
        self._set(side, key, Row(item, stamp, clock.now))
        self.pending += 1
        one, other = self._regions[side], self._regions[peer_of(side)]

        def arrive() -> None:
            self.pending -= 1
            self._arrive(other.side, key, item, stamp)

        delay = self._lag(side, f"{key[0]}{key[1]}")
        clock.at(clock.now + delay, lambda: one.when_linked(lambda: other.when_linked(arrive)))

    def expire(self, side: str, share: float) -> None:
        """Delete a share of what is past its time, as the TTL sweep does: late, and in no order."""
        now = self.clock.now
        for file, rows in self.rows[side].items():
            for sort_key, row in rows.items():
                expires = row.item.get(TRACKER_TTL) if row.item else None
                past = expires is not None and float(expires["N"]) < now
                if past and Dice(self.clock.seed, f"sweep {now} {file}{sort_key}").chance(share):
                    self.write(side, (file, sort_key), None, "ttl")

    def note_slot(self, key: Key, held: Item | None, made: Item) -> None:
        """Break the rule when a slot is taken from an attempt that still has it."""
        if held and held["owner"] != made["owner"] and float(held["until"]["N"]) > self.clock.now:
            self._broken("slot taken away", f"{key[0]} {key[1]} of {held['owner']['S']}")

    def slots_in_use(self) -> dict[Key, str]:
        """Return who has not given a slot back, by the slot, however long ago it was taken."""
        return {
            key: item["owner"]["S"]
            for side in SIDES
            for key, item in self.live(side).items()
            if key[0].startswith(_SHARE) and key[0].endswith(f"#{side}") and item["until"] != _FREE
        }

    def live(self, side: str) -> dict[Key, Item]:
        """Return all items of a replica."""
        return {
            (file, sort_key): row.item
            for file, rows in self.rows[side].items()
            for sort_key, row in rows.items()
            if row.item is not None
        }

    def _note(self, side: str, key: Key, item: Item | None, writer: str) -> None:
        """Remember a fact for good; break the rule when it is written over or taken away."""
        if key[1].count("#") < 4:
            # A lease, a breaker or a note of the audit: what may change, in its own region only.
            if item is not None and not (key[1].endswith(side) or key[0].endswith(f"#{side}")):
                self._broken("written by the other side", f"{key[1]} by {writer}")
            return
        known = self.facts.get(key)
        if item is None:
            if known and float(known.item[TRACKER_TTL]["N"]) > self.clock.now:
                self._broken("fact lost", f"{key[1]} deleted before its time by {writer}")
        elif known is None:
            self.facts[key] = Written(item, side, self.clock.now, writer, {side: self.clock.now})
        elif known.item != item or known.side != side:
            self._broken("fact overwritten", f"{key[1]} by {writer} in {side}")

    def _note_lease(
        self,
        side: str,
        key: Key,
        item: Item | None,
        when: float,
        among: dict[tuple[str, str, str], list[tuple[float, int]]],
    ) -> None:
        if item is not None and key[1].startswith(f"{Kind.CLAIM}#"):
            lease = (side, key[0], item["transfer"]["S"])
            self.leases.setdefault(lease, when)
            among.setdefault(lease, []).append((self.clock.now, int(item["until"]["N"])))

    def _set(self, side: str, key: Key, row: Row) -> None:
        file, sort_key = key
        self.rows[side].setdefault(file, {})[sort_key] = row
        if row.item and TRACKER_INDEX_PK in row.item:
            self.days[side].setdefault(row.item[TRACKER_INDEX_PK]["S"], set()).add(key)

    def _arrive(self, side: str, key: Key, item: Item | None, stamp: tuple[float, str]) -> None:
        held = self.rows[side].get(key[0], {}).get(key[1])
        if held and held.stamp > stamp:
            return
        self._set(side, key, Row(item, stamp, self.clock.now))
        self._note_lease(side, key, item, self.clock.now, self.told)
        if key in self.facts:
            self.facts[key].seen.setdefault(side, self.clock.now)


class DynamoDB(Client):
    """A client of DynamoDB in one region."""

    service = "dynamodb"

    def __init__(self, table: Table, region: Region, trace: Any) -> None:
        super().__init__(table.clock, region, trace)
        self._table, self._side = table, region.side
        # The index follows the table within a second or so.
        self._index_lag = 1.0

    def put_item(
        self,
        *,
        TableName: str,
        Item: Item,
        ConditionExpression: str | None = None,
        ExpressionAttributeNames: dict[str, str] | None = None,
        ExpressionAttributeValues: Item | None = None,
    ) -> dict[str, Any]:
        key = (Item[TRACKER_PK]["S"], Item[TRACKER_SK]["S"])

        def put() -> dict[str, Any]:
            self._check(
                "PutItem", key, ConditionExpression, ExpressionAttributeNames, ExpressionAttributeValues
            )
            self._table.write(self._side, key, Item, self._caller)
            return {}

        return self._effect("PutItem", key[1], put)

    def update_item(
        self,
        *,
        TableName: str,
        Key: Item,
        UpdateExpression: str,
        ConditionExpression: str | None = None,
        ExpressionAttributeNames: dict[str, str] | None = None,
        ExpressionAttributeValues: Item | None = None,
    ) -> dict[str, Any]:
        key = (Key[TRACKER_PK]["S"], Key[TRACKER_SK]["S"])
        names, values = ExpressionAttributeNames or {}, ExpressionAttributeValues or {}
        if key[0].startswith(_SHARE) and self._table.share is None:
            return {}

        def change() -> dict[str, Any]:
            held = self._check("UpdateItem", key, ConditionExpression, names, values)
            made = update(UpdateExpression)(held or dict(Key), names, values)
            if key[0].startswith(_SHARE):
                self._table.note_slot(key, held, made)
            self._table.write(self._side, key, made, self._caller)
            return {}

        try:
            return self._effect("UpdateItem", key[1], change)
        except ConditionalCheckFailed:
            raise
        except (ClientError, BotoCoreError):
            if key[0].startswith(_SHARE) and _FREE in values.values():
                self._table.unanswered.add((key, values[":owner"]["S"]))
            raise

    def delete_item(self, *, TableName: str, Key: Item) -> dict[str, Any]:
        key = (Key[TRACKER_PK]["S"], Key[TRACKER_SK]["S"])

        def delete() -> dict[str, Any]:
            self._table.write(self._side, key, None, self._caller)
            return {}

        return self._effect("DeleteItem", key[1], delete)

    def get_item(self, *, TableName: str, Key: Item, ConsistentRead: bool = False) -> dict[str, Any]:
        key = (Key[TRACKER_PK]["S"], Key[TRACKER_SK]["S"])

        def get() -> dict[str, Any]:
            held = self._held(key)
            return {"Item": held} if held else {}

        return self._effect("GetItem", key[1], get)

    def get_paginator(self, operation: str) -> Any:
        assert operation == "query", f"the simulated DynamoDB does not know {operation}"
        return self

    def paginate(
        self,
        *,
        TableName: str,
        KeyConditionExpression: str,
        ExpressionAttributeNames: dict[str, str],
        ExpressionAttributeValues: Item,
        IndexName: str | None = None,
        ConsistentRead: bool = False,
        FilterExpression: str | None = None,
        ScanIndexForward: bool = True,
        PaginationConfig: dict[str, int | None] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Yield the pages of a query; what is written between two may be on the next."""
        names, values = ExpressionAttributeNames, ExpressionAttributeValues
        wanted = condition(KeyConditionExpression) if " AND " in KeyConditionExpression else None
        kept = condition(FilterExpression) if FilterExpression else None
        partition_name = TRACKER_INDEX_PK if IndexName else TRACKER_PK
        assert IndexName in (None, TRACKER_INDEX)
        partition = _partition(KeyConditionExpression, names, values, partition_name)
        is_share = partition.startswith(_SHARE)
        if is_share and self._table.share is None:
            yield {"Items": []}
            return
        after: tuple[str, str] | None = None
        is_behind = operator.gt if ScanIndexForward else operator.lt
        most = self._table.page
        if size := (PaginationConfig or {}).get("PageSize"):
            most = min(most, size)
        while True:

            def page(after: tuple[str, str] | None = after) -> list[tuple[Key, Item]]:
                if after is None and wanted is None and self._clock.current and not is_share:
                    self._clock.current.read_at = self._clock.now
                rows = self._rows(partition, IndexName is not None, consistent=ConsistentRead)
                found = [
                    (key, item)
                    for key, item in rows
                    if (after is None or is_behind((key[1], key[0]), after))
                    and (wanted is None or wanted(item, names, values))
                ]
                found.sort(key=lambda each: (each[0][1], each[0][0]), reverse=not ScanIndexForward)
                return found[: most + 1]

            found = self._effect("Query", partition[:40], page)
            items = [item for _, item in found[:most]]
            yield {"Items": [item for item in items if kept is None or kept(item, names, values)]}
            if len(found) <= most:
                return
            last = found[most - 1][0]
            after = (last[1], last[0])

    def _rows(self, partition: str, is_index: bool, *, consistent: bool) -> Iterator[tuple[Key, Item]]:
        table, side = self._table, self._side
        # A read that is not consistent may miss what was written within the last second.
        latest = table.clock.now - (0.0 if consistent else self._index_lag)
        if is_index:
            for key in sorted(table.days[side].get(partition, ())):
                row = table.rows[side][key[0]][key[1]]
                if row.item is not None and row.at <= latest:
                    yield key, row.item
            return
        for sort_key, row in table.rows[side].get(partition, {}).items():
            if row.item is not None and row.at <= latest:
                yield (partition, sort_key), row.item

    def _check(
        self,
        operation: str,
        key: Key,
        expression: str | None,
        names: dict[str, str] | None,
        values: Item | None,
    ) -> Item | None:
        held = self._held(key)
        if expression and not condition(expression)(held or {}, names or {}, values or {}):
            raise failed(ConditionalCheckFailed, "ConditionalCheckFailedException", operation)
        return held

    def _held(self, key: Key) -> Item | None:
        row = self._table.rows[self._side].get(key[0], {}).get(key[1])
        return row.item if row else None

    @property
    def _caller(self) -> str:
        process = self._clock.current
        assert process is not None
        return process.name


def _partition(expression: str, names: dict[str, str], values: Item, attribute: str) -> str:
    """Return the partition that a key condition names: its one equality on the key attribute."""
    for clause in expression.split(" AND "):
        name, equals, value = clause.partition(" = ")
        if equals and names.get(name.strip(), name.strip()) == attribute:
            return str(values[value.strip()]["S"])
    raise NotSimulatedError(f"key condition {expression!r}")
