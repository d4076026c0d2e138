"""What the sweep remembers in the tracker: how far it has come in each bucket, and what it could not settle.

One partition for each region holds the notes; only that region's sweep reads or writes them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from runtime.contract import SWEEP_NOTES, TRACKER_PK, TRACKER_SK, TRACKER_TTL

#: A note outlives the objects that it is about.
_MARGIN = timedelta(days=7)

_write = TypeSerializer().serialize
_read = TypeDeserializer().deserialize


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """How far the sweep of one customer's bucket has come.

    `passed` is the beginning of the last completed pass, None if there was none. All versions from before
    `proven` are known to the tracker, but for those that a Doubt names and those of multipart uploads that
    were under way. `began` is the beginning of the
    pass that goes on behind the version that `after` names (key and version id), None between two passes.
    `open_uploads` are the keys of the multipart uploads that were under way when the last completed pass
    began, with the times at which they were initiated; `opening` those of the pass that goes on. `revision`
    counts the writes.
    """

    passed: datetime | None = None
    proven: datetime | None = None
    began: datetime | None = None
    after: tuple[str, str] | None = None
    open_uploads: Mapping[str, datetime] = field(default_factory=dict)
    opening: Mapping[str, datetime] = field(default_factory=dict)
    revision: int = 0


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """A version that no fact knows and that was not taken in, when it was first seen, and why."""

    customer: str
    transfer: str
    key: str
    version_id: str
    size: int
    modified: datetime
    seen: datetime
    why: str


class SweepNotes:
    """The notes of one region's sweep."""

    def __init__(
        self,
        *,
        table: str,
        side: str,
        client: Any,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._table, self._side, self._client, self._now = table, side, client, now

    def read(self) -> tuple[dict[str, Checkpoint], dict[str, dict[str, Doubt]]]:
        """Return the checkpoints by customer, and the doubts by customer and transfer."""
        checkpoints: dict[str, Checkpoint] = {}
        doubts: dict[str, dict[str, Doubt]] = {}
        for item in self._items("#pk = :pk"):
            note, name = json.loads(item["note"]), item[TRACKER_SK]
            if "#" not in name:
                checkpoints[name] = _checkpoint(note, int(item["revision"]))
            else:
                doubt = _doubt(note)
                doubts.setdefault(doubt.customer, {})[doubt.transfer] = doubt
        return checkpoints, doubts

    def heard(self, side: str) -> datetime | None:
        """Return when the newest pass began that a side's sweep has completed, as far as this replica knows.

        What that side had written before it ended has mostly arrived here as well. None: it never swept.
        """
        items = self._items("#pk = :pk", side=side)
        passes = (json.loads(item["note"])["passed"] for item in items if "#" not in item[TRACKER_SK])
        return max((datetime.fromisoformat(each) for each in passes if each), default=None)

    def doubts(self, customer: str) -> dict[str, Doubt]:
        """Return the doubts about one customer's uploads, by transfer."""
        condition = "#pk = :pk AND begins_with(#name, :customer)"
        items = self._items(condition, {"#name": TRACKER_SK}, {":customer": _write(f"{customer}#")})
        found = (_doubt(json.loads(item["note"])) for item in items)
        return {doubt.transfer: doubt for doubt in found}

    def save(self, customer: str, was: Checkpoint, now: Checkpoint, *, days: int) -> bool:
        """Replace a checkpoint; return False, and change nothing, if it is not what it was any more.

        `days` is how long the bucket's objects are kept.
        """
        note = {
            "passed": _text(now.passed),
            "proven": _text(now.proven),
            "began": _text(now.began),
            "after": now.after,
            "open_uploads": {key: _text(at) for key, at in now.open_uploads.items()},
            "opening": {key: _text(at) for key, at in now.opening.items()},
        }
        condition = {
            "ConditionExpression": "attribute_not_exists(#name) OR #revision = :revision",
            "ExpressionAttributeNames": {"#name": TRACKER_SK, "#revision": "revision"},
            "ExpressionAttributeValues": {":revision": _write(was.revision)},
        }
        try:
            self._put(customer, {"note": note, "revision": was.revision + 1}, days=days, **condition)
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def put(self, doubt: Doubt, *, days: int) -> None:
        """Note a doubt, in place of one about the same version."""
        note = {**vars(doubt), "modified": _text(doubt.modified), "seen": _text(doubt.seen)}
        self._put(_name(doubt), {"note": note}, days=days)

    def remove(self, doubt: Doubt) -> None:
        """Remove a doubt, if there is one."""
        key = {TRACKER_PK: _write(_partition(self._side)), TRACKER_SK: _write(_name(doubt))}
        self._client.delete_item(TableName=self._table, Key=key)

    def _put(self, name: str, item: dict[str, Any], *, days: int, **condition: Any) -> None:
        expires = int((self._now() + timedelta(days=days) + _MARGIN).timestamp())
        whole = {TRACKER_PK: _partition(self._side), TRACKER_SK: name, TRACKER_TTL: expires, **item}
        whole["note"] = json.dumps(item["note"], sort_keys=True)
        filled = {key: _write(value) for key, value in whole.items()}
        self._client.put_item(TableName=self._table, Item=filled, **condition)

    def _items(
        self,
        condition: str,
        names: Mapping[str, str] | None = None,
        values: Mapping[str, Any] | None = None,
        *,
        side: str | None = None,
    ) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression=condition,
            ExpressionAttributeNames={"#pk": TRACKER_PK, **(names or {})},
            ExpressionAttributeValues={":pk": _write(_partition(side or self._side)), **(values or {})},
            ConsistentRead=True,
        )
        for page in pages:
            for item in page["Items"]:
                yield {name: _read(value) for name, value in item.items()}


def _partition(side: str) -> str:
    return f"{SWEEP_NOTES}{side}"


def _name(doubt: Doubt) -> str:
    return f"{doubt.customer}#{doubt.transfer}"


def _checkpoint(note: dict[str, Any], revision: int) -> Checkpoint:
    after = note["after"]
    return Checkpoint(
        passed=_time(note["passed"]),
        proven=_time(note["proven"]),
        began=_time(note["began"]),
        after=(after[0], after[1]) if after else None,
        open_uploads=_times(note["open_uploads"]),
        opening=_times(note["opening"]),
        revision=revision,
    )


def _doubt(note: dict[str, Any]) -> Doubt:
    times = {name: datetime.fromisoformat(note[name]) for name in ("modified", "seen")}
    return Doubt(**{**note, **times})


def _times(texts: Mapping[str, str]) -> dict[str, datetime]:
    return {key: datetime.fromisoformat(text) for key, text in texts.items()}


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
