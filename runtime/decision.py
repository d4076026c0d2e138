"""What is to be done with a transfer, judged by the facts about its file. Pure.

A file's first submission is sent at once and hashed on the way. A further one within the window is
compared with what was delivered: equal SHA-256 is not sent again, anything else is sent and marked as a
conflict. Nothing but the SHA-256 of the content decides: the checksums that S3 keeps differ between
clients for the same bytes.

What counts is what a destination holds, which is what was delivered there last, by the clocks of the
deliveries: of X, Y, X the third is sent, because the partner holds Y. And no delivery turns time back: where
a submission that is newer by a second or more has been delivered, an older one of other content is held there
(docs/adr/0009-order.md). What an operator has had sent again is sent whatever else was delivered.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from runtime.contract import Kind
from runtime.facts import Fact, of_transfer, settling, standing, submitted


class Action(StrEnum):
    """What the workflow does next; the values are matched in the state machine's definition."""

    WAIT = "wait"
    COMPARE = "compare"
    DELIVER = "deliver"
    DONE = "done"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What to do, for which destinations, and which other transfers it was measured against.

    `spared` names destinations that have this content already, each with the transfer that brought it;
    `held` those that were brought a newer submission, each with that. `wait` is how many seconds pass before
    the transfer is looked at again, where it has to be.
    """

    action: Action
    destinations: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    spared: tuple[tuple[str, str], ...] = ()
    held: tuple[tuple[str, str], ...] = ()
    wait: int = 60


def judge(
    facts: Iterable[Fact],
    *,
    transfer: str,
    size: int,
    destinations: Iterable[str],
    policy: str,
    window: timedelta,
    asks: bool = False,
) -> Decision:
    """Return the verdict for a transfer whose content has not been read.

    COMPARE is asked for only when another delivery of the same size exists; a different size is
    different content, without reading a byte. With `asks` the destinations that hold it are to be asked, and
    no others.
    """
    facts = tuple(facts)
    own = standing(of_transfer(facts, transfer))
    left = _asked(own, destinations) if asks else _left(own, destinations)
    if not left or any(fact.kind is Kind.REJECTED for fact in own):
        return Decision(action=Action.DONE)
    if asks or policy != "content":
        return Decision(action=Action.DELIVER, destinations=left)
    others = _delivered_nearby(facts, transfer, window)
    if any(fact.detail["size"] == size for fact in others) and set(left) - replayed(own):
        return Decision(action=Action.COMPARE, destinations=left)
    return _verdict(facts, transfer, left, {}, _transfers(others))


def compare(
    facts: Iterable[Fact], *, transfer: str, sha256: str, destinations: Iterable[str], window: timedelta
) -> Decision:
    """Return the verdict for a transfer whose content has this SHA-256: DELIVER, or DONE when none is sent.

    A destination is spared only when the last delivery there, within the window, was of the same content.
    """
    facts = tuple(facts)
    own = standing(of_transfer(facts, transfer))
    others = _delivered_nearby(facts, transfer, window)
    last = {fact.destination: fact for fact in sorted(_delivered(facts, transfer), key=_moment)}
    same = {
        name: fact.transfer
        for name, fact in last.items()
        if fact in others and fact.detail["sha256"] == sha256 and name not in replayed(own)
    }
    different = _transfers(fact for fact in others if fact.detail["sha256"] != sha256)
    return _verdict(facts, transfer, _left(own, destinations), same, different)


def newer_delivery(facts: Iterable[Fact], transfer: str, destination: str) -> str | None:
    """Return the newest transfer, submitted after this one, that was delivered to a destination.

    None when there is none, or when an operator has had this one sent again there. Submissions within one
    second have no order.
    """
    facts = tuple(facts)
    if destination in replayed(of_transfer(facts, transfer)):
        return None
    newer = {
        fact.transfer
        for fact in _delivered(facts, transfer)
        if fact.destination == destination and submitted(fact.transfer) > submitted(transfer)
    }
    return max(newer, default=None)


def unmeasured(facts: Iterable[Fact], transfer: str, destination: str, window: timedelta) -> str | None:
    """Return the transfer last delivered to a destination, if it may be this one's content for all one knows.

    That is one within the window that no CONFLICT fact of this transfer names. None when there is none, or
    when an operator has had this one sent again there.
    """
    facts = tuple(facts)
    own = of_transfer(facts, transfer)
    there = (fact for fact in _delivered(facts, transfer) if fact.destination == destination)
    last = max(there, key=_moment, default=None)
    if destination in replayed(own) or last is None or last not in _delivered_nearby(facts, transfer, window):
        return None
    conflicts = (fact.detail["delivered_before"] for fact in own if fact.kind is Kind.CONFLICT)
    return None if any(last.transfer in others for others in conflicts) else last.transfer


def replayed(own: Iterable[Fact]) -> set[str]:
    """Return the destinations that an operator has opened again, of the facts of one transfer."""
    return {fact.destination for fact in own if fact.kind is Kind.REPLAYED}


def _verdict(
    facts: tuple[Fact, ...],
    transfer: str,
    left: tuple[str, ...],
    same: dict[str, str],
    different: tuple[str, ...],
) -> Decision:
    newer = {name: newer_delivery(facts, transfer, name) for name in left if name not in same}
    send = tuple(name for name, other in newer.items() if other is None)
    return Decision(
        action=Action.DELIVER if send else Action.DONE,
        destinations=send,
        conflicts=different if send else (),
        spared=tuple((name, same[name]) for name in left if name in same),
        held=tuple((name, other) for name, other in newer.items() if other is not None),
    )


def _left(own: Iterable[Fact], destinations: Iterable[str]) -> tuple[str, ...]:
    """Return the destinations that nothing settles: a settled one is sent nothing more by its workflow."""
    settled = settling(own)
    return tuple(name for name in destinations if name not in settled)


def _asked(own: Iterable[Fact], destinations: Iterable[str]) -> tuple[str, ...]:
    """Return the destinations that may have the file: a newer one in its place is no question."""
    own = tuple(own)
    held = {fact.destination for fact in own if fact.kind is Kind.HELD and "newer" not in fact.detail}
    served = {fact.destination for fact in own if fact.kind in (Kind.DELIVERED, Kind.DUPLICATE)}
    return tuple(name for name in destinations if name in held - served)


def _delivered(facts: Iterable[Fact], transfer: str) -> tuple[Fact, ...]:
    return tuple(fact for fact in facts if fact.kind is Kind.DELIVERED and fact.transfer != transfer)


def _delivered_nearby(facts: Iterable[Fact], transfer: str, window: timedelta) -> tuple[Fact, ...]:
    """Return the deliveries of other transfers within the window, before or after, oldest first.

    Later ones count too: events arrive out of order, and whichever transfer is sent first is the one
    that the other must be compared with.
    """
    when = submitted(transfer)
    near = (fact for fact in _delivered(facts, transfer) if abs(submitted(fact.transfer) - when) <= window)
    return tuple(sorted(near, key=lambda fact: fact.sort_key))


def _moment(fact: Fact) -> tuple[str, str]:
    return fact.at, fact.sort_key


def _transfers(facts: Iterable[Fact]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(fact.transfer for fact in facts))
