"""Release: an operator's decision about a destination that may or may not have a file.

The decision is a fact (REPLAYED) that opens the destination again. A new execution then carries it out, under
the file's lease, and sends the receipt.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import assert_never

from runtime.contract import Kind, UnknownKind
from runtime.executions import Executions, Purpose
from runtime.facts import ENDED, Fact, settles, standing, status
from runtime.history import History
from runtime.tracker import Tracker
from runtime.transfer import Transfer


class ReleaseDecision(StrEnum):
    """What the operator has found out: the destination has the file, or needs to be sent it (again)."""

    DELIVERED = "delivered"
    RESEND = "resend"

    @property
    def is_there(self) -> bool:
        """Whether the operator states that the destination has the file."""
        match self:
            case ReleaseDecision.DELIVERED:
                return True
            case ReleaseDecision.RESEND:
                return False
            case _:
                assert_never(self)


class NotHeldError(LookupError):
    """The destination does not hold this transfer, or no longer does: there is nothing to release."""


class Release:
    """Releases in one region, to which `tracker`, `executions` and the buckets of transfers belong."""

    def __init__(self, *, tracker: Tracker, executions: Executions) -> None:
        self._tracker, self._executions = tracker, executions

    def release(
        self, transfer: Transfer, destination: str, decision: ReleaseDecision, *, who: str, why: str
    ) -> str:
        """Release a held destination; return the name of the execution that carries out the decision.

        A release that was interrupted is finished by repeating it. Raises NotHeldError.
        """
        history = self._tracker.history(transfer.file, transfer.id)
        own = standing(history.of(transfer.id))
        # The other region may have given the file up (FAILED) before this one held it.
        ends = [fact for fact in own if settles(fact.kind) and fact.destination == destination]
        # The operator knows why it is held, so facts of kinds that are unknown here are set aside as well.
        unclear = [fact for fact in own if isinstance(fact.kind, UnknownKind)]
        if any(fact.kind in (Kind.DELIVERED, Kind.DUPLICATE) for fact in ends):
            raise NotHeldError(f"{destination} has been served with {transfer.id}")
        if any(fact.kind is Kind.HELD for fact in ends):
            over = ends + unclear
            return self.reopen(transfer, [destination], over, decision, history=history, who=who, why=why)
        if name := self._interrupted(own, destination, decision):
            self._executions.start(replace(transfer, taken_over=True, asks=False), name)
            return name
        raise NotHeldError(f"{destination} does not hold {transfer.id}")

    def reopen(
        self,
        transfer: Transfer,
        destinations: Sequence[str],
        over: Iterable[Fact],
        decision: ReleaseDecision,
        *,
        history: History,
        who: str,
        why: str,
        name: str | None = None,
    ) -> str:
        """Set aside the facts in `over`, which opens the destinations again; return the execution's name.

        `history` is what the decision was based on. Nothing is checked here: with DELIVERED facts in `over`,
        the file is sent a second time. An interrupted call is finished with the `name` that it had chosen.
        """
        transfer = replace(transfer, taken_over=True, asks=False)
        own = history.of(transfer.id)
        name, over = name or self._next(transfer, own, destinations[0]), list(over)
        for destination in destinations:
            detail = {
                "decision": decision.value,
                "who": who,
                "why": why,
                "over": sorted(fact.sort_key for fact in over if fact.destination in ("", destination)),
            }
            if history.lease and status(own) in ENDED:
                detail["after"] = history.lease.owner
            fact = transfer.fact(
                Kind.REPLAYED, side=self._tracker.side, writer=name, destination=destination, **detail
            )
            self._tracker.record(fact)
        self._executions.start(transfer, name)
        return name

    def _next(self, transfer: Transfer, own: Iterable[Fact], destination: str) -> str:
        """Return the next name of an execution that nobody chooses for another destination at the same time.

        Of two destinations, in the order of their names, one has the odd generations and the other the even.
        """
        taken = {fact.writer for fact in own if fact.kind is Kind.REPLAYED}
        places = sorted({destination, *transfer.destinations})
        generations = itertools.count(places.index(destination) + 1, len(places))
        names = (f"{transfer.id}-{Purpose.RELEASE}-{generation}" for generation in generations)
        return next(name for name in names if name not in taken and self._executions.find(name) is None)

    def _interrupted(self, own: Iterable[Fact], destination: str, decision: ReleaseDecision) -> str | None:
        for fact in own:
            is_this = fact.kind is Kind.REPLAYED and fact.destination == destination
            if (
                is_this
                and fact.side == self._tracker.side
                and fact.detail["decision"] == decision
                and self._executions.find(fact.writer) is None
            ):
                return fact.writer
        return None
