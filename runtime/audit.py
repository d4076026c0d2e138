"""The audit: a region's own facts, each exactly once, as a hash chain per customer in its Object-Lock bucket.

A link is written on condition that nothing stands under its number yet, so the bucket itself decides who
continues a chain (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html). What it
holds is then noted in the tracker. After a crash a note may be missing: whoever writes next is refused the
number, reads the link that has it, and makes the note good. So a pass may die anywhere, run twice at once, or
not run for as long as facts are kept. Facts are found by day of submission, for the tracker has no other
order; what is new follows from the notes, not from a time or a position that a late fact could slip behind.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import chain as joined
from itertools import islice
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from runtime import chain
from runtime.chain import BrokenLinkError, Head, Link
from runtime.contract import REGION_OF, TRACKER_PK, TRACKER_SK, TRACKER_TTL, is_canary
from runtime.facts import Fact
from runtime.routing import Directory, UnknownCustomerError
from runtime.timing import AUDIT_MINUTES
from runtime.tracker import Tracker

#: Days of submission that every pass looks at; each older one is looked at twice a day.
RECENT = 2

#: Facts in a link, at most: about a megabyte.
LINK_FACTS = 1000

#: What S3 says when an object stands there, or is being written there at this moment.
_TAKEN = ("PreconditionFailed", "ConditionalRequestConflict")

_PASSES = 24 * 60 // AUDIT_MINUTES
_IDENTITY = 32
_HEAD = "HEAD"
#: A note outlives the facts that it is about: who still sees a fact must see that it was exported.
_MARGIN = timedelta(days=7)
_FAILURES_TOLD = 10


class AuditIncompleteError(RuntimeError):
    """The facts of some customers could not be exported, and the message names them; all others were."""


def days_of_pass(now: datetime, tracker_days: int) -> list[date]:
    """Return the days of submission that the pass of this time looks at, newest first.

    Older days take turns by their dates, so there is no position to lose. A schedule is a little late at
    times: two passes after each other share each turn.
    """
    turn = int(now.timestamp()) // (60 * AUDIT_MINUTES)
    days = (now.astimezone(UTC).date() - timedelta(days=age) for age in range(tracker_days + 2))
    return [
        day for age, day in enumerate(days) if age < RECENT or (turn - day.toordinal()) % _PASSES in (0, 1)
    ]


class ChainIndex:
    """What the chains of one region hold, noted in the tracker: their heads, and which facts of each day."""

    def __init__(self, *, table: str, side: str, client: Any) -> None:
        self._table, self._side, self._client = table, side, client

    def head(self, customer: str) -> Head:
        """Return the head of a customer's chain as it was last noted; a link more may have been written."""
        key = {TRACKER_PK: {"S": self._partition(customer)}, TRACKER_SK: {"S": _HEAD}}
        item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        if item is None:
            return Head()
        return Head(number=int(item["number"]["N"]), seal=item["seal"]["S"], at=item["at"]["S"])

    def exported(self, customer: str, day: date) -> set[bytes]:
        """Return the identities of a day's facts that were noted to be in the customer's chain."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="#pk = :pk AND begins_with(#sk, :day)",
            ExpressionAttributeNames={"#pk": TRACKER_PK, "#sk": TRACKER_SK},
            ExpressionAttributeValues={
                ":pk": {"S": self._partition(customer)},
                ":day": {"S": f"{day.isoformat()}#"},
            },
            ConsistentRead=True,
        )
        notes = (item["identities"]["B"] for page in pages for item in page["Items"])
        return {note[at : at + _IDENTITY] for note in notes for at in range(0, len(note), _IDENTITY)}

    def note(self, link: Link) -> None:
        """Note what a link holds, and then that it is the head, unless a later one is. Safe to repeat."""
        partition = {TRACKER_PK: {"S": self._partition(link.customer)}}
        until = max(fact["expires"] for fact in link.facts) + int(_MARGIN.total_seconds())
        self._client.put_item(
            TableName=self._table,
            Item={
                **partition,
                TRACKER_SK: {"S": f"{link.day}#{link.number:012}"},
                TRACKER_TTL: {"N": str(until)},
                "identities": {"B": b"".join(map(chain.identity, link.facts))},
            },
        )
        head = {"number": {"N": str(link.number)}, "seal": {"S": link.seal}, "at": {"S": link.at}}
        try:
            self._client.put_item(
                TableName=self._table,
                Item={**partition, TRACKER_SK: {"S": _HEAD}, **head},
                ConditionExpression="attribute_not_exists(#number) OR #number < :number",
                ExpressionAttributeNames={"#number": "number"},
                ExpressionAttributeValues={":number": head["number"]},
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return

    def _partition(self, customer: str) -> str:
        return f"audit#{customer}#{self._side}"


class Audit:
    """Exports one region's own facts. The clients, the tracker and the directory are that region's."""

    def __init__(
        self,
        *,
        tracker: Tracker,
        ledger: ChainIndex,
        directory: Directory,
        bucket: str,
        s3: Any,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._tracker, self._ledger, self._directory = tracker, ledger, directory
        self._bucket, self._s3, self._now = bucket, s3, now
        self._region = REGION_OF[tracker.side]

    def run(self) -> int:
        """Make one pass over all customers; return how many facts it found new.

        A customer that fails does not hold back the others: AuditIncompleteError after them.
        """
        names = [name for name in self._directory.names() if not is_canary(name)]
        found, failed = 0, []
        for name in names:
            try:
                for day in days_of_pass(self._now(), self._directory.customer(name).tracker_days):
                    found += self.export(name, day)
            except (ClientError, BotoCoreError, BrokenLinkError, UnknownCustomerError) as error:
                failed.append(f"{name}: {error}")
        if failed:
            told = "; ".join(failed[:_FAILURES_TOLD])
            raise AuditIncompleteError(f"{len(failed)} of {len(names)} customers failed: {told}")
        return found

    def export(self, customer: str, day: date) -> int:
        """Bring into the chain what it does not hold of a day's facts; return how many were new.

        Raises BrokenLinkError, naming the object, when something else stands where the next link belongs.
        """
        facts = self._tracker.day(customer, day.isoformat())
        own = (fact for fact in facts if fact.side == self._tracker.side)
        first = next(own, None)
        if first is None:
            return 0
        head = self._ledger.head(customer)  # before the notes: what they lack is then in later links
        known = self._ledger.exported(customer, day)
        count = 0
        new = (fact for fact in joined([first], own) if _identity(fact) not in known)
        while batch := list(islice(new, LINK_FACTS)):
            count += len(batch)
            while batch:
                link = self._continue(head, batch, customer, day)
                self._ledger.note(link)
                head = link.head
                known.update(map(chain.identity, link.facts))
                batch = [fact for fact in batch if _identity(fact) not in known]
        return count

    def _continue(self, head: Head, facts: list[Fact], customer: str, day: date) -> Link:
        """Write the next link, or read the one that another pass has written; return whichever stands."""
        at = self._now().isoformat(timespec="seconds")
        link = Link.after(head, facts, customer=customer, region=self._region, day=day.isoformat(), at=at)
        place = {"Bucket": self._bucket, "Key": chain.key(customer, link.number)}
        try:
            self._s3.put_object(
                **place,
                Body=link.render(),
                ContentType="application/jsonl",
                ChecksumAlgorithm="SHA256",
                IfNoneMatch="*",
            )
        except self._s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] not in _TAKEN:
                raise
            return self._stands(head, customer, **place)
        return link

    def _stands(self, head: Head, customer: str, **place: str) -> Link:
        text = self._s3.get_object(**place)["Body"].read()
        number, where = head.number + 1, "/".join(place.values())
        try:
            link = chain.whole(text)
        except BrokenLinkError as error:
            raise BrokenLinkError(f"{where} is not a link: {error}") from error
        if problems := chain.breaks(head, link, customer=customer, region=self._region, number=number):
            raise BrokenLinkError(f"{where} is not the next link: {'; '.join(problems)}")
        return link


def _identity(fact: Fact) -> bytes:
    return chain.identity(vars(fact))
