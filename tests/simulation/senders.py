"""Simulated clients of the customers: they find a region by name, upload, await the receipt, send again.

They follow the guidance: no receipt within the customer's window entitles them to send the same file again,
unless they have sent something newer under its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from runtime.contract import INBOUND, REGION_OF, SIDES, peer_of
from tests.simulation.schedule import CONTENTS, Sender, Silence, Submit

if TYPE_CHECKING:
    from tests.simulation.world import World

#: Seconds after which a client that was not answered tries again, doubled each time; how often it tries.
_TRY_AGAIN, _TRIES = 45.0, 9


@dataclass(frozen=True, kw_only=True)
class Acknowledged:
    """A file that was taken from a client with the words that it was well received."""

    at: float
    customer: str
    key: str
    content: bytes
    side: str
    version_id: str
    modified: datetime
    is_resend: bool


class Clients:
    """All clients of all customers; `acknowledged` is what they were promised."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._senders = {sender.id: sender for sender in world.schedule.senders}
        self._count = 0
        self._events: dict[str, int] = {}
        self._newest: dict[tuple[str, str], int] = {}
        self.acknowledged: list[Acknowledged] = []

    def submit(self, action: Submit) -> None:
        """Have a client send a file and see to it."""
        if action.customer not in self._senders:
            return
        self._count += 1
        number = self._newest[action.customer, action.key] = self._count
        self._world.clock.spawn(
            f"client {self._count}", lambda: self._see_to(action, self._senders[action.customer], number)
        )

    def _see_to(self, action: Submit, sender: Sender, number: int) -> None:
        clock = self._world.clock
        for resend in range(sender.resends + 1):
            sent = self._send(action, is_resend=resend > 0)
            if sent is None:
                return
            clock.sleep(sender.patience)
            is_newest = self._newest[action.customer, action.key] == number
            if self._has_receipt(sent) or not is_newest:
                return
        return

    def _send(self, action: Submit, *, is_resend: bool) -> Acknowledged | None:
        """Upload until it is acknowledged; None when the client has given up."""
        clock, dice = self._world.clock, self._world.clock.current
        assert dice is not None
        for tried in range(_TRIES):
            side = self._resolve(action.via, action.customer)
            try:
                version = self._upload(action, side)
                if action.loses_answer and not (tried or is_resend):
                    raise ReadTimeoutError(endpoint_url=side)
            except (ClientError, BotoCoreError):
                clock.sleep(_TRY_AGAIN * 2**tried)
                continue
            acknowledged = Acknowledged(
                at=clock.now,
                customer=action.customer,
                key=f"{INBOUND}{action.key}",
                content=CONTENTS[action.content],
                side=side,
                version_id=version,
                modified=self._modified(action, side, version),
                is_resend=is_resend,
            )
            self.acknowledged.append(acknowledged)
            self._world.note(f"acknowledged {action.customer} {action.key} {action.content} in {side}")
            return acknowledged
        return None

    def _resolve(self, endpoint: str, customer: str) -> str:
        """Return the side that a name leads to: its own, or the other's while an operator has it out."""
        side = endpoint if endpoint in SIDES else self._senders[customer].primary
        return peer_of(side) if self._world.switched_out(side) else side

    def _upload(self, action: Submit, side: str) -> str:
        """Upload a file and return its version's id; raises when that was not answered well."""
        content, key = CONTENTS[action.content], f"{INBOUND}{action.key}"
        bucket = f"mft-{action.customer}-{side}"
        s3 = self._world.client("s3", REGION_OF[side])
        if action.how == "put":
            return str(s3.put_object(Bucket=bucket, Key=key, Body=content)["VersionId"])
        if action.how == "rename":
            return self._upload_and_rename(s3, bucket, key, content, side)
        if action.how == "partial" and content:
            part = content[: len(content) // 2]
            put = s3.put_object(Bucket=bucket, Key=key, Body=part)
            self._report(side, "SFTP Server File Upload Failed", bucket, key, part, put)
            self._world.clock.sleep(_TRY_AGAIN)
        put = s3.put_object(Bucket=bucket, Key=key, Body=content)
        self._report(side, "SFTP Server File Upload Completed", bucket, key, content, put)
        return str(put["VersionId"])

    def _modified(self, action: Submit, side: str, version_id: str) -> datetime:
        bucket = self._world.storage.buckets[f"mft-{action.customer}-{side}"]
        version = bucket.find(f"{INBOUND}{action.key}", version_id)
        assert version is not None
        return version.modified

    def _upload_and_rename(self, s3: Any, bucket: str, key: str, content: bytes, side: str) -> str:
        """Upload under a temporary name and rename: Transfer Family copies, deletes, and reports it."""
        temporary = f"{key}.filepart"
        put = s3.put_object(Bucket=bucket, Key=temporary, Body=content)
        self._report(side, "SFTP Server File Upload Completed", bucket, temporary, content, put)
        copied = s3.copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": bucket, "Key": temporary})
        s3.delete_object(Bucket=bucket, Key=temporary)
        process = self._world.clock.current
        assert process is not None
        if process.dice.chance(0.5):  # that every region has this event is not established
            detail = {
                "file-path": f"/{bucket}/{temporary}",
                "renamed-file-path": f"/{bucket}/{key}",
                "end-timestamp": self._timestamp(),
            }
            self._event(side, "SFTP Server File Rename Completed", detail)
        return str(copied["VersionId"])

    def _report(self, side: str, kind: str, bucket: str, key: str, content: bytes, put: Any) -> None:
        detail = {
            "file-path": f"/{bucket}/{key}",
            "bytes": len(content),
            "etag": put["ETag"].strip('"'),
            "end-timestamp": self._timestamp(),
        }
        if kind.endswith("Failed"):
            detail |= {"failure-code": "PARTIAL_UPLOAD", "failure-message": "the session was dropped"}
        self._event(side, kind, detail)

    def _event(self, side: str, kind: str, detail: dict[str, Any]) -> None:
        """Report an upload, unless this is an event that is lost: Transfer Family's are best effort."""
        self._events[side] = self._events.get(side, 0) + 1
        if Silence(side=side, number=self._events[side]) in self._world.schedule.actions:
            self._world.outcome.count("upload events lost")
            return
        self._world.cells[side].queue.put({"source": "aws.transfer", "detail-type": kind, "detail": detail})

    def _timestamp(self) -> str:
        return datetime.fromtimestamp(self._world.clock.now, UTC).isoformat(timespec="milliseconds")

    def _has_receipt(self, sent: Acknowledged) -> bool:
        return any(True for _ in self._receipts(sent))

    def _receipts(self, sent: Acknowledged) -> Iterator[dict[str, Any]]:
        for receipt in self._world.receipts:
            message = receipt.message
            if (message["customer"], message["key"]) == (sent.customer, sent.key) and (
                message["version_id"] == sent.version_id or receipt.at >= sent.at
            ):
                yield message
