"""The audit: a region's own facts, each exactly once, as a hash chain per customer in its Object Lock bucket.

A link is written on condition that no object has its number yet, so the bucket itself decides which writer
continues a chain (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html). The content
of the link is then noted in the tracker. A note may be missing after a crash: the next writer is refused the
number, reads the link that has it, and writes the missing note. A pass may therefore die at any point,
overlap with another, or not run for as long as facts are kept. Facts are found by their day of submission,
because the tracker has no other order. The notes decide which facts are new; a time or a position would miss
late facts.
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

#: Days of submission that every pass reads. Each older day is read twice a day.
RECENT = 2

#: Most facts in a link: about a megabyte.
LINK_FACTS = 1000

#: S3's error codes for a key that has an object already, or is being written at this moment.
_TAKEN = ("PreconditionFailed", "ConditionalRequestConflict")

_PASSES = 24 * 60 // AUDIT_MINUTES
_IDENTITY = 32
_HEAD = "HEAD"
#: A note outlives its facts: as long as a fact can be read, so can the note that it was exported.
_MARGIN = timedelta(days=7)
_MOST_NAMED = 10


class AuditIncompleteError(RuntimeError):
    """The facts of some customers, whom the message names, could not be exported. All others were."""


def days_of_pass(now: datetime, tracker_days: int) -> list[date]:
    """Return the days of submission that the pass at the time `now` reads, newest first.

    Older days take turns by their dates, so no position has to be stored. The schedule is a little late at
    times, so each turn is taken by two consecutive passes.
    """
    turn = int(now.timestamp()) // (60 * AUDIT_MINUTES)
    days = (now.astimezone(UTC).date() - timedelta(days=age) for age in range(tracker_days + 2))
    return [
        day for age, day in enumerate(days) if age < RECENT or (turn - day.toordinal()) % _PASSES in (0, 1)
    ]


class ChainIndex:
    """Notes in the tracker about the chains of one region: their heads, and their facts by day."""

    def __init__(self, *, table: str, side: str, client: Any) -> None:
        self._table, self._side, self._client = table, side, client

    def head(self, customer: str) -> Head:
        """Return the last noted head of a customer's chain; one more link may have been written since."""
        key = {TRACKER_PK: {"S": self._partition(customer)}, TRACKER_SK: {"S": _HEAD}}
        item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        if item is None:
            return Head()
        return Head(number=int(item["number"]["N"]), seal=item["seal"]["S"], at=item["at"]["S"])

    def exported(self, customer: str, day: date) -> set[bytes]:
        """Return the identities of a day's facts that are noted as being in the customer's chain."""
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
        """Note the facts of a link, and then the link as the head unless a later one is. Safe to repeat."""
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
    """Exports one region's own facts. The clients, the tracker and the directory belong to that region."""

    def __init__(
        self,
        *,
        tracker: Tracker,
        index: ChainIndex,
        directory: Directory,
        bucket: str,
        s3: Any,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._tracker, self._index, self._directory = tracker, index, directory
        self._bucket, self._s3, self._now = bucket, s3, now
        self._region = REGION_OF[tracker.side]

    def run(self) -> int:
        """Make one pass over all customers and return the number of facts that were new.

        A customer that fails does not hold up the others: AuditIncompleteError is raised after them.
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
            reasons = "; ".join(failed[:_MOST_NAMED])
            raise AuditIncompleteError(f"{len(failed)} of {len(names)} customers failed: {reasons}")
        return found

    def export(self, customer: str, day: date) -> int:
        """Append to the chain those facts of a day that it lacks, and return their number.

        Raises BrokenLinkError, which names the object, if the next link's key holds anything else.
        """
        facts = self._tracker.day(customer, day.isoformat())
        own = (fact for fact in facts if fact.side == self._tracker.side)
        first = next(own, None)
        if first is None:
            return 0
        # The head is read before the notes, so facts that the notes lack can only be in later links.
        head = self._index.head(customer)
        known = self._index.exported(customer, day)
        count = 0
        new = (fact for fact in joined([first], own) if _identity(fact) not in known)
        while batch := list(islice(new, LINK_FACTS)):
            count += len(batch)
            while batch:
                link = self._continue(head, batch, customer, day)
                self._index.note(link)
                head = link.head
                known.update(map(chain.identity, link.facts))
                batch = [fact for fact in batch if _identity(fact) not in known]
        return count

    def _continue(self, head: Head, facts: list[Fact], customer: str, day: date) -> Link:
        """Write the next link and return it, or the link that another pass has written in its place."""
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
    return chain.identity(chain.document(fact))
