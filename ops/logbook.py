"""What operators did: two objects an action, before and after, in the audit bucket of the region that acts.

Objects are only ever added, below a prefix of their own, each on condition that nothing stands there
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

from ops.cell import DeployedCell
from ops.plan import RefusedError, is_expired

PREFIX = "actions/"
_STAMP = "%Y%m%dT%H%M%SZ"
_INTENT, _OUTCOME = "intent.json", "outcome.json"
#: What was cut off longer ago is not gone on with.
_RESUMED_WITHIN = timedelta(days=7)
#: What S3 says when an object stands there, or is being written there at this moment.
_TAKEN = ("PreconditionFailed", "ConditionalRequestConflict")
_DEAD = (ClientError, BotoCoreError)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One action: the folder of its two objects, and what the first of them says."""

    folder: str
    intent: Mapping[str, Any]


@dataclass(kw_only=True)
class Recording:
    """An action while it is under way. What is put into `outcome` is recorded when it ends.

    `who` is the ARN behind the credentials, empty when nobody tells. `folder` is where it is recorded;
    `warnings` grow by what could not be, and `is_whole` says whether both objects are there.
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
        """Return the latest action without an outcome, of this plan or of any; None when there is none."""
        since = f"{self._prefix}{_now() - _RESUMED_WITHIN:{_STAMP}}"
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix, StartAfter=since
        )
        found = {each["Key"] for page in pages for each in page.get("Contents", ())}
        folders = sorted(key.removesuffix(_INTENT) for key in found if key.endswith(f"/{_INTENT}"))
        for folder in reversed(folders):
            if f"{folder}{_OUTCOME}" not in found and (digest is None or folder.endswith(f"-{digest}/")):
                return self._entry(folder)
        return None

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
        """Record that the plan is to be carried out; and, when it was, its `outcome`.

        Raises RefusedError, before anything is done, when it cannot be recorded; in an emergency it goes on,
        with a warning.
        """
        recording, began = Recording(), time.monotonic()
        entry = None
        try:
            recording.who = str(self._cell.client("sts").get_caller_identity()["Arn"])
        except _DEAD as error:
            self._complain(recording, "does not tell who you are", error, is_emergency)
        intent = {"verb": self._verb, "digest": digest, "who": recording.who, "why": why}
        intent |= {"override": override, "plan": plan, "when": _now().isoformat(timespec="seconds")}
        try:
            entry = self.cut_off(digest) or self._begin(intent)
            recording.folder = f"s3://{self._bucket}/{entry.folder}"
        except _DEAD as error:
            self._complain(recording, f"does not record it in {self._bucket}", error, is_emergency)
        yield recording
        if entry is None:
            return
        outcome = {"digest": digest, "who": recording.who, "when": _now().isoformat(timespec="seconds")}
        outcome |= {"duration_seconds": round(time.monotonic() - began, 1), **recording.outcome}
        try:
            self._write(f"{entry.folder}{_OUTCOME}", outcome)
            recording.is_whole = True
        except _DEAD as error:
            recording.warnings.append(
                f"it is done, and {self._bucket} does not record how it ended: {error};"
                " run the same command again, which does"
            )

    def _complain(self, recording: Recording, what: str, error: Exception, is_emergency: bool) -> None:
        told = f"{self._cell.region} {what}: {error}"
        if is_expired(error):
            raise error
        if not is_emergency:
            raise RefusedError(f"{told}; nothing was done, for it must be recorded") from error
        recording.warnings.append(f"NOT RECORDED: {told}; write down yourself who did this, when and why")

    def _begin(self, intent: Mapping[str, Any]) -> Entry:
        folder = f"{self._prefix}{_now():{_STAMP}}-{intent['digest']}/"
        self._write(f"{folder}{_INTENT}", intent)
        return Entry(folder=folder, intent=intent)

    def _entry(self, folder: str) -> Entry:
        body = self._s3.get_object(Bucket=self._bucket, Key=f"{folder}{_INTENT}")["Body"].read()
        return Entry(folder=folder, intent=json.loads(body))

    def _write(self, key: str, document: Mapping[str, Any]) -> None:
        """Write an object, unless it stands there: somebody else has recorded the same then."""
        try:
            self._s3.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=(json.dumps(document, indent=2) + "\n").encode(),
                ContentType="application/json",
                ChecksumAlgorithm="SHA256",  # a bucket under Object Lock asks for one
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
