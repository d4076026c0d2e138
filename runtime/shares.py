"""Fair shares of what delivers: how many deliveries one customer, and one destination, may have at a time
(docs/adr/0039-fair-shares.md).

A customer has numbered slots in the tracker's table, for this region only. An attempt takes a free one before
it connects to the destination, and gives it back. Files without a slot wait in the state machine, where
waiting takes nothing from anybody.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from runtime.contract import TRACKER_PK, TRACKER_SK, TRACKER_TTL
from runtime.timing import ATTEMPT_SECONDS
from runtime.tracker import Tracker

#: Deliveries that a customer may have at a time in a region, and those of them to one destination. A cell's
#: deliveries suffice for five customers' shares: see `customers.concurrency`.
OF_CUSTOMER, OF_DESTINATION = 40, 25

#: Slots that are tried if others take them at the same moment.
_TRIES = 5

#: Seconds after which an unused slot is forgotten.
_FORGET = 86_400

_write = TypeSerializer().serialize
_read = TypeDeserializer().deserialize


class ShareInUseError(RuntimeError):
    """The customer's, or the destination's, share of the deliveries is in use. Nothing was sent."""


class Shares:
    """The customers' shares in a tracker's region.

    A customer never has more than `of_customer` deliveries at a time. Attempts that begin at the same moment
    can exceed `of_destination`.
    """

    def __init__(
        self, *, tracker: Tracker, of_customer: int = OF_CUSTOMER, of_destination: int = OF_DESTINATION
    ) -> None:
        self._table, self._side = tracker.table, tracker.side
        self._client, self._now = tracker.client, tracker.now
        self._of_customer, self._of_destination = of_customer, of_destination

    def take(self, customer: str, destination: str, attempt: str) -> int:
        """Take a slot for this attempt and return its number. Raises ShareInUseError if none is free.

        The slot of an attempt that died is free again when its function must have ended.
        """
        used = self._used(customer)
        if list(used.values()).count(destination) < self._of_destination:
            free = [slot for slot in range(self._of_customer) if slot not in used]
            # Attempts that begin at the same moment start from different ones.
            start = zlib.crc32(attempt.encode()) % len(free) if free else 0
            for slot in (free[start:] + free[:start])[:_TRIES]:
                if self._occupy(customer, slot, destination, attempt):
                    return slot
        raise ShareInUseError(
            f"as many files of {customer} as may are being delivered, {destination} among them"
        )

    def leave(self, customer: str, slot: int, attempt: str) -> None:
        """Give a slot back. Nothing happens if another attempt has it by now."""
        with suppress(self._client.exceptions.ConditionalCheckFailedException):
            self._client.update_item(
                TableName=self._table,
                Key=self._key(customer, slot),
                UpdateExpression="SET #until = :none",
                ConditionExpression="#owner = :owner",
                ExpressionAttributeNames={"#until": "until", "#owner": "owner"},
                ExpressionAttributeValues={":none": _write(0), ":owner": _write(attempt)},
            )

    def _used(self, customer: str) -> dict[int, str]:
        """Return the destinations of a customer's slots that are in use, by number."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="#pk = :pk",
            ExpressionAttributeNames={"#pk": TRACKER_PK},
            ExpressionAttributeValues={":pk": self._key(customer, 0)[TRACKER_PK]},
            ConsistentRead=True,
        )
        return {
            int(_read(item[TRACKER_SK])): _read(item["destination"])
            for page in pages
            for item in page["Items"]
            if _read(item["until"]) > self._now()
        }

    def _occupy(self, customer: str, slot: int, destination: str, attempt: str) -> bool:
        """Take one slot; return False if another attempt has it.

        An attempt that has it already keeps it: the SDK repeats a request whose answer was lost.
        """
        now = int(self._now())
        try:
            self._client.update_item(
                TableName=self._table,
                Key=self._key(customer, slot),
                UpdateExpression="SET #owner = :owner, #to = :destination, #until = :until, #ttl = :ttl",
                ConditionExpression="attribute_not_exists(#until) OR #until <= :now OR #owner = :owner",
                ExpressionAttributeNames={
                    "#owner": "owner",
                    "#to": "destination",
                    "#until": "until",
                    "#ttl": TRACKER_TTL,
                },
                ExpressionAttributeValues={
                    ":owner": _write(attempt),
                    ":destination": _write(destination),
                    ":until": _write(now + ATTEMPT_SECONDS),
                    ":ttl": _write(now + _FORGET),
                    ":now": _write(now),
                },
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        except (ClientError, BotoCoreError):
            # The slot may have been taken all the same, and nobody else would give it back.
            with suppress(ClientError, BotoCoreError):
                self.leave(customer, slot, attempt)
            raise
        return True

    def _key(self, customer: str, slot: int) -> dict[str, Any]:
        return {TRACKER_PK: {"S": f"share#{customer}#{self._side}"}, TRACKER_SK: {"S": f"{slot:03}"}}
