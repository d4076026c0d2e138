"""How far a large content was read, kept in the tracker's table until the next attempt."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from runtime.contract import TRACKER_PK, TRACKER_SK, TRACKER_TTL
from runtime.delivery.content_hash import Position
from runtime.tracker import Tracker

#: Seconds after which a position is forgotten. No execution retries for as long.
_FORGET = 30 * 86_400

_write = TypeSerializer().serialize
_read = TypeDeserializer().deserialize


class ContentProgress:
    """The positions in the content of one transfer. The content of a transfer never changes.

    So a position is true whoever has saved it, in either region, and a lost one costs only time.
    """

    def __init__(self, tracker: Tracker, transfer: str) -> None:
        self._tracker, self._pk = tracker, f"progress#{transfer}"

    def load(self, purpose: str) -> Position:
        """Return the last position that was saved for a purpose, the beginning if that is not known."""
        items: list[dict[str, Any]] = []
        with suppress(ClientError, BotoCoreError):
            items = self._tracker.client.query(
                TableName=self._tracker.table,
                KeyConditionExpression="#pk = :pk AND #sk = :sk",
                ExpressionAttributeNames={"#pk": TRACKER_PK, "#sk": TRACKER_SK},
                ExpressionAttributeValues={":pk": {"S": self._pk}, ":sk": {"S": purpose}},
                ConsistentRead=True,
            )["Items"]
        for item in items:
            return Position(int(_read(item["offset"])), _read(item["link"]))
        return Position()

    def save(self, purpose: str, position: Position) -> None:
        """Keep a position, unless one that is further on has been saved."""
        item = {
            TRACKER_PK: self._pk,
            TRACKER_SK: purpose,
            TRACKER_TTL: int(self._tracker.now()) + _FORGET,
            "offset": position.offset,
            "link": position.link,
        }
        with suppress(ClientError, BotoCoreError):
            self._tracker.client.put_item(
                TableName=self._tracker.table,
                Item={name: _write(value) for name, value in item.items()},
                ConditionExpression="attribute_not_exists(#offset) OR #offset < :offset",
                ExpressionAttributeNames={"#offset": "offset"},
                ExpressionAttributeValues={":offset": _write(position.offset)},
            )
