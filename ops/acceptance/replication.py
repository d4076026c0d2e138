"""Replication of an acceptance's files, both ways: objects, archived copies, facts, and how S3 is set up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from ops.acceptance.accepted_cell import AcceptedCell, peer_cell
from ops.acceptance.observation import Check, Observations, Patience
from ops.acceptance.sent_files import SentFile
from runtime import objects

#: S3's words: https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-status.html
_COMPLETED, _REPLICA = "COMPLETED", "REPLICA"
_ENDED = (_COMPLETED, "FAILED")


def look(
    files: Sequence[SentFile],
    cells: dict[str, AcceptedCell],
    observed: Observations,
    patience: Patience,
) -> None:
    """Note whether each file has reached the other region."""
    for cell in cells.values():
        _configured(cell, peer_cell(cells, cell), observed)
    for file in files:
        peer = peer_cell(cells, file.cell)
        there = f"{file.name}: the version in {peer.region} is a replica of it"
        with observed.attempt(Check.REPLICATION, file.cell.region, there):
            buckets = file.cell.inbound, peer.inbound
            _copied(there, (*buckets, file.key, file.version_id), file.cell, peer, observed, patience)
        what = f"{file.name}: so is the copy in the archive"
        with observed.attempt(Check.REPLICATION, file.cell.region, what):
            archives = file.cell.bucket("archive"), peer.bucket("archive")
            head = objects.head(file.cell.client("s3"), archives[0], file.archive_key)
            if head is None:
                observed.note(
                    Check.REPLICATION, file.cell.region, what, False, "there is no copy to replicate"
                )
            else:
                version = head["VersionId"]
                _copied(what, (*archives, file.archive_key, version), file.cell, peer, observed, patience)
        what = f"{file.name}: every fact about it is in {peer.region}"
        with observed.attempt(Check.REPLICATION, file.cell.region, what):
            patience.until(partial(_facts_are_alike, file, peer), within=patience.delivery)
            here, copied = len(file.facts()), len(file.facts(peer))
            seen = bool(here) and _facts_are_alike(file, peer)
            observed.note(Check.REPLICATION, file.cell.region, what, seen, f"{copied} of {here}")


def _copied(
    what: str,
    place: tuple[str, str, str, str],
    cell: AcceptedCell,
    peer: AcceptedCell,
    observed: Observations,
    patience: Patience,
) -> None:
    """Note whether a version's source is COMPLETED and its copy, which has the same id, a REPLICA."""
    source, target, key, version = place

    def state() -> str:
        return _state(objects.head(cell.client("s3"), source, key, version))

    patience.until(lambda: state() in _ENDED, within=patience.replication)
    copy = objects.head(peer.client("s3"), target, key, version)
    here, there = state(), _state(copy)
    found = f"{here} and {there}, version {version}"
    observed.note(Check.REPLICATION, cell.region, what, (here, there) == (_COMPLETED, _REPLICA), found)


def _state(head: Mapping[str, object] | None) -> str:
    return "absent" if head is None else str(head.get("ReplicationStatus", "not replicated"))


def _facts_are_alike(file: SentFile, peer: AcceptedCell) -> bool:
    return {fact.sort_key for fact in file.facts()} == {fact.sort_key for fact in file.facts(peer)}


def _configured(cell: AcceptedCell, peer: AcceptedCell, observed: Observations) -> None:
    """Note whether S3 has taken the time control of replication, and the events about late copies."""
    s3 = cell.client("s3")
    for bucket in (cell.inbound, cell.bucket("archive")):
        what = f"{bucket} replicates to {peer.region} under time control, and reports late copies"
        with observed.attempt(Check.REPLICATION, cell.region, what):
            rules = s3.get_bucket_replication(Bucket=bucket)["ReplicationConfiguration"]["Rules"]
            timed = [
                rule["Destination"]["ReplicationTime"]["Time"]["Minutes"]
                for rule in rules
                if rule["Destination"].get("ReplicationTime", {}).get("Status") == "Enabled"
            ]
            sent = s3.get_bucket_notification_configuration(Bucket=bucket).get("QueueConfigurations", ())
            reported = {event for each in sent for event in each["Events"] if ":Replication:" in event}
            found = f"{', '.join(map(str, timed)) or 'no'} minutes, {len(reported)} kinds of events"
            observed.note(Check.REPLICATION, cell.region, what, bool(timed and reported), found)
