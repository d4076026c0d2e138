"""The steps of the workflow that decide and close: claim, compare, complete. Delivery and archive are apart.

Step Functions calls them in the order that `components/workflow.py` draws. Each may be called again
after a crash at any point: what it did before is found in the tracker.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from runtime.contract import Kind
from runtime.delivery.source import Source
from runtime.facts import ENDED, Fact, Status, by_transfer, status
from runtime.receipts import Outcome, Receipts
from runtime.routing import Directory
from runtime.tracker import History, Lease, Tracker
from runtime.transfer import Transfer
from runtime.verdict import Action, Verdict, compare, judge

#: Seconds that a lease runs. Longer than a delivery's timeout and the longest pause between two attempts.
LEASE = 3600

#: A delivery attempt that finds less than this left of its lease renews it, in seconds: the longest
#: pause before the next attempt, plus that attempt's whole timeout.
RENEW_BELOW = 1900

_LONGEST_REASON = 500


class LeaseLostError(RuntimeError):
    """Another execution holds the file's lease: this one must stop before its next effect."""


class Leases:
    """The lease on a file in this region: one transfer of a file is sent at a time."""

    def __init__(self, *, tracker: Tracker, now: Callable[[], float] = time.time) -> None:
        self._tracker, self._now = tracker, now

    def take(self, transfer: Transfer, owner: str, history: History) -> bool:
        """Take or renew an execution's lease; return False while another transfer of the file holds it."""
        seen = history.lease
        ended = False
        if seen and seen.owner != owner:
            holder = by_transfer(history.facts).get(seen.transfer, ())
            ended = status(holder) in ENDED
        wanted = Lease(owner=owner, transfer=transfer.id, until=int(self._now()) + LEASE)
        return self._tracker.claim(
            transfer.file, wanted, seen=seen, seen_ended=ended, expires=transfer.expires
        )

    def keep(self, transfer: Transfer, owner: str, history: History) -> None:
        """Renew the lease when it runs low; LeaseLostError when this execution does not have it.

        A lost lease is never taken back here: another transfer may have delivered meanwhile, so this one
        has to be judged again first.
        """
        lease = history.lease
        if lease is None or lease.owner != owner:
            raise LeaseLostError(f"{lease.owner if lease else 'nobody'} holds the lease on {transfer.file}")
        if lease.until - self._now() <= RENEW_BELOW and not self.take(transfer, owner, history):
            raise LeaseLostError(f"another execution took the lease on {transfer.file}")


class Workflow:
    """The deciding and closing steps of one execution after another.

    `owner` is the execution's name. It owns the lease, and it is the writer of the facts, so that a step
    that is called again records nothing twice.
    """

    def __init__(
        self, *, side: str, tracker: Tracker, directory: Directory, receipts: Receipts | None = None
    ) -> None:
        self._side, self._tracker, self._directory, self._receipts = side, tracker, directory, receipts
        self._leases = Leases(tracker=tracker)

    def claim(self, transfer: Transfer, *, owner: str) -> Verdict:
        """Take the file's lease and return the verdict; WAIT when another transfer is being sent."""
        history = self._tracker.history(transfer.file)
        verdict = self._judge(transfer, history)
        if verdict.action is Action.DONE:
            return verdict
        if not self._leases.take(transfer, owner, history):
            return Verdict(action=Action.WAIT)
        if len(by_transfer(history.facts)) > 1:
            # Whoever held the lease until now may have delivered between the reading and the claim.
            verdict = self._judge(transfer, self._tracker.history(transfer.file))
        self._mark(transfer, verdict, owner)
        return verdict

    def compare(self, transfer: Transfer, source: Source, *, owner: str) -> Verdict:
        """Read the content, compare it with what was delivered, and record what that shows.

        Raises LeaseLostError before reading when another execution carries the file.
        """
        self._leases.keep(transfer, owner, self._tracker.history(transfer.file))
        customer = self._directory.customer(transfer.customer)
        verdict = compare(
            self._tracker.history(transfer.file).facts,
            transfer=transfer.id,
            sha256=source.sha256(),
            destinations=transfer.destinations,
            window=customer.window,
        )
        self._mark(transfer, verdict, owner)
        return verdict

    def complete(self, transfer: Transfer, results: list[dict[str, Any]], *, owner: str) -> Outcome:
        """Record the deliveries that failed for good and send the receipt; return what it says."""
        for result in results:
            if "failure" in result:
                error, reason = result["failure"]["Error"], _reason(result["failure"].get("Cause"))
                about = {"destination": result["destination"], "error": error, "reason": reason}
                self._record(transfer, Kind.FAILED, owner, **about)
        facts = by_transfer(self._tracker.history(transfer.file).facts).get(transfer.id, [])
        outcome = {
            Status.DELIVERED: Outcome.DELIVERED,
            Status.DUPLICATE: Outcome.DUPLICATE,
            Status.HELD: Outcome.HELD,
            Status.REJECTED: Outcome.REJECTED,
        }.get(status(facts), Outcome.FAILED)
        customer = self._directory.customer(transfer.customer)
        assert self._receipts is not None
        self._receipts.send(
            customer, transfer, outcome, writer=owner, destinations=_destinations(transfer, facts)
        )
        return outcome

    def _judge(self, transfer: Transfer, history: History) -> Verdict:
        customer = self._directory.customer(transfer.customer)
        return judge(
            history.facts,
            transfer=transfer.id,
            size=transfer.size,
            destinations=transfer.destinations,
            policy=customer.policy,
            window=customer.window,
        )

    def _mark(self, transfer: Transfer, verdict: Verdict, owner: str) -> None:
        if verdict.conflicts:
            self._record(transfer, Kind.CONFLICT, owner, delivered_before=list(verdict.conflicts))
        for destination, brought_by in verdict.spared:
            self._record(transfer, Kind.DUPLICATE, owner, destination=destination, of=brought_by)

    def _record(self, transfer: Transfer, kind: Kind, owner: str, **about: Any) -> None:
        self._tracker.record(transfer.fact(kind, side=self._side, writer=owner, **about))


def _destinations(transfer: Transfer, facts: list[Fact]) -> list[dict[str, Any]]:
    """Return, per destination, the fact that settles it, in the words of a receipt."""
    told = {
        Kind.FAILED: lambda fact: {"outcome": "failed", "reason": fact.detail["reason"]},
        Kind.HELD: lambda fact: {"outcome": "held", "reason": fact.detail["reason"]},
        Kind.DUPLICATE: lambda fact: {"outcome": "duplicate", "of": fact.detail["of"]},
        Kind.DELIVERED: lambda fact: {"outcome": "delivered", "sha256": fact.detail["sha256"]},
    }
    lines = []
    for name in transfer.destinations:
        settled: dict[str, Any] = {}
        for kind, tell in told.items():
            for fact in facts:
                if fact.kind is kind and fact.destination == name:
                    settled = tell(fact)
        lines.append({"name": name, **settled})
    return lines


def _reason(cause: str | None) -> str:
    """Return the message in what Step Functions calls an error's cause: of a function, a JSON document."""
    try:
        message = json.loads(cause)["errorMessage"]
    except (ValueError, TypeError, KeyError):
        message = cause
    return str(message)[:_LONGEST_REASON]
