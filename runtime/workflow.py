"""The steps of the workflow that decide and complete: claim, compare, complete.

Step Functions calls them in the order that `components/statemachine.py` defines. Each may be called again
after a crash at any point, because its earlier effects are found in the tracker. Delivery and archiving are
in modules of their own.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from runtime.breaker import Breaker
from runtime.brief_errors import reason_of
from runtime.contract import Kind, Outcome
from runtime.decision import Action, Decision, compare, judge
from runtime.delivery.source import Source
from runtime.facts import ENDED, Fact, by_transfer, home_of, standing, status, submitted
from runtime.history import History, Lease
from runtime.overtaken import UNCLEAR, overtaken
from runtime.receipts import Receipts, lines, outcome_of
from runtime.routing import Directory, compares
from runtime.timing import ATTEMPT_SECONDS
from runtime.tracker import Tracker
from runtime.transfer import Transfer

#: Seconds for which a lease is valid, which is longer than the longest pause and the attempt after it.
LEASE = 3600

#: A step that finds its lease older than this many seconds renews it, so that a lease shows when its holder
#: was last at work. A transfer that is delivered at once needs no renewal.
RENEW_AFTER = 60

#: The reason for holding an older submission; an operator may release it.
NEWER = "a newer version of this key was delivered"


class LeaseLostError(RuntimeError):
    """Another execution holds the file's lease, so this one must stop before its next effect."""


class Leases:
    """The leases on files in this region, by which one transfer of a file is sent at a time."""

    def __init__(self, *, tracker: Tracker, now: Callable[[], float] = time.time) -> None:
        self._tracker, self._now = tracker, now

    def take(self, transfer: Transfer, owner: str, history: History, *, thawed: bool = False) -> bool:
        """Take or renew an execution's lease; return False while another execution holds it."""
        seen = history.lease
        ended = False
        if seen and seen.owner != owner:
            holder = history.of(seen.transfer)
            ended = status(holder) in ENDED or self._was_over(seen.owner, holder)
        until = int(self._now()) + LEASE
        late = tuple(name for name in history.late() if name != transfer.id)
        wanted = Lease(owner=owner, transfer=transfer.id, until=until, thawed=thawed, late=late)
        return self._tracker.claim(
            transfer.file, wanted, seen=seen, seen_ended=ended, expires=transfer.expires
        )

    def waits(self, transfer: Transfer, owner: str, history: History) -> bool:
        """Return whether the other region is sending another transfer of the file, as far as is known here.

        The wait ends with that transfer or, if the other region is lost, with its lease. An execution that
        holds this region's lease does not wait; otherwise two could wait for each other.
        """
        theirs = history.peers
        if theirs is None or theirs.transfer == transfer.id or theirs.until < self._now():
            return False
        if history.lease and history.lease.owner == owner:
            return False
        return status(history.of(theirs.transfer)) not in ENDED

    def works_there(self, transfer: Transfer, history: History) -> bool:
        """Return whether the other region, as far as is known here, was at work on a transfer lately.

        That is within the longest time for which an execution that is at work leaves its lease unrenewed.
        """
        theirs = history.peers
        if theirs is None or theirs.transfer != transfer.id:
            return False
        return self._now() - _taken(theirs) <= ATTEMPT_SECONDS

    def yields(self, transfer: Transfer, history: History) -> bool:
        """Return whether this region leaves what it received to the other one, which is at work on it.

        The other has taken it over and does not yield, so the two never wait for each other. What had ended
        when an operator opened it again here is not left to it: its lease has outlived its execution.
        """
        own = history.of(transfer.id)
        side = self._tracker.side
        others = (fact for fact in own if fact.kind is not Kind.REPLAYED or fact.side != side)
        is_open = status(others) not in ENDED and not transfer.asks
        return is_open and home_of(own) == side and self.works_there(transfer, history)

    def _was_over(self, owner: str, facts: Iterable[Fact]) -> bool:
        """Return whether an operator has opened the transfer again after this execution had ended it."""
        return any(
            fact.kind is Kind.REPLAYED
            and fact.side == self._tracker.side
            and fact.detail.get("after") == owner
            for fact in facts
        )

    def keep(self, transfer: Transfer, owner: str, history: History) -> bool:
        """Renew the lease unless it is new; LeaseLostError if this execution does not have it, or yields.

        Returns whether the execution has thawed: it stood still, at some time, for longer than it ever waits.
        A lost lease is not taken back here: another transfer may have delivered meanwhile, so this one has to
        be decided again first.
        """
        lease = history.lease
        if lease is None or lease.owner != owner:
            holder = lease.owner if lease else "no execution"
            raise LeaseLostError(f"{holder} holds the lease on {transfer.file}")
        if self.yields(transfer, history):
            raise LeaseLostError(f"the other region has taken {transfer.id} over")
        thawed = self.has_thawed(owner, lease)
        is_old = self._now() - _taken(lease) > RENEW_AFTER
        if is_old and not self.take(transfer, owner, history, thawed=thawed):
            raise LeaseLostError(f"another execution took the lease on {transfer.file}")
        return thawed

    def has_thawed(self, owner: str, lease: Lease | None, seen: float = 0.0) -> bool:
        """Return whether an execution stood still, at some time, for longer than it ever waits.

        It was last at work when it renewed its lease or, according to its own state, at `seen` (seconds since
        the epoch). See docs/adr/0037-thawed-work.md.
        """
        if lease is None or lease.owner != owner:
            return self._now() - seen > ATTEMPT_SECONDS
        return lease.thawed or self._now() - max(seen, _taken(lease)) > ATTEMPT_SECONDS

    def may_send(self, transfer: Transfer, owner: str, destination: str, *, window: timedelta | None) -> None:
        """Check, just before the file appears at a destination, that this execution may still deliver it.

        Raises LeaseLostError, and OvertakenError if the destination has been served by now or, within
        `window`, has received another submission.
        """
        history = self._tracker.history(
            transfer.file, transfer.id, destinations=(destination,), window=window
        )
        self.keep(transfer, owner, history)
        overtaken(history.facts, transfer, destination, window=window)


