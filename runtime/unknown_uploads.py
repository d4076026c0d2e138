"""Uploads of one bucket that no fact knows: taken in, or left with a reason that is noted.

They go through the same intake as an event does, which makes it safe to repeat. The peer's objects, which are
replicas here, are left to the peer. An SFTP upload is taken in when the session log proves that it is whole,
and rejected when it has had a temporary name for too long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any, assert_never

from botocore.exceptions import BotoCoreError, ClientError

from runtime import objects
from runtime.arrival import Arrival, IntakeResult
from runtime.contract import INBOUND_SDK, Kind, file_id
from runtime.file_names import without_names
from runtime.intake import LATE, Intake
from runtime.session_log import Entries, SessionLog, SessionLogUnreadError
from runtime.sweep_notes import Doubt, SweepNotes
from runtime.tracker import Tracker
from runtime.transfer_scan import ENOUGH
from runtime.upload_evidence import SLACK, Verdict, judge
from runtime.uploaded_versions import versions_of

#: A version that is younger is left to its event.
GRACE = LATE

#: For how long the session log is read for an upload whose end it does not show.
LOG_PATIENCE = timedelta(days=1)

#: Why a multipart upload is left for one pass: its version has the time at which it was initiated.
ENDED_NOW = "its multipart upload had ended a moment before; it is looked at again"

_CUT_OFF = "PARTIAL_UPLOAD: the session ended before the file was complete"
_AWS = (ClientError, BotoCoreError)


class UnknownUploads:
    """The unknown uploads of one customer's bucket. `taken` and `left` say what this run has done.

    `taken` are the keys that were taken in, received or rejected; `left` are the versions that were left for
    a reason that is new.
    """

    def __init__(
        self,
        *,
        bucket: str,
        is_temporary: Callable[[str], bool],
        inbound_days: int,
        tracker: Tracker,
        intake: Intake,
        notes: SweepNotes,
        doubts: dict[str, Doubt],
        session_log: SessionLog,
        s3: Any,
        is_late: bool,
        remaining: Callable[[], float],
    ) -> None:
        """`doubts` are the notes about the bucket, by transfer; `remaining` returns the seconds left.

        `is_late` says whether the peer may have taken uploads over unnoticed: their transfers then ask the
        destinations first, and a route that holds holds what cannot be found there.
        """
        self._bucket, self._days, self._tracker, self._intake = bucket, inbound_days, tracker, intake
        self._is_temporary = is_temporary
        self._notes, self._doubts, self._log, self._s3 = notes, doubts, session_log, s3
        self._is_late, self._remaining = is_late, remaining
        self.taken: list[str] = []
        self.left: list[Doubt] = []

    def are_new(self, found: Iterable[Doubt]) -> list[Doubt]:
        """Return the versions that neither a fact nor a note knows."""
        return [each for each in found if each.transfer not in self._doubts and not self._is_known(each)]

    def look_again(self, now: datetime) -> None:
        """Settle what was left before, as far as that is possible by now."""
        waiting = []
        for doubt in list(self._doubts.values()):
            age = now - doubt.seen
            if self._is_known(doubt):
                self._forget(doubt)
            elif age >= GRACE and (self._needs_no_log(doubt) or age < LOG_PATIENCE):
                waiting.append(replace(doubt, why=""))
        self.settle(waiting)

    def settle(self, unknown: list[Doubt]) -> bool:
        """Take in what can be taken in, and note the rest; return False if there was no time for all."""
        to_prove = []
        for doubt in unknown:
            if self._remaining() < ENOUGH:
                return False
            if doubt.why:
                self._leave(doubt, doubt.why)
            elif self._needs_no_log(doubt):
                self._take_in(doubt)
            else:
                to_prove.append(doubt)
        return not to_prove or self._settle_by_log(to_prove)

    def _needs_no_log(self, doubt: Doubt) -> bool:
        return doubt.key.startswith(INBOUND_SDK) or self._is_temporary(doubt.key)

    def _settle_by_log(self, unknown: list[Doubt]) -> bool:
        paths = {f"/{self._bucket}/{each.key}" for each in unknown}
        since = min(each.modified for each in unknown) - SLACK
        try:
            entries = self._log.read(paths, since=since, remaining=self._remaining, reserve=ENOUGH)
        except (SessionLogUnreadError, *_AWS) as error:
            for doubt in unknown:
                self._leave(doubt, f"the session log cannot be read: {error}")
            return True
        for doubt in unknown:
            if self._remaining() < ENOUGH:
                return False
            try:
                self._prove(doubt, entries)
            except _AWS as error:
                self._leave(doubt, without_names(str(error), doubt.key))
        return True

    def _prove(self, doubt: Doubt, entries: Entries) -> None:
        if not self._is_ours(doubt.key, doubt.version_id):
            self._forget(doubt)
            return
        since = doubt.modified - SLACK
        versions = versions_of(self._s3, self._bucket, doubt.key)
        alike = [
            each["LastModified"]
            for each in takewhile(lambda each: each["LastModified"] >= since, versions)
            if each["Size"] == doubt.size and self._is_ours(doubt.key, each["VersionId"])
        ]
        about = entries.about(self._bucket, doubt.key)
        verdict, why = judge(size=doubt.size, modified=doubt.modified, alike=alike, entries=about)
        match verdict:
            case Verdict.WHOLE:
                self._take_in(doubt)
            case Verdict.CUT_OFF:
                self._take_in(doubt, failure=_CUT_OFF)
            case Verdict.UNPROVEN:
                self._leave(doubt, why)
            case _:
                assert_never(verdict)

    def _is_ours(self, key: str, version_id: str) -> bool:
        """Return whether a version exists and was uploaded in this region."""
        head = objects.head(self._s3, self._bucket, key, version_id)
        return head is not None and head.get("ReplicationStatus") != "REPLICA"

    def _take_in(self, doubt: Doubt, *, failure: str | None = None) -> None:
        """Take a version in, in whichever state an earlier try has left it."""
        arrived = Arrival(
            bucket=self._bucket, key=doubt.key, version_id=doubt.version_id, size=doubt.size, failure=failure
        )
        try:
            if self._is_temporary(doubt.key):
                result = self._intake.reject_unrenamed(arrived)
            else:
                result = self._intake.accept(arrived, is_late=self._is_late)
        except _AWS as error:
            self._leave(doubt, without_names(str(error), doubt.key))
            return
        if _was_taken(result):
            self.taken.append(doubt.key)
        self._forget(doubt)

    def _leave(self, doubt: Doubt, why: str) -> None:
        before = self._doubts.get(doubt.transfer)
        if before is not None and before.why == why:
            return
        noted = self._doubts[doubt.transfer] = replace(doubt, why=why)
        self._notes.put(noted, days=self._days)
        if why != ENDED_NOW:
            self.left.append(noted)

    def _forget(self, doubt: Doubt) -> None:
        if self._doubts.pop(doubt.transfer, None):
            self._notes.remove(doubt)

    def _is_known(self, doubt: Doubt) -> bool:
        """Return whether nothing of the intake is left to do: a REJECTED fact alone lacks its receipt.

        A RECEIVED fact without an execution is the matter of `runtime.restarts`.
        """
        facts = self._tracker.facts_of(file_id(doubt.customer, doubt.key), doubt.transfer)
        return any(fact.kind is not Kind.REJECTED for fact in facts)


def _was_taken(result: IntakeResult) -> bool:
    match result:
        case IntakeResult.RECEIVED | IntakeResult.REJECTED:
            return True
        case IntakeResult.KNOWN | IntakeResult.OURS | IntakeResult.REPLICA | IntakeResult.GONE:
            return False
        case IntakeResult.FOLDER | IntakeResult.TEMPORARY:
            return False
        case _:
            assert_never(result)
