"""Decides what to do with a transfer, from the facts about its file. Pure.

The first submission of a file is sent at once and hashed on the way. A further one within the window is
compared with the deliveries: content with the same SHA-256 is not sent again; any other content is sent and
marked as a conflict. Only the SHA-256 of the content decides, because the checksums that S3 keeps differ
between clients for the same bytes.

The content that a destination holds is the one that was delivered there last, by the clocks of the
deliveries. After X and Y a second X is sent, because the partner holds Y. An older submission never replaces
a newer one: if a newer submission has been delivered to a destination, an older one with other content is
held there (docs/adr/0009-order.md). A file that an operator has released or replayed is sent regardless of
other deliveries.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from runtime.contract import Kind
from runtime.facts import Fact, by_transfer, of_transfer, settling, standing, submitted, unknown_kinds
from runtime.order import is_newer
from runtime.routing import DuplicatesPolicy, compares


class Action(StrEnum):
    """The workflow's next step; the state machine's definition matches the values."""

    WAIT = "wait"
    COMPARE = "compare"
    DELIVER = "deliver"
    DONE = "done"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The next step, the destinations that it is for, and the other transfers that led to it.

    `conflicts` are transfers that delivered other content. `spared` names the destinations that already have
    this content, each with the transfer that delivered it; `held` names those that have a newer submission,
    each with that transfer. `unclear` names the destinations about which a newer version of the platform has
    recorded something, each with the kinds of those facts. `wait` is the number of seconds until the next
    decision, if there has to be one. `thawed` means that the execution for which it was made stood still, at
    some time, for longer than it ever waits.
    """

    action: Action
    destinations: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    spared: tuple[tuple[str, str], ...] = ()
    held: tuple[tuple[str, str], ...] = ()
    unclear: tuple[tuple[str, str], ...] = ()
    wait: int = 60
    thawed: bool = False


def judge(
    facts: Iterable[Fact],
    *,
    transfer: str,
    size: int,
    destinations: Iterable[str],
    policy: DuplicatesPolicy,
    window: timedelta,
    asks: bool = False,
) -> Decision:
    """Return the decision about a transfer whose content has not been read.

    It is COMPARE only if a delivery of the same size exists: content of another size differs, and need not be
    read. It is WAIT while a destination holds another submission of the same size: the file may be there, and
    this may be the same one. A policy that does not compare ignores other submissions of the file. With
    `asks`, only the destinations that hold the file are asked whether they have it. Raises
    UnknownSettingError.
    """
    facts = tuple(facts)
    own = standing(of_transfer(facts, transfer))
    left = _asked(own, destinations) if asks else _left(own, destinations)
    if not left or any(fact.kind is Kind.REJECTED for fact in own):
        return Decision(action=Action.DONE)
    if asks:
        return Decision(action=Action.DELIVER, destinations=left)
    if not compares(policy):
        unclear, left = _parted(facts, transfer, left, None)
        action = Action.DELIVER if left else Action.DONE
        return Decision(action=action, destinations=left, unclear=unclear)
    others = _delivered_nearby(facts, transfer, window)
    unclear, clear = _parted(facts, transfer, left, window)
    if held_for(facts, transfer, set(clear) - replayed(own), size=size, window=window):
        return Decision(action=Action.WAIT)
    if any(fact.detail["size"] == size for fact in others) and set(clear) - replayed(own):
        return Decision(action=Action.COMPARE, destinations=clear, unclear=unclear)
    different = _transfers(fact for fact in others if fact.detail["size"] != size)
    return _decision(facts, transfer, left, {}, different, window)


def held_for(
    facts: Iterable[Fact], transfer: str, destinations: Iterable[str], *, size: int, window: timedelta
) -> tuple[str, ...]:
    """Return the other transfers of this size, within the window, that one of the destinations holds.

    One that is held because something newer was delivered does not count.
    """
    wanted, when, found = set(destinations), submitted(transfer), []
    for other, its in by_transfer(facts).items():
        sizes = {fact.detail.get("size") for fact in its if fact.kind is Kind.RECEIVED}
        if other == transfer or abs(submitted(other) - when) > window or size not in sizes:
            continue
        settled = settling(standing(its))
        if any(
            fact.kind is Kind.HELD and "newer" not in fact.detail and name in wanted
            for name, fact in settled.items()
        ):
            found.append(other)
    return tuple(found)


