"""Simulated clients of the customers: they find a region by name, upload, await the receipt, send again.

They follow the guidance: no receipt within the customer's window entitles them to send the same file again,
unless they have sent something newer under its name. When a notice says that a region is out, they send at
once to the other what the SDK (client/mft_client/submissions.py) says is due.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from mft_client.submissions import Sent, Submissions
from runtime.contract import INBOUND, REGION_OF, SIDE_OF, SIDES, file_id, peer_of, transfer_id
from tests.simulation.place import NAMESPACE
from tests.simulation.schedule import (
    CONTENTS,
    Abort,
    Crash,
    Drop,
    Lose,
    Noise,
    Sender,
    Silence,
    Submit,
    Trouble,
)

if TYPE_CHECKING:
    from tests.simulation.world import World

#: Seconds after which a client that was not answered tries again, doubled each time; how often it tries.
_TRY_AGAIN, _TRIES = 45.0, 9

#: Seconds after which what was sent again has come to its end: a lease of the lost region has run out too.
_ENOUGH = 7200.0

#: Longer than a schedule.
_NEVER = timedelta(days=1000)


@dataclass(frozen=True, kw_only=True)
class Acknowledged:
    """A file whose upload was acknowledged to its client."""

    at: float
    customer: str
    key: str
    content: bytes
    side: str
    version_id: str
    modified: datetime
    is_resend: bool


class Clients:
    """All clients of all customers; `acknowledged` are the files that they were promised."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._senders = {sender.id: sender for sender in world.schedule.senders}
        self._count = 0
        self._events: dict[str, int] = {}
        self._newest: dict[tuple[str, str], int] = {}
        self.acknowledged: list[Acknowledged] = []

        self._submissions = {name: Submissions(name) for name in self._senders}
        #: What was sent to each version's name, so that it can be sent again.
        self._actions: dict[str, Submit] = {}
        self._notices = 0
        #: By the side that is out: when a customer had done what the notice said, and what it knows since.
        self._heeded: dict[str, list[tuple[float, Submissions]]] = {}

    def receive(self, message: dict[str, Any]) -> None:
        """Take in a message of a receipt topic; have the customer's client do what a notice says."""
        submissions = self._submissions[message["customer"]]
        submissions.receive(message, self._now())
        if message["outcome"] == "notice":
            self._notices += 1
            self._world.outcome.count("notices")
            self._world.clock.spawn(f"heeding {self._notices}", lambda: self._heed(message, submissions))

    def _heed(self, notice: dict[str, Any], submissions: Submissions) -> None:
        """Send again what is due, to the bucket that the notice names."""
        self._believe(notice)
        side = SIDE_OF[notice["region"]]
        assert notice["bucket"] == f"{NAMESPACE}-{notice['customer']}-{side}"
        for sent in submissions.due(self._now(), patience=_NEVER, window=_NEVER).again:
            self._world.outcome.count("sent again as a notice said")
            self._send(self._actions[sent.version_id], first=sent.first, to=side)
        self._heeded.setdefault(SIDE_OF[notice["out"]], []).append((self._world.clock.now, submissions))

    def look_back(self, side: str) -> None:
        """Before a lost region returns: check that customers who followed the notice did not need it.

        Every file has its receipt from the other region or is on the notice, where nothing else went wrong.
        """
        actions = self._world.schedule.actions
        losses = sum(isinstance(each, Lose) for each in actions)
        others = Crash | Trouble | Noise | Silence | Drop | Abort
        if losses > 1 or any(isinstance(each, others) for each in actions):
            return
        now = self._world.clock.now
        for done, submissions in self._heeded.pop(side, []):
            if now - done < _ENOUGH:
                continue
            self._world.outcome.count("customers who needed the lost region for nothing")
            for sent in submissions.due(self._now(), patience=timedelta(), window=_NEVER).again:
                if sent.at.timestamp() <= now - _ENOUGH:
                    self._world.broken("lost by the notice", f"{sent.key} {sent.version_id} has no receipt")

    def _believe(self, notice: dict[str, Any]) -> None:
        """Check that each file that a notice lists as delivered has been at every partner."""
        sender = self._senders[notice["customer"]]
        for file in notice["delivered"]["files"]:
            key, content = file["key"], self._content(sender.id, file["key"], file["transfer"])
            for name in sender.to(key):
                partner = self._world.partners[sender.id, name]
                if not partner.has_had(key.rpartition("/")[2], content):
                    self._world.broken("untrue notice", f"{key} {file['transfer']} is not at {name}")

    def _content(self, customer: str, key: str, transfer: str) -> bytes:
        """Return what was submitted as a transfer."""
        buckets = (self._world.storage.buckets[f"{NAMESPACE}-{customer}-{side}"] for side in SIDES)
        return next(
            version.body
            for bucket in buckets
            for version in bucket.versions.get(key, ())
            if transfer_id(file_id(customer, key), version.id, version.modified) == transfer
        )

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
        clock, first = self._world.clock, ""
        for _ in range(sender.resends + 1):
            sent = self._send(action, first=first)
            if sent is None:
                return
            first = first or sent.version_id
            clock.sleep(sender.patience)
            is_newest = self._newest[action.customer, action.key] == number
            if self._has_receipt(sent) or not is_newest:
                return
        return

    def _send(self, action: Submit, *, first: str = "", to: str | None = None) -> Acknowledged | None:
        """Upload until it is acknowledged, to where its name leads or to one side; None when given up.

        `first` is the version that this repeats, if it does.
        """
        clock, dice = self._world.clock, self._world.clock.current
        assert dice is not None
        for tried in range(_TRIES):
            side = to or self._resolve(action.via, action.customer)
            try:
                version = self._upload(action, side)
                if action.loses_answer and not (tried or first):
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
                is_resend=bool(first),
            )
            self.acknowledged.append(acknowledged)
            self._remember(acknowledged, action, first)
            self._world.note(f"acknowledged {action.customer} {action.key} {action.content} in {side}")
            return acknowledged
        return None

    def _remember(self, acknowledged: Acknowledged, action: Submit, first: str) -> None:
        self._actions[acknowledged.version_id] = action
        sent = Sent(
            key=acknowledged.key,
            bucket=f"{NAMESPACE}-{acknowledged.customer}-{acknowledged.side}",
            region=REGION_OF[acknowledged.side],
            version_id=acknowledged.version_id,
            sha256=hashlib.sha256(acknowledged.content).hexdigest(),
            size=len(acknowledged.content),
            at=self._now(),
            source="",
            first=first or acknowledged.version_id,
        )
        self._submissions[acknowledged.customer].add(sent)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._world.clock.now, UTC)

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
        about = {"path": f"/{bucket}/{temporary}", "new-path": f"/{bucket}/{key}"}
        self._log(side, "RENAME", **about)
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
        ended = "PARTIAL_CLOSE" if kind.endswith("Failed") else "CLOSE"
        self._log(side, ended, **{"path": f"/{bucket}/{key}", "bytes-in": str(len(content))})
        self._event(side, kind, detail)

    def _log(self, side: str, kind: str, **about: str) -> None:
        self._world.cells[side].session_log.write(kind, **about)

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
