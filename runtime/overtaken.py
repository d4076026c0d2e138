"""Whether a destination has received something else since a transfer was decided about."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from runtime.contract import Kind
from runtime.decision import newer_delivery, unclear_kinds, unmeasured
from runtime.facts import Fact, of_transfer, standing
from runtime.transfer import Transfer

#: The reason for holding a file at a destination about which there are facts of unknown kinds.
UNCLEAR = "a newer version of the platform has recorded what this one does not know: {}"


class OvertakenError(RuntimeError):
    """Another delivery has reached the destination meanwhile, so this transfer has to be decided again."""


def overtaken(
    facts: Iterable[Fact], transfer: Transfer, destination: str, *, window: timedelta | None
) -> None:
    """Raise OvertakenError if a destination has been served meanwhile or has received another submission.

    The other submission is newer, or this one has not been compared with it: the other region may have
    delivered it since this one was decided about. A fact of an unknown kind may state either.
    """
    facts = tuple(facts)
    own = standing(of_transfer(facts, transfer.id))
    if any(fact.kind is Kind.DELIVERED and fact.destination == destination for fact in own):
        raise OvertakenError(f"{destination} was served by another execution")
    if not transfer.asks and (kinds := unclear_kinds(facts, transfer.id, destination, window)):
        raise OvertakenError(f"{destination}: {UNCLEAR.format(', '.join(kinds))}")
    if window is not None and (newer := newer_delivery(facts, transfer.id, destination)):
        raise OvertakenError(f"{destination} has received {newer}, which is newer")
    if window is not None and (other := unmeasured(facts, transfer.id, destination, window)):
        raise OvertakenError(f"{destination} has received {other}, with which this transfer was not compared")
