"""The tracker: an append-only table of facts, and one lease per file and region.

The table is a DynamoDB global table: both regions write to it, and the last writer of an item wins. Each
fact has its own key and is inserted once, so replication can neither merge nor lose one. The lease is the
only item that changes. It excludes a second sender within its region, but not in the other region, because
a conditional write is evaluated only against the local replica:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from runtime.contract import (
    TRACKER_INDEX,
    TRACKER_INDEX_PK,
    TRACKER_INDEX_SK,
    TRACKER_PK,
    TRACKER_SK,
    TRACKER_TTL,
    Kind,
    kind_of,
)
from runtime.facts import Fact, of_transfer

#: The details that `outline` reads: what was submitted (RECEIVED), the facts that are set aside (REPLAYED),
#: and what the customer was told (RECEIPT).
_OUTLINED = ("bucket", "version_id", "size", "etag", "destinations", "over", "outcome")

#: The attributes of a fact's item in the table, besides the index's key, which follows from them.
_ATTRIBUTES = (
    *(TRACKER_PK, TRACKER_SK, TRACKER_INDEX_PK, TRACKER_TTL, "transfer", "kind", "destination"),
    *("customer", "key", "side", "writer", "at", "detail"),
)

_FACT_SEPARATORS = 4

_write = TypeSerializer().serialize
_read = TypeDeserializer().deserialize


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The execution that may send a file in this region, and until when (seconds since the epoch).

    `thawed` means that its holder stood still for longer than it ever waits, so the other region may have
    delivered meanwhile. It stays for as long as the same execution holds the lease.
    """

    owner: str
    transfer: str
    until: int
    thawed: bool = False


@dataclass(frozen=True, kw_only=True)
class History:
    """What the local replica holds about one file: its facts, oldest transfer first, and its leases.

    `peers` is the other region's lease, as far as it has replicated. It shows what is being sent there, and
    excludes no sender here.
    """

    facts: tuple[Fact, ...]
    lease: Lease | None
    peers: Lease | None = None

    def of(self, transfer: str) -> list[Fact]:
        """Return the facts of one of the file's transfers, by its id; empty when there are none."""
        return of_transfer(self.facts, transfer)


