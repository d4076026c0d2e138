"""What is to be done with a transfer, judged by the facts about its file. Pure.

A file's first submission is sent at once and hashed on the way. A further one within the window is
compared with what was delivered: equal SHA-256 is not sent again, anything else is sent and marked as a
conflict. Nothing but the SHA-256 of the content decides: the checksums that S3 keeps differ between
clients for the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from runtime.contract import Kind
from runtime.facts import Fact, submitted

#: A destination with one of these, from this transfer, is sent nothing more by its workflow.
_ENDS = frozenset({Kind.DELIVERED, Kind.DUPLICATE, Kind.FAILED, Kind.HELD})


class Action(StrEnum):
    """What the workflow does next; the values are matched in the state machine's definition."""

    WAIT = "wait"
    COMPARE = "compare"
    DELIVER = "deliver"
    DONE = "done"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What to do, for which destinations, and which other transfers it was measured against.

    `spared` names destinations that have this content already, each with the transfer that brought it.
    """

    action: Action
    destinations: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    spared: tuple[tuple[str, str], ...] = ()


def judge(
    facts: Iterable[Fact],
    *,
    transfer: str,
    size: int,
    destinations: Iterable[str],
    policy: str,
    window: timedelta,
) -> Verdict:
    """Return the verdict for a transfer whose content has not been read.

    COMPARE is asked for only when another delivery of the same size exists; a different size is
    different content, without reading a byte.
    """
    facts = tuple(facts)
    own = [fact for fact in facts if fact.transfer == transfer]
    left = _left(own, destinations)
    if not left or any(fact.kind is Kind.REJECTED for fact in own):
        return Verdict(action=Action.DONE)
    others = _delivered_nearby(facts, transfer, window) if policy == "content" else ()
    if any(fact.detail["size"] == size for fact in others):
        return Verdict(action=Action.COMPARE, destinations=left)
    return Verdict(action=Action.DELIVER, destinations=left, conflicts=_transfers(others))


def compare(
    facts: Iterable[Fact], *, transfer: str, sha256: str, destinations: Iterable[str], window: timedelta
) -> Verdict:
    """Return the verdict for a transfer whose content has this SHA-256: DELIVER, or DONE when spared.

    A destination is spared only by a delivery of the same content to that same destination.
    """
    facts = tuple(facts)
    left = _left([fact for fact in facts if fact.transfer == transfer], destinations)
    others = _delivered_nearby(facts, transfer, window)
    same = {fact.destination: fact.transfer for fact in reversed(others) if fact.detail["sha256"] == sha256}
    different = _transfers(fact for fact in others if fact.detail["sha256"] != sha256)
    send = tuple(name for name in left if name not in same)
    return Verdict(
        action=Action.DELIVER if send else Action.DONE,
        destinations=send,
        conflicts=different if send else (),
        spared=tuple((name, same[name]) for name in left if name in same),
    )


def _left(own: Iterable[Fact], destinations: Iterable[str]) -> tuple[str, ...]:
    ended = {fact.destination for fact in own if fact.kind in _ENDS}
    return tuple(name for name in destinations if name not in ended)


def _delivered_nearby(facts: Iterable[Fact], transfer: str, window: timedelta) -> tuple[Fact, ...]:
    """Return the deliveries of other transfers within the window, before or after, oldest first.

    Later ones count too: events arrive out of order, and whichever transfer is sent first is the one
    that the other must be compared with.
    """
    when = submitted(transfer)
    near = (
        fact
        for fact in facts
        if fact.kind is Kind.DELIVERED
        and fact.transfer != transfer
        and abs(submitted(fact.transfer) - when) <= window
    )
    return tuple(sorted(near, key=lambda fact: fact.sort_key))


def _transfers(facts: Iterable[Fact]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(fact.transfer for fact in facts))
