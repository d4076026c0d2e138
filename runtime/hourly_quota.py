"""How many files of a customer a region takes in within an hour (docs/adr/0047-hourly-quota.md).

Each file that is taken in has a numbered ticket of the hour in which it was submitted, by S3's clock. The
ticket and the file's first fact are written in one transaction: no repetition of an event counts twice, and
no crash lies between the two.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from runtime.contract import TRACKER_PK, TRACKER_SK, TRACKER_TTL
from runtime.facts import Fact, submitted
from runtime.tracker import Tracker

#: Times that a ticket is tried for while others take the same number.
_TRIES = 20

#: For how long tickets are remembered: events may be late.
_KEPT = timedelta(days=2)

_TAKEN = frozenset({"ConditionalCheckFailed", "TransactionConflict"})


class QuotaUsedError(RuntimeError):
    """The customer's quota of this hour is used up; the text is for the customer. Nothing was recorded."""


class HourlyQuota:
    """The tickets of a tracker's region."""

    def __init__(self, *, tracker: Tracker) -> None:
        self._tracker = tracker

    def record(self, fact: Fact, files_per_hour: int | None) -> bool:
        """Record a file's first fact and take its ticket, as Tracker.record does if there is no quota.

        Raises QuotaUsedError, and the ClientError of a transaction that others keep cancelling.
        """
        if files_per_hour is None:
            return self._tracker.record(fact)
        hour = submitted(fact.transfer).replace(minute=0, second=0)
        for tries_left in reversed(range(_TRIES)):
            number = self._used(fact.customer, hour)
            if number >= files_per_hour:
                raise QuotaUsedError(
                    f"{files_per_hour} files have been taken in here that were sent in the hour from"
                    f" {hour:%H}:00 UTC, and that is this customer's quota; send it again later"
                )
            try:
                return self._take(fact, hour, number)
            except ClientError as error:
                if not _was_taken(error) or not tries_left:
                    raise
        raise AssertionError("the last try has returned or raised")

    def _take(self, fact: Fact, hour: datetime, number: int) -> bool:
        """Insert both items or neither; return False if the fact exists."""
        ticket = {
            TRACKER_PK: {"S": self._key(fact.customer, hour)},
            TRACKER_SK: {"S": f"{number:07}"},
            TRACKER_TTL: {"N": str(int((hour + _KEPT).timestamp()))},
            "transfer": {"S": fact.transfer},
        }
        insertion = self._tracker.insertion(fact)
        try:
            self._tracker.client.transact_write_items(
                TransactItems=[{"Put": insertion}, {"Put": {**insertion, "Item": ticket}}]
            )
        except self._tracker.client.exceptions.TransactionCanceledException as error:
            if _reasons(error)[0] == "ConditionalCheckFailed":
                return False
            raise
        return True

    def _used(self, customer: str, hour: datetime) -> int:
        """Return how many tickets of an hour are taken: one more than the last number."""
        found = self._tracker.client.query(
            TableName=self._tracker.table,
            KeyConditionExpression="#pk = :pk",
            ExpressionAttributeNames={"#pk": TRACKER_PK},
            ExpressionAttributeValues={":pk": {"S": self._key(customer, hour)}},
            ScanIndexForward=False,
            ConsistentRead=True,
            Limit=1,
        )
        return 1 + int(found["Items"][0][TRACKER_SK]["S"]) if found["Items"] else 0

    def _key(self, customer: str, hour: datetime) -> str:
        return f"quota#{customer}#{self._tracker.side}#{hour:%Y-%m-%dT%H}"


def _reasons(error: ClientError) -> list[str]:
    reasons: list[dict[str, Any]] = error.response.get("CancellationReasons", [])
    return [str(each.get("Code")) for each in reasons] or [""]


def _was_taken(error: ClientError) -> bool:
    """Return whether another file took the number at the same moment."""
    return bool(_TAKEN & set(_reasons(error)))