class Tracker:
    """One region's view of the tracker table."""

    def __init__(self, *, table: str, side: str, client: Any, now: Callable[[], float] = time.time) -> None:
        self.table, self.side, self.client, self.now = table, side, client, now

    def record(self, fact: Fact) -> bool:
        """Insert a fact; return False, and change nothing, if a fact with the same key exists already."""
        try:
            self.client.put_item(**self.insertion(fact))
        except self.client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def insertion(self, fact: Fact) -> dict[str, Any]:
        """Return the parameters of the PutItem that inserts a fact."""
        item = {
            **fact.extra,
            TRACKER_PK: fact.file,
            TRACKER_SK: fact.sort_key,
            TRACKER_INDEX_PK: fact.customer_day,
            TRACKER_TTL: fact.expires,
            "transfer": fact.transfer,
            "kind": str(fact.kind),
            "destination": fact.destination,
            "customer": fact.customer,
            "key": fact.key,
            "side": fact.side,
            "writer": fact.writer,
            "at": fact.at,
            "detail": fact.detail,
        }
        return {
            "TableName": self.table,
            "Item": {name: _write(value) for name, value in item.items()},
            "ConditionExpression": f"attribute_not_exists({TRACKER_SK})",
        }

    def history(self, file: str) -> History:
        """Return all facts of a file that have not expired, and the leases on it.

        Facts of kinds that this version does not know are among them. An item whose sort key is not that of a
        fact or a lease is left out.

        DynamoDB deletes expired items late, so an expired item is treated as deleted:
        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html
        """
        pages = self.client.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="#file = :file",
            ExpressionAttributeNames={"#file": TRACKER_PK},
            ExpressionAttributeValues={":file": {"S": file}},
            ConsistentRead=True,
        )
        facts: list[Fact] = []
        lease = peers = None
        for item in self._live(pages):
            if item[TRACKER_SK] == self._lease_key:
                lease = _lease(item)
            elif item[TRACKER_SK].startswith(f"{Kind.CLAIM}#"):
                peers = _lease(item)
            elif _is_fact(item[TRACKER_SK]):
                facts.append(_fact(item))
        return History(facts=tuple(facts), lease=lease, peers=peers)

    def facts_of(self, file: str, transfer: str) -> list[Fact]:
        """Return the facts about one transfer that have not expired, without reading the file's others."""
        pages = self.client.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="#file = :file AND begins_with(#fact, :transfer)",
            ExpressionAttributeNames={"#file": TRACKER_PK, "#fact": TRACKER_SK},
            ExpressionAttributeValues={":file": {"S": file}, ":transfer": {"S": f"{transfer}#"}},
            ConsistentRead=True,
        )
        return [_fact(item) for item in self._live(pages) if _is_fact(item[TRACKER_SK])]

    def day(self, customer: str, day: str, *, after: str = "") -> Iterator[Fact]:
        """Yield the facts of the transfers that a customer submitted on a UTC day (`YYYY-MM-DD`).

        With a transfer as `after`, only those of the transfers behind it are read.
        """
        condition = "#day = :day"
        names, values = {"#day": TRACKER_INDEX_PK}, {":day": {"S": f"{customer}#{day}"}}
        if after:
            condition += " AND #fact > :after"
            names["#fact"] = TRACKER_INDEX_SK
            values[":after"] = {"S": f"{after}{chr(ord('#') + 1)}"}  # behind each of its facts: `after#...`
        pages = self.client.get_paginator("query").paginate(
            TableName=self.table,
            IndexName=TRACKER_INDEX,
            KeyConditionExpression=condition,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
        )
        for item in self._live(pages):
            if _is_fact(item[TRACKER_SK]):
                yield _fact(item)

    def outline(self, customer: str, day: str) -> Iterator[Fact]:
        """Yield the same facts as `day`, with only those details that identify a transfer or set facts aside.

        It is meant for reading a whole window: most of a fact's content is neither sent nor parsed.
        """
        names = {f"#{name}": name for name in ("at", "key", "detail", *_OUTLINED)}
        names |= {"#day": TRACKER_INDEX_PK, "#file": TRACKER_PK, "#fact": TRACKER_SK, "#ttl": TRACKER_TTL}
        pages = self.client.get_paginator("query").paginate(
            TableName=self.table,
            IndexName=TRACKER_INDEX,
            KeyConditionExpression="#day = :day",
            ProjectionExpression=", ".join(
                ("#file", "#fact", "#ttl", "#at", "#key", *(f"#detail.#{name}" for name in _OUTLINED))
            ),
            ExpressionAttributeNames=names,
            ExpressionAttributeValues={":day": {"S": f"{customer}#{day}"}},
        )
        for page in pages:
            for item in page["Items"]:
                if int(item[TRACKER_TTL]["N"]) > self.now() and _is_fact(item[TRACKER_SK]["S"]):
                    yield _outlined(item, customer)

    def claim(self, file: str, wanted: Lease, *, seen: Lease | None, seen_ended: bool, expires: int) -> bool:
        """Take or renew the lease on a file in this region; return whether `wanted.owner` has it now.

        `seen` is the lease as it was read before, and `seen_ended` whether its transfer has ended, which
        frees it. This is a compare-and-set: a lease that has changed since it was read is not taken.
        """
        is_free = f"attribute_not_exists({TRACKER_SK})"
        ours = "#owner = :owner"
        has_expired = "#until < :now"
        names = {"#owner": "owner", "#until": "until", "#transfer": "transfer", "#ttl": TRACKER_TTL}
        values = {":owner": wanted.owner, ":now": int(self.now()), ":until": wanted.until}
        values |= {":transfer": wanted.transfer, ":ttl": expires, ":thawed": wanted.thawed}
        allowed = [is_free, ours, has_expired]
        if seen and seen_ended:
            allowed.append("#owner = :seen")
            values[":seen"] = seen.owner
        try:
            self.client.update_item(
                TableName=self.table,
                Key={TRACKER_PK: {"S": file}, TRACKER_SK: {"S": self._lease_key}},
                UpdateExpression="SET #owner = :owner, #until = :until, #transfer = :transfer, #ttl = :ttl,"
                " thawed = :thawed",
                ConditionExpression=" OR ".join(allowed),
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={name: _write(value) for name, value in values.items()},
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    @property
    def _lease_key(self) -> str:
        return f"{Kind.CLAIM}#{self.side}"

    def _live(self, pages: Any) -> Iterator[dict[str, Any]]:
        for page in pages:
            for item in page["Items"]:
                plain = {name: _read(value) for name, value in item.items()}
                if plain[TRACKER_TTL] > self.now():
                    yield plain


def _lease(item: dict[str, Any]) -> Lease:
    return Lease(
        owner=item["owner"],
        transfer=item["transfer"],
        until=int(item["until"]),
        thawed=item.get("thawed", False),
    )


def _is_fact(sort_key: str) -> bool:
    """Return whether an item with this sort key is a fact, of a known kind or not (Fact.sort_key)."""
    return sort_key.count("#") == _FACT_SEPARATORS


def _fact(item: dict[str, Any]) -> Fact:
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


def _outlined(item: dict[str, Any], customer: str) -> Fact:
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
