"""What has to hold when all is at rest: nothing lost, nothing wrong, nothing twice but what was promised.

A rule that is broken is a Violation. What the Promise of the design's section 7 admits is counted, each case
under the name of its cause, and never silently let through.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from components.statemachine import DELIVERY_TIMEOUT
from runtime.contract import (
    INBOUND,
    INBOUND_SFTP,
    SIDES,
    TRACKER_SK,
    TRACKER_TTL,
    Kind,
    below_inbound,
    file_id,
    peer_of,
    transfer_id,
)
from runtime.timing import ATTEMPT_SECONDS, FACTS_SECONDS
from runtime.workflow import LEASE
from tests.simulation import record_checks
from tests.simulation.partners import Appearance, Partner
from tests.simulation.place import own_bucket
from tests.simulation.schedule import BOUND, CONTENTS, Sender
from tests.simulation.tracker_table import Written

if TYPE_CHECKING:
    from tests.simulation.world import Receipt, World

#: Attempts that a delivery is tried at least before it is given up, of components/statemachine.py.
_ATTEMPTS = 13


@dataclass(frozen=True, kw_only=True)
class Submission:
    """One version of a file, as it arrived: complete or not, acknowledged or not."""

    customer: str
    key: str
    side: str
    modified: datetime
    content: bytes
    transfer: str
    acknowledged: bool
    sequence: int

    @property
    def sha256(self) -> str:
        """The content's SHA-256 in hex."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def name(self) -> str:
        """The name at the destinations, as runtime.delivery.names makes it of the key."""
        below = below_inbound(self.key)
        return below.removeprefix("sdk/").removeprefix("sftp/user/")


