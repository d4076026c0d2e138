"""Takeover: finishing what the lost region had received, as far as this region's replicas know.

It starts only when an operator has declared the peer lost, which is what the peer's switch says; never
because replication is slow. Each transfer goes on in this region's workflow, with its own id and the
replica of its object. Nobody can tell whether the lost region delivered it at the last moment, so every
attempt asks the destination first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from botocore.exceptions import ClientError

from runtime.contract import Kind, Position, peer_of
from runtime.facts import Fact, Status, by_transfer, status
from runtime.routing import Directory
from runtime.switch import Switch
from runtime.tracker import Tracker
from runtime.transfer import Transfer

#: Days of submissions that are looked at. A transfer's workflow ends within hours.
_DAYS = 3

_FAILURES_TOLD = 10


class TakeoverIncompleteError(RuntimeError):
    """Some transfers could not be taken over, and the message names them; all others were."""


@dataclass(frozen=True, kw_only=True)
class TakenOver:
    """What one pass found: transfers that now go on here, and those whose object has not arrived.

    One that an earlier pass started is named again for as long as its execution runs.
    """

    started: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


class Takeover:
    """Takes over from the peer of `side`."""

    def __init__(
        self,
        *,
        side: str,
        switch: Switch,
        tracker: Tracker,
        directory: Directory,
        state_machine: str,
        s3: Any,
        workflow: Any,
    ) -> None:
        """`switch` is the peer's; the clients are this region's."""
        self._side, self._switch, self._tracker, self._directory = side, switch, tracker, directory
        self._state_machine, self._s3, self._workflow = state_machine, s3, workflow

    def run(self, today: date) -> TakenOver:
        """Take over everything that the peer left under way; nothing while the peer is in.

        Safe to repeat: an execution's name follows from the transfer, and facts end what is done. A transfer
        that AWS refuses to take over does not hold back the others: TakeoverIncompleteError after them.
        """
        if self._switch.position() is not Position.OUT:
            return TakenOver()
        started, absent, failed = [], [], []
        for facts in self._under_way(today):
            received = next((fact for fact in facts if fact.kind is Kind.RECEIVED), None)
            if received is None or received.side == self._side:
                continue
            transfer = self._here(received)
            try:
                if not self._has_arrived(transfer):
                    absent.append(transfer.id)
                elif self._start(transfer):
                    started.append(transfer.id)
            except ClientError as error:
                failed.append(f"{transfer.id}: {error}")
        if failed:
            told = "; ".join(failed[:_FAILURES_TOLD])
            raise TakeoverIncompleteError(f"{len(started)} started, {len(failed)} failed: {told}")
        return TakenOver(started=tuple(started), absent=tuple(absent))

    def _under_way(self, today: date) -> Iterator[list[Fact]]:
        for customer in self._directory.names():
            for back in reversed(range(_DAYS)):  # what was submitted first is sent first
                day = today - timedelta(days=back)
                for facts in by_transfer(self._tracker.day(customer, day.isoformat())).values():
                    if status(facts) is Status.UNDER_WAY:
                        yield facts

    def _here(self, received: Fact) -> Transfer:
        """Return the lost region's transfer as one of this region: the same, but for the bucket."""
        bucket = received.detail["bucket"].removesuffix(peer_of(self._side)) + self._side
        return Transfer(
            id=received.transfer,
            file=received.file,
            customer=received.customer,
            bucket=bucket,
            key=received.key,
            version_id=received.detail["version_id"],
            size=received.detail["size"],
            etag=received.detail["etag"],
            destinations=tuple(received.detail["destinations"]),
            expires=received.expires,
            taken_over=True,
        )

    def _has_arrived(self, transfer: Transfer) -> bool:
        try:
            self._s3.head_object(Bucket=transfer.bucket, Key=transfer.key, VersionId=transfer.version_id)
        except self._s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NoSuchVersion"):
                return False
            raise
        return True

    def _start(self, transfer: Transfer) -> bool:
        try:
            self._workflow.start_execution(
                stateMachineArn=self._state_machine,
                name=f"{transfer.id}-takeover",
                input=json.dumps(transfer.document(), sort_keys=True),
            )
        except self._workflow.exceptions.ExecutionAlreadyExists:
            return False
        return True
