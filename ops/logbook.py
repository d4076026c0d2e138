"""What operators did: two objects for each action, before and after, in the acting region's audit bucket.

Objects are only ever added, below a prefix of their own, each on condition that its key is not taken
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html), and the bucket's Object Lock
keeps them. An action without an outcome was cut off: the same plan, applied again, goes on with it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ops.aws_errors import blames_credentials
from ops.cell import DeployedCell
from ops.plan import RefusedError

PREFIX = "actions/"
_STAMP = "%Y%m%dT%H%M%SZ"
_INTENT, _OUTCOME = "intent.json", "outcome.json"
#: An action that was cut off longer ago is not resumed.
_RESUMED_WITHIN = timedelta(days=7)
#: What S3 answers when a key is taken, or is being written at this moment.
_TAKEN = ("PreconditionFailed", "ConditionalRequestConflict")
_DEAD = (ClientError, BotoCoreError)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One action: the folder of its two objects, and the content of the first."""

    folder: str
    intent: Mapping[str, Any]


@dataclass(kw_only=True)
class Recording:
    """An action while it is under way. What is put into `outcome` is recorded when the action ends.

    `who` is the ARN behind the credentials, empty when AWS does not say. `folder` is where the action is
    recorded; `warnings` say what could not be recorded, and `is_whole` is true once both objects are there.
    """

    who: str = ""
    folder: str = ""
    is_whole: bool = False
    outcome: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


class Logbook:
    """The actions of one verb, as the audit bucket of one region holds them."""

    def __init__(self, cell: DeployedCell, verb: str) -> None:
        self._cell, self._verb = cell, verb

    def cut_off(self, digest: str | None = None) -> Entry | None:
        """Return the latest action without an outcome, of one plan or of any; None when there is none."""
        found, folders = self._recent()
        for folder in reversed(folders):
            if f"{folder}{_OUTCOME}" not in found and (digest is None or folder.endswith(f"-{digest}/")):
                return self._entry(folder)
        return None

    def last(self) -> Entry | None:
        """Return the latest action of the last days, ended or not; None when there is none."""
        _, folders = self._recent()
        return self._entry(folders[-1]) if folders else None

    @contextmanager
    def recorded(
        self,
        *,
        digest: str,
        plan: Mapping[str, Any],
        why: str,
        override: str | None = None,
        is_emergency: bool = False,
    ) -> Iterator[Recording]:
        """Record that the plan is about to be carried out and, afterwards, its `outcome`.

        Raises RefusedError, before anything is done, when that cannot be recorded; in an emergency the action
        goes on, with a warning.
        """
        recording, began = Recording(), time.monotonic()
        entry = None
        try:
            recording.who = str(self._cell.client("sts").get_caller_identity()["Arn"])
        except _DEAD as error:
            self._complain(recording, "does not say who you are", error, is_emergency)
        intent: dict[str, Any] = {"verb": self._verb, "digest": digest, "who": recording.who, "why": why}
        intent |= {"override": override, "plan": plan, "when": _now().isoformat(timespec="seconds")}
        try:
            entry = self.cut_off(digest) or self._begin(intent)
            recording.folder = f"s3://{self._bucket}/{entry.folder}"
        except _DEAD as error:
            self._complain(recording, f"does not record it in {self._bucket}", error, is_emergency)
        yield recording
        if entry is None:
            return
        outcome: dict[str, Any] = {"digest": digest, "who": recording.who}
        outcome |= {"when": _now().isoformat(timespec="seconds")}
        outcome |= {"duration_seconds": round(time.monotonic() - began, 1), **recording.outcome}
        try:
            self._write(f"{entry.folder}{_OUTCOME}", outcome)
            recording.is_whole = True
        except _DEAD as error:
            recording.warnings.append(
                f"it is done, but {self._bucket} does not record how it ended: {error};"
                " run the same command again to record it"
            )

    def _complain(self, recording: Recording, what: str, error: Exception, is_emergency: bool) -> None:
        problem = f"{self._cell.region} {what}: {error}"
        if blames_credentials(error):
            raise error
        if not is_emergency:
            raise RefusedError(f"{problem}; nothing was done, for it must be recorded") from error
        recording.warnings.append(f"NOT RECORDED: {problem}; write down yourself who did this, when and why")

    def _recent(self) -> tuple[set[str], list[str]]:
        """Return the keys of the last days, and the folders of the actions, the oldest first."""
        since = f"{self._prefix}{_now() - _RESUMED_WITHIN:{_STAMP}}"
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix, StartAfter=since
        )
        found = {each["Key"] for page in pages for each in page.get("Contents", ())}
        return found, sorted(key.removesuffix(_INTENT) for key in found if key.endswith(f"/{_INTENT}"))

    def _begin(self, intent: Mapping[str, Any]) -> Entry:
        folder = f"{self._prefix}{_now():{_STAMP}}-{intent['digest']}/"
        self._write(f"{folder}{_INTENT}", intent)
        return Entry(folder=folder, intent=intent)

    def _entry(self, folder: str) -> Entry:
        body = self._s3.get_object(Bucket=self._bucket, Key=f"{folder}{_INTENT}")["Body"].read()
        return Entry(folder=folder, intent=json.loads(body))

    def _write(self, key: str, document: Mapping[str, Any]) -> None:
        """Write an object, unless its key is taken: then somebody else has recorded the same."""
        try:
            self._s3.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=(json.dumps(document, indent=2) + "\n").encode(),
                ContentType="application/json",
                ChecksumAlgorithm="SHA256",  # required by Object Lock
                IfNoneMatch="*",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in _TAKEN:
                raise

    @property
    def _prefix(self) -> str:
        return f"{PREFIX}{self._verb}/"

    @property
    def _bucket(self) -> str:
        return self._cell.bucket("audit")

    @property
    def _s3(self) -> Any:
        return self._cell.client("s3")


def _now() -> datetime:
    return datetime.now(UTC)
