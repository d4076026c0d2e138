"""Shrinking a failing schedule: actions, customers and destinations are removed, and times get shorter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from tests.simulation.schedule import (
    Evacuate,
    Export,
    Lag,
    Lose,
    Noise,
    Schedule,
    Sender,
    Submit,
    Tick,
    Trouble,
)


def shrink(schedule: Schedule, fails: Callable[[Schedule], bool], *, tries: int = 2000) -> Schedule:
    """Return a smaller schedule that fails too, from which nothing can be taken; after `tries` at most."""
    left = tries
    while True:
        for smaller in _smaller(schedule):
            if left == 0:
                return schedule
            left -= 1
            if fails(smaller):
                schedule = smaller
                break
        else:
            return schedule


def _smaller(schedule: Schedule) -> Iterator[Schedule]:
    """Yield schedules a step smaller, the boldest first."""
    count = len(schedule.actions)
    size = count // 2
    while size >= 1:
        for start in range(0, count, size):
            yield schedule.without(*range(start, min(count, start + size)))
        size //= 2
    for sender in schedule.senders:
        if len(schedule.senders) > 1 and not _is_used(schedule, sender.id):
            yield replace(schedule, senders=tuple(each for each in schedule.senders if each is not sender))
        for plainer in _plainer(sender):
            senders = tuple(plainer if each is sender else each for each in schedule.senders)
            yield replace(schedule, senders=senders)
    for index, action in enumerate(schedule.actions):
        for simpler in _simpler(action):
            actions = (*schedule.actions[:index], simpler, *schedule.actions[index + 1 :])
            yield replace(schedule, actions=actions)


def _is_used(schedule: Schedule, customer: str) -> bool:
    return any(getattr(action, "customer", None) == customer for action in schedule.actions)


def _plainer(sender: Sender) -> Iterator[Sender]:
    if len(sender.destinations) > 1:
        for index in range(len(sender.destinations)):
            rest = (*sender.destinations[:index], *sender.destinations[index + 1 :])
            yield replace(sender, destinations=rest)
    if sender.resends:
        yield replace(sender, resends=sender.resends - 1)
    for index, destination in enumerate(sender.destinations):
        if destination.collects is not None:
            never = replace(destination, collects=None)
            yield replace(
                sender, destinations=(*sender.destinations[:index], never, *sender.destinations[index + 1 :])
            )


def _simpler(action: Any) -> Iterator[Any]:
    """Yield simpler forms of an action: shorter, plainer."""
    if isinstance(action, Submit):
        if action.loses_answer:
            yield replace(action, loses_answer=False)
        if action.how not in ("put", "sftp"):
            yield replace(action, how="sftp")
    if isinstance(action, Lose):
        if action.declared is not None:
            yield replace(action, declared=None)
        if action.restored > 1:
            yield replace(action, restored=1.0)
    if isinstance(action, Lag) and action.lag > 10:
        yield replace(action, lag=float(round(action.lag / 2)))
    if isinstance(action, Lose | Evacuate | Lag | Trouble) and action.seconds > 10:
        yield replace(action, seconds=float(round(action.seconds / 2)))
    if isinstance(action, Submit | Lose | Evacuate | Lag | Trouble | Tick | Export) and action.at > 1:
        yield replace(action, at=round(action.at / 2, 1))
    if isinstance(action, Noise) and len(action.delays) > 1:
        yield replace(action, delays=action.delays[:1])
