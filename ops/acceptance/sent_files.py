"""The files of an acceptance on their way: what was sent, and what the platform has made of it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from ops.acceptance.accepted_cell import AcceptedCell
from ops.acceptance.destinations import destination
from ops.acceptance.observation import Check, Observations, Patience
from ops.acceptance.receipts import ReceiptQueue
from ops.plan import RefusedError
from runtime import contract, objects
from runtime.contract import Kind, Outcome
from runtime.facts import Fact, Status, status

#: The sizes of the files in bytes; they differ, so that no file can pass for another.
_SIZES = {"put": 1_000, "overwrite": 1_500, "renamed": 2_000, "resumed": 3_000, "s3": 2_500}


def content_of(what: str) -> bytes:
    """Return new random content for the file that shows this."""
    return secrets.token_bytes(_SIZES[what])


@dataclass(frozen=True, kw_only=True)
class SentFile:
    """One version of a file in the customer's bucket of a cell; `what` is what it shows."""

    cell: AcceptedCell
    what: str
    key: str
    content: bytes = field(repr=False)
    version_id: str
    modified: datetime

    @classmethod
    def found(cls, cell: AcceptedCell, what: str, key: str, content: bytes) -> SentFile:
        """Return the file that was just stored; RefusedError if the bucket has another size."""
        head = objects.head(cell.client("s3"), cell.inbound, key)
        if head is None or head["ContentLength"] != len(content):
            size = "nothing" if head is None else f"{head['ContentLength']} bytes"
            raise RefusedError(f"s3://{cell.inbound}/{key} has {size}, and {len(content)} bytes were sent")
        version, modified = head["VersionId"], head["LastModified"]
        return cls(cell=cell, what=what, key=key, content=content, version_id=version, modified=modified)

    @property
    def name(self) -> str:
        """Its name in a report."""
        return f"the file `{self.what}`"

    @property
    def file(self) -> str:
        """Its id in the tracker."""
        return contract.file_id(self.cell.customer.id, self.key)

    @property
    def transfer(self) -> str:
        """The id of its transfer."""
        return contract.transfer_id(self.file, self.version_id, self.modified)

    @property
    def archive_key(self) -> str:
        """The key of its copy in the archive."""
        return contract.archive_key(self.cell.customer.id, self.transfer, self.key)

    def facts(self, cell: AcceptedCell | None = None) -> list[Fact]:
        """Return the facts about its transfer that its own region, or another, holds."""
        return (cell or self.cell).tracker.facts_of(self.file, self.transfer)

    def has_ended(self) -> bool:
        """Return whether its workflow has done everything, down to the receipt and the archived copy."""
        facts = self.facts()
        kinds = {fact.kind for fact in facts}
        became = status(facts)
        return became is not Status.UNDER_WAY and kinds >= {Kind.RECEIPT, Kind.ARCHIVED}


def await_ends(files: Sequence[SentFile], patience: Patience) -> None:
    """Wait until all files have ended, or the patience has."""
    waiting = list(files)

    def all_have() -> bool:
        for each in [each for each in waiting if each.has_ended()]:
            waiting.remove(each)
        return not waiting

    patience.until(all_have, within=patience.delivery)


def judge(file: SentFile, observed: Observations) -> None:
    """Note whether a file was taken in, delivered to each destination, and archived."""
    facts, region = file.facts(), file.cell.region
    kinds = ", ".join(sorted({str(fact.kind) for fact in facts})) or "no facts"
    received = next((fact for fact in facts if fact.kind is Kind.RECEIVED), None)
    size = received.detail["size"] if received else None
    what = f"{file.name} is taken in whole"
    found = kinds if size is None else f"{size} bytes; facts: {kinds}"
    observed.note(Check.DELIVERY, region, what, size == len(file.content), found)
    for name in file.cell.rule(file.key).to:
        _delivered(file, name, facts, observed)
    what = f"{file.name} is archived"
    with observed.attempt(Check.DELIVERY, region, what):
        s3, bucket = file.cell.client("s3"), file.cell.bucket("archive")
        is_there = objects.holds(s3, bucket, file.archive_key, len(file.content))
        seen = is_there and any(fact.kind is Kind.ARCHIVED for fact in facts)
        found = f"s3://{bucket}/{file.archive_key}" if is_there else "the archive has no such copy"
        observed.note(Check.DELIVERY, region, what, seen, found)


def _delivered(file: SentFile, name: str, facts: Sequence[Fact], observed: Observations) -> None:
    what, region = f"{file.name} is delivered to {name}", file.cell.region
    about = [fact for fact in facts if fact.destination == name]
    fact = next((fact for fact in about if fact.kind is Kind.DELIVERED), None)
    if fact is None:
        reasons = [str(fact.detail["reason"]) for fact in about if "reason" in fact.detail]
        words = f"it is {status(facts)} after {(datetime.now(UTC) - file.modified).total_seconds():,.0f} s"
        observed.note(Check.DELIVERY, region, what, False, "; ".join([words, *reasons]))
        return
    seen = fact.detail["sha256"] == hashlib.sha256(file.content).hexdigest()
    took = (datetime.fromisoformat(fact.at) - file.modified).total_seconds()
    found = fact.detail["path"] if seen else f"other content at {fact.detail['path']}"
    observed.note(Check.DELIVERY, region, what, seen, found, seconds=took)
    _read_back(file, name, observed)


def _read_back(file: SentFile, name: str, observed: Observations) -> None:
    what = f"{file.name} at {name} is the file, byte for byte"
    with observed.attempt(Check.DELIVERY, file.cell.region, what):
        at = destination(file.cell, name)
        there = at.content(file.cell.name_at_destination(file.key))
        found = "nothing there" if there is None else f"{len(there)} bytes at {at.place}"
        observed.note(Check.DELIVERY, file.cell.region, what, there == file.content, found)


def receipts(
    files: Sequence[SentFile], queues: Mapping[str, ReceiptQueue], observed: Observations, patience: Patience
) -> None:
    """Note whether the queue of each region has got the receipt of each file, and that it says delivered."""
    for file in files:
        queue = queues[file.cell.side]
        what = f"the receipt of {file.name} says delivered"
        with observed.attempt(Check.RECEIPTS, file.cell.region, what):
            # A workflow that has ended has published it already.
            within = 10 * patience.pause if file.has_ended() else 0.0
            patience.until(partial(queue.has, file.transfer), within=within)
            outcome = queue.outcome(file.transfer)
            found = f"it says {outcome}" if outcome else f"none has come {within:.0f} s after its workflow"
            is_delivered = outcome == Outcome.DELIVERED
            observed.note(Check.RECEIPTS, file.cell.region, what, is_delivered, "" if is_delivered else found)
