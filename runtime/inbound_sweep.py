"""The sweep: finds the objects of this region's inbound buckets that no fact knows, and has them taken in.

Events start transfers, and events can be lost (docs/adr/0035-sweep.md). So every bucket is listed again and
again, and each version that is old enough for its event to have come is looked for in the tracker. A pass
over a bucket goes from page to page; the next run continues behind the last page that was settled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from runtime.arrival import is_folder
from runtime.contract import INBOUND, bucket_of, file_id, is_canary, peer_of, transfer_id
from runtime.intake import RENAME_WAIT, Intake
from runtime.routing import Directory, RoutingDocument, UnknownCustomerError
from runtime.session_log import SessionLog
from runtime.sweep_notes import Checkpoint, Doubt, SweepNotes
from runtime.timing import SWEEP_MINUTES
from runtime.tracker import Tracker
from runtime.transfer_scan import ENOUGH
from runtime.unknown_uploads import ENDED_NOW, GRACE, UnknownUploads

#: S3 may give a version the time at which its request began, so a version can appear this much later.
_LONGEST_REQUEST = timedelta(hours=1)

#: Most multipart uploads of a bucket that a checkpoint names, each with a key of up to 1,024 bytes.
_MOST_OPEN = 100

#: A peer that was heard of within this time has not taken over from this region: its sweep runs every quarter
#: of an hour, and taking over needs a declaration of loss.
_HEARD = timedelta(minutes=SWEEP_MINUTES + 5)

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(kw_only=True)
class Swept:
    """The result of a run.

    `taken` are the keys that were taken in, received or rejected. `doubts` are the versions that were left
    for a reason that is new. `failed` has a text for each bucket that could not be swept, and `left` is the
    number of customers whose pass goes on. `age` is the greatest age of a bucket's last completed pass.
    """

    taken: list[str] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    left: int = 0
    age: timedelta = timedelta()


class InboundSweep:
    """Sweeps one region's inbound buckets. Everything given belongs to the tracker's region."""

    def __init__(
        self,
        *,
        stem: str,
        tracker: Tracker,
        directory: Directory,
        intake: Intake,
        notes: SweepNotes,
        session_log: SessionLog,
        s3: Any,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._stem, self._tracker, self._directory = stem, tracker, directory
        self._intake, self._notes, self._log, self._s3 = intake, notes, session_log, s3
        self._now = now

    def run(self, remaining: Callable[[], float]) -> Swept:
        """Sweep all buckets, the one whose last completed pass is oldest first, for as long as there is time.

        `remaining` returns the seconds that are left. A bucket that cannot be swept does not hold up the
        others.
        """
        done = Swept()
        checkpoints, doubts = self._notes.read()
        is_late = self.is_alone()
        names = [name for name in self._directory.names() if not is_canary(name)]
        names.sort(key=lambda name: checkpoints.get(name, Checkpoint()).passed or _NEVER)
        for name in names:
            checkpoint = checkpoints.get(name, Checkpoint())
            if remaining() >= ENOUGH:
                try:
                    customer = self._directory.customer(name)
                    uploads = self._uploads(customer, doubts.get(name, {}), is_late, remaining)
                    try:
                        checkpoint = self._sweep(customer, checkpoint, uploads, remaining)
                    finally:
                        done.taken += uploads.taken
                        done.doubts += uploads.left
                except (ClientError, BotoCoreError, UnknownCustomerError) as error:
                    done.failed.append(f"{name}: {error}")
                    done.left += 1
                else:
                    done.left += checkpoint.began is not None
            else:
                done.left += 1
            done.age = max(done.age, self._age(checkpoint))
        return done

    def is_alone(self) -> bool:
        """Return whether nothing was heard of the peer for some time, though it once was."""
        heard = self._notes.heard(peer_of(self._tracker.side))
        return heard is not None and self._now() - heard > _HEARD

    def _uploads(
        self,
        customer: RoutingDocument,
        doubts: dict[str, Doubt],
        is_late: bool,
        remaining: Callable[[], float],
    ) -> UnknownUploads:
        return UnknownUploads(
            bucket=self._bucket(customer),
            is_temporary=customer.is_temporary,
            inbound_days=customer.inbound_days,
            tracker=self._tracker,
            intake=self._intake,
            notes=self._notes,
            doubts=doubts,
            session_log=self._log,
            s3=self._s3,
            is_late=is_late,
            remaining=remaining,
        )

    def _sweep(
        self,
        customer: RoutingDocument,
        was: Checkpoint,
        uploads: UnknownUploads,
        remaining: Callable[[], float],
    ) -> Checkpoint:
        """Continue the pass over a bucket, or begin the next; return the checkpoint that is now stored.

        A page is settled before the checkpoint behind it is stored.
        """
        stored, bucket = was, self._bucket(customer)
        if was.began is None:
            uploads.look_again(self._now())
            was = replace(was, began=self._now(), opening=self._under_way(bucket))
        while remaining() >= ENOUGH:
            markers = {"KeyMarker": was.after[0], "VersionIdMarker": was.after[1]} if was.after else {}
            page = self._s3.list_object_versions(Bucket=bucket, Prefix=INBOUND, **markers)
            due = [each for each in page.get("Versions", ()) if self._is_due(each, customer, was)]
            if not uploads.settle(uploads.are_new(self._unknown(each, customer) for each in due)):
                break
            if page["IsTruncated"]:
                now = replace(was, after=(page["NextKeyMarker"], page["NextVersionIdMarker"]))
            else:
                now = _completed(was)
            if not self._notes.save(customer.id, stored, now, days=customer.inbound_days):
                break  # another run sweeps this bucket
            stored = was = replace(now, revision=stored.revision + 1)
            if was.began is None:
                break
        return stored

    def _under_way(self, bucket: str) -> dict[str, datetime]:
        """Return the keys of the multipart uploads that are under way, each with its oldest initiation.

        S3 gives a version the time at which its multipart upload was initiated:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
        """
        found: dict[str, datetime] = {}
        pages = self._s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=INBOUND)
        for page in pages:
            for each in page.get("Uploads", ()):
                found[each["Key"]] = min(each["Initiated"], found.get(each["Key"], each["Initiated"]))
        oldest = sorted(found.items(), key=lambda each: each[1])
        return dict(oldest[: _MOST_OPEN + 1])

    def _is_due(self, entry: dict[str, Any], customer: RoutingDocument, was: Checkpoint) -> bool:
        """Return whether a version should be known, and was not found to be so by an earlier pass."""
        key, modified = entry["Key"], entry["LastModified"]
        if is_folder(key, entry["Size"]):
            return False
        patience = GRACE
        if customer.is_temporary(key):
            if not entry["IsLatest"]:
                return False  # renamed, removed, or sent again
            patience = RENAME_WAIT
        assert was.began is not None
        # S3 is about to remove older ones, and their facts may have expired.
        kept = was.began - timedelta(days=customer.inbound_days)
        if not kept <= modified <= was.began - patience:
            return False
        if was.proven is None or modified >= was.proven - (patience - GRACE):
            return True
        return key in was.open_uploads and modified >= was.open_uploads[key]

    def _unknown(self, entry: dict[str, Any], customer: RoutingDocument) -> Doubt:
        file = file_id(customer.id, entry["Key"])
        return Doubt(
            customer=customer.id,
            transfer=transfer_id(file, entry["VersionId"], entry["LastModified"]),
            key=entry["Key"],
            version_id=entry["VersionId"],
            size=entry["Size"],
            modified=entry["LastModified"],
            seen=self._now(),
            why=ENDED_NOW if "-" in entry["ETag"] else "",  # the ETag of a multipart upload has a hyphen
        )

    def _bucket(self, customer: RoutingDocument) -> str:
        return bucket_of(customer.id, self._stem, self._tracker.side)

    def _age(self, checkpoint: Checkpoint) -> timedelta:
        since = checkpoint.passed or checkpoint.began
        return self._now() - since if since else timedelta()


def _completed(was: Checkpoint) -> Checkpoint:
    """Return the checkpoint behind the last page of a pass."""
    assert was.began is not None
    proven = was.began - GRACE - _LONGEST_REQUEST
    if len(was.opening) > _MOST_OPEN:
        return Checkpoint(passed=was.began, proven=min(proven, *was.opening.values()))
    return Checkpoint(passed=was.began, proven=proven, open_uploads=was.opening)
