"""The tracker: an append-only table of facts, and one lease per file and region.

The table is a DynamoDB global table: both regions write to it, and the last writer of an item wins. Each
fact has its own key and is inserted once, so replication can neither merge nor lose one. The lease is the
only item that changes. It excludes a second sender within its region, but not in the other region, because
a conditional write is evaluated only against the local replica:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from boto3.dynamodb.types import TypeSerializer

from runtime.contract import (
    TRACKER_INDEX,
    TRACKER_INDEX_PK,
    TRACKER_INDEX_SK,
    TRACKER_PK,
    TRACKER_SK,
    TRACKER_TTL,
    Kind,
)
from runtime.facts import CARRIED_FROM, SUBMITTED, Fact, submitted
from runtime.history import NEWER, PAGE, History, Lease, Leases, Stretch, transfers
from runtime.tracker_items import facts, is_fact, live, outlined

#: The details that `outline` reads: what was submitted (RECEIVED), the facts that are set aside (REPLAYED),
#: and what the customer was told (RECEIPT).
_OUTLINED = ("bucket", "version_id", "size", "etag", "destinations", "over", "outcome")

#: Facts in a page when the newest are read first: those of some forty transfers.
_RECENT = 250

_write = TypeSerializer().serialize


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

    def history(
        self, file: str, transfer: str, *, destinations: Iterable[str] = (), window: timedelta | None = None
    ) -> History:
        """Return what a decision about one of a file's transfers needs, however many others there were.

        That are its own facts, both leases, and the facts of their holders. With a `window`, it is also what
        the `destinations` have received last: at least SERVED submissions before the transfer for each of
        them, as far back as the window and MOST_BEFORE submissions, and whether there is a newer one.
        """
        leases, stretch = Leases(own_key=self._lease_key), Stretch(transfer, tuple(destinations), window)

        def pages(**part: Any) -> Iterator[list[dict[str, Any]]]:
            return self._pages(file, **part)

        stretch.read(pages, leases.pick(pages(backwards=True, size=PAGE)))
        for name in sorted(stretch.wanted(leases)):
            stretch.found[name] = self.facts_of(file, name)
        return _history(stretch.found.values(), leases)

    def newest(self, file: str, most: int = NEWER, *, also: str | None = None) -> History:
        """Return the facts of a file's newest transfers, at most so many and `also` one, and its leases."""
        leases = Leases(own_key=self._lease_key)
        pages = leases.pick(self._pages(file, backwards=True, size=PAGE))
        found = dict(itertools.islice(transfers(pages), most))
        if also and also not in found:
            found[also] = self.facts_of(file, also)
        return _history(found.values(), leases)

    def submitted_between(self, file: str, start: datetime, end: datetime) -> list[Fact]:
        """Return the facts of the transfers of a file that were submitted within a time, oldest first."""
        pages = self._pages(file, above=f"{start.astimezone(UTC):{SUBMITTED}}")
        within = itertools.takewhile(lambda each: submitted(each[0]) <= end, transfers(pages))
        return [fact for _, its in within for fact in its]

    def facts_of(self, file: str, transfer: str) -> list[Fact]:
        """Return the facts about one transfer that have not expired, without reading the file's others."""
        pages = self.client.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="#file = :file AND begins_with(#fact, :transfer)",
            ExpressionAttributeNames={"#file": TRACKER_PK, "#fact": TRACKER_SK},
            ExpressionAttributeValues={":file": {"S": file}, ":transfer": {"S": f"{transfer}#"}},
            ConsistentRead=True,
        )
        return [fact for page in pages for fact in facts(live(page, self.now()))]

    def _pages(
        self, file: str, *, below: str = "", above: str = "", backwards: bool = False, size: int | None = None
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield what has not expired of a file's items, or of those below or above a sort key.

        Facts of kinds that this version does not know are among them. What is older than an expired page has
        expired.
        """
        condition, names, values = "#file = :file", {"#file": TRACKER_PK}, {":file": {"S": file}}
        for sign, bound in (("<", below), (">", above)):
            if bound:
                condition += f" AND #fact {sign} :bound"
                names["#fact"], values[":bound"] = TRACKER_SK, {"S": bound}
        pages = self.client.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression=condition,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
            ConsistentRead=True,
            ScanIndexForward=not backwards,
            PaginationConfig={"PageSize": size},
        )
        for page in pages:
            items = live(page, self.now())
            yield items
            if backwards and page["Items"] and not items:
                return

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
        for page in pages:
            yield from facts(live(page, self.now()))

    def outline(self, customer: str, day: str, *, newest_below: str = "") -> Iterator[Fact]:
        """Yield the same facts as `day`, with only those details that identify a transfer or set facts aside.

        It is meant for reading a whole window: most of a fact's content is neither sent nor parsed. With a
        transfer or a time as `newest_below`, only the facts of earlier transfers are read, the newest first,
        in small pages: one that stops early has read little.
        """
        condition, values = "#day = :day", {":day": {"S": f"{customer}#{day}"}}
        if newest_below:
            condition, values[":below"] = f"{condition} AND #fact < :below", {"S": newest_below}
        names = {f"#{name}": name for name in ("at", "key", CARRIED_FROM, "detail", *_OUTLINED)}
        names |= {"#day": TRACKER_INDEX_PK, "#file": TRACKER_PK, "#fact": TRACKER_SK, "#ttl": TRACKER_TTL}
        pages = self.client.get_paginator("query").paginate(
            TableName=self.table,
            IndexName=TRACKER_INDEX,
            KeyConditionExpression=condition,
            ProjectionExpression=", ".join(
                (
                    *("#file", "#fact", "#ttl", "#at", "#key", f"#{CARRIED_FROM}"),
                    *(f"#detail.#{name}" for name in _OUTLINED),
                )
            ),
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
            ScanIndexForward=not newest_below,
            PaginationConfig={"PageSize": _RECENT if newest_below else None},
        )
        for page in pages:
            for item in page["Items"]:
                if int(item[TRACKER_TTL]["N"]) > self.now() and is_fact(item[TRACKER_SK]["S"]):
                    yield outlined(item, customer)

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
        values[":late"] = list(wanted.late)
        allowed = [is_free, ours, has_expired]
        if seen and seen_ended:
            allowed.append("#owner = :seen")
            values[":seen"] = seen.owner
        try:
            self.client.update_item(
                TableName=self.table,
                Key={TRACKER_PK: {"S": file}, TRACKER_SK: {"S": self._lease_key}},
                UpdateExpression="SET #owner = :owner, #until = :until, #transfer = :transfer, #ttl = :ttl,"
                " thawed = :thawed, late = :late",
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


def _history(groups: Iterable[list[Fact]], leases: Leases) -> History:
    found = sorted((fact for its in groups for fact in its), key=lambda fact: fact.sort_key)
    return History(facts=tuple(found), lease=leases.own, peers=leases.peers)
