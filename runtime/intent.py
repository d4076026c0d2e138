"""The intent of an attempt: noted before the file can appear, and taken back when it certainly has not.

An execution begins again when one of its destinations is overtaken, and does not know then how its attempts
at the others ended: the functions run on. The note is what it finds (docs/adr/0049-intents.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from runtime.contract import TRACKER_PK, TRACKER_SK, TRACKER_TTL
from runtime.delivery import DeliveryUnknownError, PermanentDeliveryError, TransientDeliveryError
from runtime.tracker import Tracker
from runtime.transfer import Transfer

_write = TypeSerializer().serialize


class EarlierAttemptError(DeliveryUnknownError):
    """An earlier attempt of this execution may have delivered the file. This one has sent nothing.

    What this one has uploaded stays: the earlier one may be about to rename it.
    """


class Intent:
    """The intent of one attempt of the execution `owner`, kept in a tracker's region.

    There is one note for each destination of a transfer and each execution: other executions ask the
    destination first anyway. It expires with the facts of the transfer.
    """

    def __init__(
        self, tracker: Tracker, transfer: Transfer, destination: str, *, owner: str, attempt: str
    ) -> None:
        self._tracker, self._attempt, self._expires = tracker, attempt, transfer.expires
        self._destination = destination
        self._key = {
            TRACKER_PK: _write(f"intent#{transfer.id}#{destination}"),
            TRACKER_SK: _write(f"INTENT#{owner}#{tracker.side}"),
        }
        #: Whether the note may be there. Until then, nothing was sent.
        self.is_declared = False

    def declare(self, *, is_only: bool) -> None:
        """Note that the file can appear from now on.

        Raises EarlierAttemptError if this has to be the only attempt and another one's note is there.
        """
        self.is_declared = True
        is_first = self._change(
            "SET attempt = :attempt, #ttl = :ttl",
            "attribute_not_exists(attempt) OR attempt = :attempt",
            {":ttl": self._expires},
        )
        if is_only and not is_first:
            reason = "an earlier attempt of this execution may have delivered the file"
            raise EarlierAttemptError(self._destination, "intent", reason)

    @contextmanager
    def until_it_is_known(self) -> Iterator[None]:
        """Take the note back if the attempt fails and the file has certainly not appeared.

        A note that cannot be taken back has the next attempt ask the destination first.
        """
        try:
            yield
        except (TransientDeliveryError, PermanentDeliveryError):
            if self.is_declared:
                with suppress(ClientError, BotoCoreError):
                    self._change("REMOVE attempt", "attempt = :attempt", {})
            raise

    def _change(self, update: str, condition: str, values: dict[str, Any]) -> bool:
        """Change the note; return whether it is, or was, this attempt's own."""
        client = self._tracker.client
        try:
            client.update_item(
                TableName=self._tracker.table,
                Key=self._key,
                UpdateExpression=update,
                ConditionExpression=condition,
                **({"ExpressionAttributeNames": {"#ttl": TRACKER_TTL}} if values else {}),
                ExpressionAttributeValues={
                    name: _write(value) for name, value in {":attempt": self._attempt, **values}.items()
                },
            )
        except client.exceptions.ConditionalCheckFailedException:
            return False
        return True