@dataclass
class Judge:
    """Looks at a world that is at rest."""

    world: World

    def run(self) -> None:
        """Check every rule."""
        self._tracker()
        self._submissions()
        self._appearances()
        self._archives()
        self._slots()
        for receipt in self.world.receipts:
            self._receipt_in_time(receipt)
        # Half a file whose failure was not reported is unknown, and its client got no acknowledgement.
        unpromised = {name for name, each in self.submissions.items() if not each.acknowledged}
        record_checks.check(self.world, unknown=unpromised - self.facts.keys())

    # --- What there is ---

    @cached_property
    def senders(self) -> dict[str, Sender]:
        """The customers by id."""
        return {sender.id: sender for sender in self.world.schedule.senders}

    @cached_property
    def submissions(self) -> dict[str, Submission]:
        """Every submitted version, by its transfer's id."""
        promised = {(each.customer, each.version_id) for each in self.world.clients.acknowledged}
        found: dict[str, Submission] = {}
        for sender in self.world.schedule.senders:
            for side in SIDES:
                bucket = self.world.storage.buckets[f"mft-{sender.id}-{side}"]
                for key, versions in bucket.versions.items():
                    for version in versions:
                        if version.is_replica or version.is_marker or not key.startswith(INBOUND):
                            continue
                        name = transfer_id(file_id(sender.id, key), version.id, version.modified)
                        found[name] = Submission(
                            customer=sender.id,
                            key=key,
                            side=side,
                            modified=version.modified,
                            content=version.body,
                            transfer=name,
                            acknowledged=(sender.id, version.id) in promised,
                            sequence=version.sequence,
                        )
        return found

    @cached_property
    def facts(self) -> dict[str, list[Written]]:
        """Every fact that was ever written, by its transfer, in the order of writing."""
        found: dict[str, list[Written]] = {}
        for written in self.world.table.facts.values():
            if "transfer" in written.item:
                found.setdefault(written.item["transfer"]["S"], []).append(written)
        return found

    @cached_property
    def _with_receipt(self) -> set[str]:
        """The transfers with a published receipt."""
        return {receipt.message["transfer"] for receipt in self.world.receipts}

    def about(self, transfer: str, kind: Kind, destination: str | None = None) -> list[Written]:
        """Return the facts of a kind about a transfer."""
        return [
            each
            for each in self.facts.get(transfer, ())
            if each.item["kind"]["S"] == kind
            and (destination is None or each.item["destination"]["S"] == destination)
        ]

    def _standing(self, transfer: str, kind: Kind, destination: str) -> list[Written]:
        """Return the facts of a kind that no operator has set aside."""
        over = {
            key["S"]
            for fact in self.about(transfer, Kind.REPLAYED)
            for key in fact.item["detail"]["M"].get("over", {"L": []})["L"]
        }
        facts = self.about(transfer, kind, destination)
        return [each for each in facts if each.item[TRACKER_SK]["S"] not in over]

    def destinations(self, submission: Submission) -> tuple[str, ...]:
        """Return where a submission has to go."""
        return self.senders[submission.customer].to(submission.key)

    # --- The tracker ---

    def _tracker(self) -> None:
        broken = self.world.broken
        west, east = (self.world.table.live(side) for side in SIDES)
        for key in sorted(west.keys() ^ east.keys()):
            broken("replicas differ", f"{key[1]} is in one only")
        for key in sorted(west.keys() & east.keys()):
            if west[key] != east[key]:
                broken("replicas differ", f"{key[1]} is not the same in both")
        for key, written in self.world.table.facts.items():
            for side in SIDES:
                if side not in written.seen:
                    broken("fact lost", f"{key[1]} never came to {side}")
        for transfer, facts in self.facts.items():
            ends = {each.item[TRACKER_TTL]["N"] for each in facts}
            if len(ends) > 1:
                broken("expires apart", f"the facts of {transfer} expire at {sorted(ends)}")

    # --- What was promised ---

    def _submissions(self) -> None:
        for submission in self.submissions.values():
            if not submission.acknowledged or submission.key.endswith(".filepart"):
                continue
            if self.about(submission.transfer, Kind.REJECTED):
                self.world.broken("lost", f"{submission.transfer} was acknowledged and rejected")
                continue
            if submission.transfer not in self.facts and self._has_twin(submission):
                self.world.broken("lost twin", f"{submission.key} {submission.transfer}")
                continue
            for destination in self.destinations(submission):
                self._settled(submission, destination)
            if submission.transfer not in self._with_receipt:
                self.world.broken("no receipt", f"{submission.key} {submission.transfer}")

    def _has_twin(self, submission: Submission) -> bool:
        """Whether the same bytes came under the same name by SFTP within a second, and were taken in."""
        return submission.key.startswith(INBOUND_SFTP) and any(
            each.transfer != submission.transfer
            and each.transfer in self.facts
            and (each.customer, each.key, each.content)
            == (submission.customer, submission.key, submission.content)
            and abs((each.modified - submission.modified).total_seconds()) <= 1
            for each in self.submissions.values()
        )

    def _settled(self, submission: Submission, destination: str) -> None:
        outcome, broken = self.world.outcome, self.world.broken
        what = f"{submission.key} {submission.transfer} to {destination}"
        partner = self.world.partners[submission.customer, destination]
        if self.about(submission.transfer, Kind.FAILED, destination):
            outcome.count("failed")
            self._is_failed(submission, partner)
        if delivered := self.about(submission.transfer, Kind.DELIVERED, destination):
            outcome.count("delivered")
            if not partner.has_had(submission.name, submission.content):
                broken("not delivered", f"{what} is recorded as delivered and never was there")
            for fact in delivered:
                if _detail(fact, "sha256") != submission.sha256:
                    broken("wrong hash", f"{what} is recorded as {_detail(fact, 'sha256')}")
        elif duplicates := self.about(submission.transfer, Kind.DUPLICATE, destination):
            outcome.count("duplicates")
            for fact in duplicates:
                self._is_duplicate(submission, destination, _detail(fact, "of"))
        elif held := self._standing(submission.transfer, Kind.HELD, destination):
            if not any(_detail(each, "newer") for each in held):
                broken("held for ever", what)
            outcome.count("held: something newer was delivered")
        elif self._standing(submission.transfer, Kind.FAILED, destination):
            broken("failed for ever", what)
        else:
            broken("lost", f"{what} is not settled: {self._kinds(submission.transfer)}")

    def _is_duplicate(self, submission: Submission, destination: str, of: str) -> None:
        what = f"{submission.key} {submission.transfer} to {destination}"
        other = self.submissions.get(of)
        if other is None or other.content != submission.content or other.key != submission.key:
            self.world.broken("not a duplicate", f"{what} is not what {of} brought")
        elif not self.about(of, Kind.DELIVERED, destination):
            self.world.broken("not a duplicate", f"{what}: {of} was not delivered there")

    def _is_failed(self, submission: Submission, partner: Partner) -> None:
        troubles = partner.troubles.get(submission.transfer)
        failures = len(troubles.attempts) if troubles else 0
        excused = self.world.excused.get((submission.transfer, partner.name), 0)
        if not (troubles and troubles.permanent) and failures + excused < _ATTEMPTS:
            self.world.broken(
                "given up",
                f"{submission.key} {submission.transfer} to {partner.name} after {failures} failures",
            )

    def _kinds(self, transfer: str) -> str:
        return (
            ", ".join(sorted(each.item["kind"]["S"] for each in self.facts.get(transfer, ()))) or "no facts"
        )

    # --- What the partners got ---

    def _appearances(self) -> None:
        for partner in self.world.partners.values():
            for name, appearances in partner.appearances.items():
                for appearance in appearances:
                    self._is_true(partner, appearance)
                self._are_once(partner, name, appearances)
                self._are_in_order(partner, appearances)

    def _is_true(self, partner: Partner, appearance: Appearance) -> None:
        what = f"{appearance.name} at {partner.name} by {appearance.process}"
        submission = self.submissions.get(appearance.transfer)
        if submission is None:
            self.world.broken("wrong content", f"{what} is of no submission")
        elif submission.content != appearance.content or submission.name != appearance.name:
            self.world.broken("wrong content", f"{what} is not what was submitted: {appearance.content!r}")
        elif appearance.content not in CONTENTS.values():
            self.world.broken("wrong content", f"{what} is half of a file: {appearance.content!r}")

    def _runs(self, customer: str, name: str) -> dict[str, int]:
        """Return a number for each submission: the same for those that are to be delivered once.

        Submissions of one content are one run until another content comes between. Submissions within a
        second have no order: what may have come between did.
        """
        complete = [
            each
            for each in self.submissions.values()
            if (each.customer, each.name) == (customer, name) and each.content in CONTENTS.values()
        ]
        complete.sort(key=lambda each: (each.modified, each.transfer))
        runs: dict[str, int] = {}
        for number, each in enumerate(complete):
            before = next((p for p in reversed(complete[:number]) if p.content == each.content), None)
            if before and self.senders[customer].policy == "content" and not _between(complete, before, each):
                runs[each.transfer] = runs[before.transfer]
            else:
                runs[each.transfer] = number
        return runs

    def _are_once(self, partner: Partner, name: str, appearances: list[Appearance]) -> None:
        runs = self._runs(partner.customer, name)
        seen: dict[int, list[tuple[int, Appearance]]] = {}
        for number, appearance in enumerate(appearances):
            run = runs.get(appearance.transfer, -1)
            several = seen.setdefault(run, [])
            before = [
                (at, first)
                for at, first in several
                if self._within(partner.customer, first, appearance)
                and not _replaced(appearances[at:number], appearance)
            ]
            if before:
                self._is_excused(partner, before, appearance)
            several.append((number, appearance))

    def _within(self, customer: str, first: Appearance, again: Appearance) -> bool:
        """Whether two submissions are so near that the second is not to be sent."""
        one, other = self.submissions.get(first.transfer), self.submissions.get(again.transfer)
        if one is None or other is None:
            return True
        return abs((other.modified - one.modified).total_seconds()) <= self.senders[customer].window

    def _is_excused(self, partner: Partner, before: list[tuple[int, Appearance]], again: Appearance) -> None:
        """Find why a file was sent once more; a case that the Promise does not name is a violation."""
        causes = []
        for number, first in before:
            gone = partner.gone.get((first.name, number))
            causes.append(self._cause(partner, first, gone, again))
        wrong = [cause for cause in causes if cause.startswith("!")]
        if wrong:
            self.world.broken(
                "delivered twice",
                f"{again.name} to {partner.name}, {again.transfer} by {again.process} after "
                f"{before[-1][1].transfer} by {before[-1][1].process}: {wrong[0][1:]}",
            )
        else:
            self.world.outcome.count(f"twice: {causes[-1]}")

    def _cause(self, partner: Partner, first: Appearance, gone: float | None, again: Appearance) -> str:
        if self._was_decided(again, partner.name, first):
            return "an operator sent it again"
        fact = next(
            (
                each
                for each in self.about(first.transfer, Kind.DELIVERED, partner.name)
                if each.writer == first.process
            ),
            None,
        )
        seen = fact.seen.get(again.side) if fact else None
        if fact and seen is not None and seen <= again.read_at:
            return "!the fact was there to be read"
        same = first.transfer == again.transfer
        if same and self.senders[partner.customer].on_unknown == "hold":
            return "!the route says hold"
        if again.side != first.side and self._is_late(again) and not again.looked_at:
            return "!it was late, and it did not look"
        looked = again.looked_at > first.at
        if gone is None or gone > again.at:
            if looked:
                return "!it looked, and the file was there"
            if same and not self._raced(first, again):
                return "!the file was there, and it did not look"
        if fact is None:
            return self.world.died.get(first.process) or self._unanswered(partner, first)
        lost = any(
            self.world.regions[side].was_lost_between(first.at - 1, again.at)
            for side in (first.side, again.side)
        )
        if lost:
            return "a region was lost"
        if first.side == again.side:
            return "!both from one region"
        if same:
            if self._was_evacuated(first, again):
                return "!a region was taken over while it lived"
            if self._was_untold(first, again):
                return "facts needed longer than replication may"
            return "!both regions carried it, and none was lost"
        if self._was_known(first, again):
            if again.at - self._taken(first) > LEASE:
                return "facts needed longer than a lease runs"
            return "!the first was known to be under way"
        return "sent to both regions at once"

    def _unanswered(self, partner: Partner, appearance: Appearance) -> str:
        """Return why an attempt that ended in good order did not record what it had brought."""
        troubles = partner.troubles.get(appearance.transfer)
        if troubles and appearance.process in troubles.attempts:
            return "the partner's answer was lost"
        return "!nothing failed, and nobody recorded the first"

    def _is_late(self, appearance: Appearance) -> bool:
        """Whether the attempt that brought a file began when its transfer was late."""
        age = appearance.at - self.submissions[appearance.transfer].modified.timestamp()
        return age > FACTS_SECONDS + DELIVERY_TIMEOUT

    def _was_decided(self, appearance: Appearance, destination: str, after: Appearance | None = None) -> bool:
        """Whether an operator had decided that a file is to be sent, and this attempt knew and did that.

        Decisions about several destinations have an execution each, and whichever has the lease first serves
        all of them. One decision is for one delivery: what an execution of a decision had brought before, as
        `after`, needs another decision that followed.
        """
        decisions = self.about(appearance.transfer, Kind.REPLAYED)
        executions = {fact.item["writer"]["S"] for fact in decisions}
        if appearance.execution not in executions:
            return False
        return any(
            _detail(fact, "decision") == "resend"
            and fact.item["destination"]["S"] == destination
            and fact.seen.get(appearance.side, math.inf) <= appearance.read_at
            and (after is None or after.execution not in executions or after.at < fact.at)
            for fact in decisions
        )

    def _raced(self, first: Appearance, again: Appearance) -> bool:
        """Whether the first appeared after the other had looked, from another region, while one was lost."""
        return first.side != again.side and again.looked_at <= first.at

    def _was_evacuated(self, first: Appearance, again: Appearance) -> bool:
        """Whether an operator had a region out that was well when the file was delivered again."""
        return any(
            side in (first.side, again.side) and since <= again.at
            for side, since, _ in self.world.operators.evacuations
        )

    def _was_untold(self, first: Appearance, again: Appearance) -> bool:
        """Whether a region, as good as cut off, could not know that the other carried the same transfer.

        It had no lease of the other from which it could see that this was at work, although the other had
        taken one more than a quarter of an hour before.
        """
        submission = self.submissions[first.transfer]
        file = file_id(submission.customer, submission.key)
        told = self.world.table.told.get((again.side, file, first.transfer), ())
        last = max((until - LEASE for at, until in told if at <= again.read_at), default=-math.inf)
        since = self.world.table.taken[first.side, file, first.transfer][0][0]
        return again.read_at - last > ATTEMPT_SECONDS and again.read_at - since > BOUND

    def _was_known(self, first: Appearance, again: Appearance) -> bool:
        """Whether the second region knew of the first's lease when it took its own for the second."""
        submission = self.submissions[first.transfer]
        file, leases = file_id(submission.customer, submission.key), self.world.table.leases
        known = leases.get((again.side, file, first.transfer))
        taken = leases.get((again.side, file, again.transfer))
        return known is not None and taken is not None and known <= taken

    def _taken(self, appearance: Appearance) -> float:
        """Return when its own region gave an appearance's transfer the lease."""
        submission = self.submissions[appearance.transfer]
        file = file_id(submission.customer, submission.key)
        return self.world.table.leases[appearance.side, file, appearance.transfer]

    def _are_in_order(self, partner: Partner, appearances: list[Appearance]) -> None:
        """No older submission appears, from the same region, after a newer one whose fact could be read.

        Within one second, the order is that in which the bucket of the region that received both got them.
        """
        if self.senders[partner.customer].policy != "content":
            return
        for number, late in enumerate(appearances):
            submission = self.submissions.get(late.transfer)
            for early in appearances[:number]:
                newer = self.submissions.get(early.transfer)
                if not submission or not newer or not self._is_newer(newer, submission, late):
                    continue
                facts = self.about(early.transfer, Kind.DELIVERED, partner.name)
                known = any(each.seen.get(late.side, late.at) <= late.read_at for each in facts)
                if known and not self._was_decided(late, partner.name):
                    self.world.broken(
                        "turned back", f"{late.name}: {late.transfer} after the newer {early.transfer}"
                    )

    def _is_newer(self, newer: Submission, older: Submission, late: Appearance) -> bool:
        if newer.modified != older.modified:
            return newer.modified > older.modified
        received = [self.about(each.transfer, Kind.RECEIVED) for each in (newer, older)]
        sides = {fact.side for facts in received for fact in facts} | {newer.side, older.side}
        was_read = all(
            fact.seen.get(late.side, late.at) <= late.read_at for facts in received for fact in facts
        )
        return all(received) and len(sides) == 1 and was_read and newer.sequence > older.sequence

    # --- Shares ---

    def _slots(self) -> None:
        """A slot that was not given back is one of an attempt that died, or that AWS let down at that.

        Whatever else went wrong in an attempt, it has to give its slot back.
        """
        table = self.world.table
        for slot, attempt in table.slots_in_use().items():
            if attempt.rpartition("-")[0] in self.world.killed:
                self.world.outcome.count("slots of attempts that died")
            elif (slot, attempt) in table.unanswered:
                self.world.outcome.count("slots that AWS did not take back")
            else:
                self.world.broken("slot kept", f"{' '.join(slot)} by {attempt}")

    # --- Archives and receipts ---

    def _archives(self) -> None:
        for transfer, facts in self.facts.items():
            for fact in facts:
                if fact.item["kind"]["S"] == Kind.ARCHIVED:
                    self._is_archived(transfer, fact)

    def _is_archived(self, transfer: str, fact: Written) -> None:
        submission = self.submissions.get(transfer)
        key = _detail(fact, "archive_key")
        for side in (fact.side, peer_of(fact.side)):
            held = self.world.storage.buckets[own_bucket("archive", side)].find(key)
            if submission is None or held is None or held.body != submission.content:
                self.world.broken("wrong archive", f"{key} in {side}")

    def _receipt_in_time(self, receipt: Receipt) -> None:
        """Check what a receipt says against what had happened when it went out."""
        message = receipt.message
        submission = self.submissions.get(message["transfer"])
        if submission is None:
            self.world.broken("false receipt", f"of no submission: {message}")
            return
        lines = {each["name"]: each for each in message["destinations"]}
        for destination, line in lines.items():
            outcome = line.get("outcome")
            if outcome in ("delivered", "duplicate"):
                self._was_there(receipt, submission, destination)
            if outcome == "delivered" and line["sha256"] != submission.sha256:
                self.world.broken("false receipt", f"{submission.transfer}: sha256 {line['sha256']}")
            if outcome in ("failed", "held") and not line.get("reason"):
                self.world.broken("false receipt", f"{submission.transfer}: {outcome} without a reason")
        if message["outcome"] in ("delivered", "duplicate"):
            missing = set(self.destinations(submission)) - {
                name for name, line in lines.items() if line.get("outcome") in ("delivered", "duplicate")
            }
            if missing:
                self.world.broken(
                    "false receipt",
                    f"{submission.transfer} {message['outcome']}, but not to {sorted(missing)}",
                )

    def _was_there(self, receipt: Receipt, submission: Submission, destination: str) -> None:
        partner = self.world.partners[submission.customer, destination]
        before = (each for each in partner.appearances.get(submission.name, ()) if each.at <= receipt.at)
        if not any(each.content == submission.content for each in before):
            self.world.broken("false receipt", f"{submission.transfer} was not at {destination} by then")


def judge(world: World) -> None:
    """Add to the world's outcome what it broke, and what it went through."""
    Judge(world).run()


def _between(submissions: list[Submission], first: Submission, last: Submission) -> bool:
    """Whether another content may have been submitted between two."""
    second = timedelta(seconds=1)
    return any(
        each.content != last.content and first.modified - second <= each.modified <= last.modified + second
        for each in submissions
    )


def _replaced(appearances: list[Appearance], again: Appearance) -> bool:
    """Whether the first of these was replaced by another content, and is brought by another submission."""
    is_other = appearances[0].transfer != again.transfer
    return is_other and any(each.content != again.content for each in appearances)


def _detail(fact: Written, name: str) -> Any:
    value = fact.item["detail"]["M"].get(name)
    return next(iter(value.values())) if value else ""