def _taken(lease: Lease) -> float:
    """Return when a lease was taken or last renewed, in seconds since the epoch."""
    return float(lease.until - LEASE)


class Workflow:
    """The steps that decide and complete, for one execution after another.

    `owner` is the name of the execution. It owns the lease and is the writer of the facts, so a step that is
    called again records nothing twice.
    """

    def __init__(
        self,
        *,
        side: str,
        tracker: Tracker,
        directory: Directory,
        receipts: Receipts,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._side, self._tracker, self._directory, self._receipts = side, tracker, directory, receipts
        self._now = now
        self._leases, self._breaker = Leases(tracker=tracker), Breaker(tracker=tracker)

    def claim(self, transfer: Transfer, *, owner: str, seen: datetime | None = None) -> Decision:
        """Take the file's lease and return the decision; WAIT while another transfer is being sent or held.

        A transfer that was taken over or released does not wait for the other region's transfers, but each
        waits for the other region if that has taken it over from this one. `seen` is when this
        execution began or was last answered; without it, the time of submission stands for it.
        """
        pause = _pause(self._now() - submitted(transfer.id).timestamp())
        if self._directory.customer(transfer.customer).waits:  # it moves here, and is still served elsewhere
            return Decision(action=Action.WAIT, wait=pause)
        history = self._history(transfer)
        last = (seen or submitted(transfer.id)).timestamp()
        thawed = self._leases.has_thawed(owner, history.lease, last)
        decision = replace(self._decide(transfer, history), thawed=thawed)
        if decision.action is Action.DONE and not decision.held and not decision.unclear:
            return decision
        if decision.action is Action.WAIT:
            return replace(decision, wait=pause)
        in_turn = compares(self._directory.customer(transfer.customer).policy) and not transfer.taken_over
        waits = in_turn and not transfer.asks and self._leases.waits(transfer, owner, history)
        waits = waits or self._leases.yields(transfer, history)
        if waits or not self._leases.take(transfer, owner, history, thawed=thawed):
            return Decision(action=Action.WAIT, wait=pause, thawed=thawed)
        if len(by_transfer(history.facts)) > 1:
            # The previous holder of the lease may have delivered between the reading and the claim.
            decision = replace(self._decide(transfer, self._history(transfer)), thawed=thawed)
        self._mark(transfer, decision, owner)
        return decision

    def compare(self, transfer: Transfer, source: Source, *, owner: str) -> Decision:
        """Read the content, compare it with the deliveries, record the result and return the decision.

        Raises LeaseLostError before reading if another execution carries the file.
        """
        history = self._tracker.history(transfer.file, transfer.id)
        thawed = self._leases.keep(transfer, owner, history)
        customer = self._directory.customer(transfer.customer)
        decision = compare(
            self._history(transfer).facts,
            transfer=transfer.id,
            sha256=source.sha256(),
            destinations=transfer.destinations,
            window=customer.window,
        )
        self._mark(transfer, decision, owner)
        return replace(decision, thawed=thawed)

    def complete(self, transfer: Transfer, results: list[dict[str, Any]], *, owner: str) -> Outcome:
        """Record the deliveries that failed for good, send the receipt and return its outcome.

        Raises LeaseLostError if another execution carries the file now and the receipt would state a failure,
        because the other execution may be about to deliver.
        """
        history = self._tracker.history(transfer.file, transfer.id)
        if not self._is_settled(transfer, history) and history.lease and history.lease.owner != owner:
            raise LeaseLostError(f"{history.lease.owner} holds the lease on {transfer.file}")
        for result in results:
            if "failure" in result and not transfer.asks:
                error, reason = result["failure"]["Error"], reason_of(result["failure"].get("Cause"))
                about = {"destination": result["destination"], "error": error, "reason": reason}
                self._record(transfer, Kind.FAILED, owner, **about)
                self._breaker.leave(transfer.customer, result["destination"], owner)
        facts = standing(self._tracker.facts_of(transfer.file, transfer.id))
        outcome = outcome_of(status(facts))
        customer = self._directory.customer(transfer.customer)
        self._receipts.send(customer, transfer, outcome, writer=owner, destinations=lines(transfer, facts))
        return outcome

    def _is_settled(self, transfer: Transfer, history: History) -> bool:
        return status(history.of(transfer.id)) in ENDED

    def _history(self, transfer: Transfer) -> History:
        """Return what a decision about a transfer needs to know of its file."""
        customer = self._directory.customer(transfer.customer)
        return self._tracker.history(
            transfer.file,
            transfer.id,
            destinations=transfer.destinations,
            window=customer.window if compares(customer.policy) and not transfer.asks else None,
        )

    def _decide(self, transfer: Transfer, history: History) -> Decision:
        customer = self._directory.customer(transfer.customer)
        return judge(
            history.facts,
            transfer=transfer.id,
            size=transfer.size,
            destinations=transfer.destinations,
            policy=customer.policy,
            window=customer.window,
            asks=transfer.asks,
        )

    def _mark(self, transfer: Transfer, decision: Decision, owner: str) -> None:
        if decision.conflicts:
            # A later decision may find other conflicts, and a fact is never changed.
            writer = f"{owner}-{hashlib.sha256(' '.join(decision.conflicts).encode()).hexdigest()[:8]}"
            self._record(transfer, Kind.CONFLICT, writer, delivered_before=list(decision.conflicts))
        for destination, newer in decision.held:
            about = {"destination": destination, "newer": newer, "reason": NEWER}
            self._record(transfer, Kind.HELD, owner, **about)
        for destination, kinds in decision.unclear:
            self._record(transfer, Kind.HELD, owner, destination=destination, reason=UNCLEAR.format(kinds))
        for destination, delivered_by in decision.spared:
            self._record(transfer, Kind.DUPLICATE, owner, destination=destination, of=delivered_by)

    def _record(self, transfer: Transfer, kind: Kind, owner: str, **about: Any) -> None:
        self._tracker.record(transfer.fact(kind, side=self._side, writer=owner, **about))


def _pause(age: float) -> int:
    """Return the seconds for which a transfer of this age, in seconds, waits before it is decided again.

    An execution's history is limited to 25,000 events. A wait takes about ten, so that lasts for a month.
    """
    return max(60, min(900, int(age / 20)))