def compare(
    facts: Iterable[Fact], *, transfer: str, sha256: str, destinations: Iterable[str], window: timedelta
) -> Decision:
    """Return the decision about a transfer whose content has this SHA-256: DELIVER, or DONE to send nothing.

    A destination is spared only if the last delivery there was within the window and of the same content.
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
    return _decision(facts, transfer, _left(own, destinations), same, different, window)


def newer_delivery(facts: Iterable[Fact], transfer: str, destination: str) -> str | None:
    """Return the newest transfer that was submitted after this one and delivered to a destination.

    None if there is no such transfer, or if an operator has opened the destination again for this one.
    """
    facts = tuple(facts)
    if destination in replayed(of_transfer(facts, transfer)):
        return None
    newer = {
        fact.transfer
        for fact in _delivered(facts, transfer)
        if fact.destination == destination and is_newer(facts, fact.transfer, transfer)
    }
    return max(newer, default=None)


def unmeasured(facts: Iterable[Fact], transfer: str, destination: str, window: timedelta) -> str | None:
    """Return the last transfer delivered to a destination if its content may be the same as this one's.

    That is the case within the window, unless a CONFLICT fact of this transfer names the other one. None
    otherwise, or if an operator has opened the destination again for this transfer.
    """
    facts = tuple(facts)
    own = of_transfer(facts, transfer)
    there = (fact for fact in _delivered(facts, transfer) if fact.destination == destination)
    last = max(there, key=_moment, default=None)
    if destination in replayed(own) or last is None or last not in _delivered_nearby(facts, transfer, window):
        return None
    conflicts = (fact.detail["delivered_before"] for fact in own if fact.kind is Kind.CONFLICT)
    return None if any(last.transfer in others for others in conflicts) else last.transfer


def unclear_kinds(
    facts: Iterable[Fact], transfer: str, destination: str, window: timedelta | None
) -> tuple[str, ...]:
    """Return the unknown kinds of the facts that may forbid sending a transfer to a destination, sorted.

    A newer version of the platform has written these facts; they may mean that the destination was served.
    They are those of the transfer itself and, with a `window`, those of submissions that are newer or within
    the window, unless the destination is known to have been served with them, or an operator has opened it
    again for this transfer. Facts that an operator has set aside do not count.
    """
    groups = by_transfer(facts)
    own = groups.pop(transfer, [])
    found = set(unknown_kinds(own, destination))
    if window is not None and destination not in replayed(own):
        for other, its in groups.items():
            later = submitted(other) - submitted(transfer)
            if later >= -window and destination not in _served(standing(its)):
                found.update(unknown_kinds(its, destination))
    return tuple(sorted(found))


def replayed(own: Iterable[Fact]) -> set[str]:
    """Return the destinations that an operator has opened again, from the facts of one transfer."""
    return {fact.destination for fact in own if fact.kind is Kind.REPLAYED}


def _decision(
    facts: tuple[Fact, ...],
    transfer: str,
    left: tuple[str, ...],
    same: dict[str, str],
    different: tuple[str, ...],
    window: timedelta,
) -> Decision:
    unclear, clear = _parted(facts, transfer, tuple(name for name in left if name not in same), window)
    newer = {name: newer_delivery(facts, transfer, name) for name in clear}
    send = tuple(name for name, other in newer.items() if other is None)
    return Decision(
        action=Action.DELIVER if send else Action.DONE,
        destinations=send,
        conflicts=different if send else (),
        spared=tuple((name, same[name]) for name in left if name in same),
        held=tuple((name, other) for name, other in newer.items() if other is not None),
        unclear=unclear,
    )


def _parted(
    facts: tuple[Fact, ...], transfer: str, left: tuple[str, ...], window: timedelta | None
) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Return the destinations with unclear kinds, each with these kinds, and those without any."""
    kinds = {name: ", ".join(unclear_kinds(facts, transfer, name, window)) for name in left}
    unclear = tuple((name, found) for name, found in kinds.items() if found)
    return unclear, tuple(name for name, found in kinds.items() if not found)


def _left(own: Iterable[Fact], destinations: Iterable[str]) -> tuple[str, ...]:
    """Return the destinations that no fact settles; a settled one is sent nothing more."""
    settled = settling(own)
    return tuple(name for name in destinations if name not in settled)


def _asked(own: Iterable[Fact], destinations: Iterable[str]) -> tuple[str, ...]:
    """Return the destinations that may have the file; one that has a newer file in its place is not asked."""
    own = tuple(own)
    held = {fact.destination for fact in own if fact.kind is Kind.HELD and "newer" not in fact.detail}
    return tuple(name for name in destinations if name in held - _served(own))


def _served(own: Iterable[Fact]) -> set[str]:
    return {fact.destination for fact in own if fact.kind in (Kind.DELIVERED, Kind.DUPLICATE)}


def _delivered(facts: Iterable[Fact], transfer: str) -> tuple[Fact, ...]:
    return tuple(fact for fact in facts if fact.kind is Kind.DELIVERED and fact.transfer != transfer)


def _delivered_nearby(facts: Iterable[Fact], transfer: str, window: timedelta) -> tuple[Fact, ...]:
    """Return the deliveries of other transfers within the window before or after this one, oldest first.

    Later submissions count too: events arrive out of order, and a transfer has to be compared with any that
    was sent before it.
    """
    when = submitted(transfer)
    near = (fact for fact in _delivered(facts, transfer) if abs(submitted(fact.transfer) - when) <= window)
    return tuple(sorted(near, key=lambda fact: fact.sort_key))


def _moment(fact: Fact) -> tuple[str, str]:
    return fact.at, fact.sort_key


def _transfers(facts: Iterable[Fact]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(fact.transfer for fact in facts))
