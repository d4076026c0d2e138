"""The breaker: while a destination keeps failing, one file tries it and the others wait
(docs/adr/0010-breaker.md).

Its state is one item in the tracker's table, for this region only. The item is created by a destination's
first failure, so a delivery that succeeds writes nothing.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from runtime.contract import TRACKER_PK, TRACKER_SK, TRACKER_TTL
from runtime.timing import ATTEMPT_SECONDS
from runtime.tracker import Tracker

#: Consecutive failures, of any files, after which only one file at a time tries.
FAILURES = 5

#: Seconds for which it is one execution's turn to try. The turn of an execution that died goes, after this
#: time, to the next one that asks.
TURN = ATTEMPT_SECONDS

#: Seconds after the last failure at which the failures are forgotten.
_FORGET = 86_400

_write = TypeSerializer().serialize
_read = TypeDeserializer().deserialize


class BreakerOpenError(RuntimeError):
    """Another file is trying this destination, which keeps failing. Nothing was sent."""


class Breaker:
    """The breakers of the destinations of a tracker's region."""

    def __init__(self, *, tracker: Tracker) -> None:
        self._table, self._side = tracker.table, tracker.side
        self._client, self._now = tracker.client, tracker.now

    def enter(self, customer: str, destination: str, owner: str) -> bool:
        """Let this execution try; return whether there are failures for `worked` to forget if it succeeds.

        Raises BreakerOpenError if another execution has the turn.
        """
        key = self._key(customer, destination)
        item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        if item is None or _read(item[TRACKER_TTL]) <= self._now():
            return False
        failures = _read(item["failures"])
        if failures >= FAILURES:
            self._take_turn(key, owner, destination)
        return bool(failures)

    def failed(self, customer: str, destination: str, owner: str) -> None:
        """Count a failure, and give this execution the turn to try again."""
        self._update(
            self._key(customer, destination),
            "#failures = if_not_exists(#failures, :none) + :one, "
            "#owner = :owner, #until = :until, #ttl = :ttl",
            {
                ":none": 0,
                ":one": 1,
                ":owner": owner,
                ":until": int(self._now()) + TURN,
                ":ttl": int(self._now()) + _FORGET,
            },
        )

    def worked(self, customer: str, destination: str) -> None:
        """Forget the failures, so that every file may be sent again."""
        self._update(self._key(customer, destination), "#failures = :none", {":none": 0})

    def leave(self, customer: str, destination: str, owner: str) -> None:
        """Give up this execution's turn, if it has the turn, so that another file may try at once."""
        with suppress(self._client.exceptions.ConditionalCheckFailedException):
            self._update(
                self._key(customer, destination),
                "#until = :none",
                {":none": 0, ":owner": owner},
                condition="#owner = :owner",
            )

    def _take_turn(self, key: dict[str, Any], owner: str, destination: str) -> None:
        try:
            self._update(
                key,
                "#owner = :owner, #until = :until",
                {":owner": owner, ":until": int(self._now()) + TURN, ":now": int(self._now())},
                condition="#owner = :owner OR #until < :now",
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            raise BreakerOpenError(f"{destination} keeps failing, and another file is trying it") from error

    def _update(
        self, key: dict[str, Any], change: str, values: dict[str, Any], *, condition: str | None = None
    ) -> None:
        names = {"#failures": "failures", "#owner": "owner", "#until": "until", "#ttl": TRACKER_TTL}
        text = f"{change} {condition or ''}"
        self._client.update_item(
            TableName=self._table,
            Key=key,
            UpdateExpression=f"SET {change}",
            **({"ConditionExpression": condition} if condition else {}),
            ExpressionAttributeNames={mark: name for mark, name in names.items() if mark in text},
            ExpressionAttributeValues={name: _write(value) for name, value in values.items()},
        )

    def _key(self, customer: str, destination: str) -> dict[str, Any]:
        return {
            TRACKER_PK: {"S": f"breaker#{customer}#{destination}"},
            TRACKER_SK: {"S": f"BREAKER#{self._side}"},
        }
