"""A change of the registry: the deployed registry, the wanted one, and which differences are refused. Pure.

Two customers are the same if they have the same id. Refused are:

- Removing a customer that is not deployed as `retired`. Nothing overrides this refusal.
- Changing the id of a customer, which is recognised by its file or its name. Nothing overrides this refusal:
  bucket names and DNS names contain the id. The file and name of a retired customer that is removed are free.
- Skipping a stage of the lifecycle, which is `onboarding`, `active`, `closing`, `draining`, `retired`. In
  addition, a customer that was never in service may be retired, a closing or draining one may return to
  service, and a retired one may start again. A new customer starts as `onboarding`, except in a registry that
  had no customers.
- Changing the `cell` other than by the steps of a `move`, one after the other: buckets cannot be renamed, so
  the customer is in two cells meanwhile.
- Changing `failover.health_check` of a customer in service: the program ignores changes of the check that a
  record carries, because `ops shift` makes them, so the record would keep a check that was deleted.
- Changing `primary` without a new record of `ops rehome`, or adding such a record without changing `primary`
  accordingly. A customer that is deployed as `onboarding` has no DNS records and needs no record of a move.
- Taking more than 10 customers, or 20 % of them, out of service at once, into `draining` or `retired`, unless
  their exact number is given. Customers that are already retired are not counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import assert_never

from customers import cell_moves
from customers.kinds import Lifecycle
from customers.model import Customer
from customers.problems import Problem
from customers.registry import Registry
from customers.rehoming import Rehoming, Rehomings, path_of
from runtime.contract import REGION_OF

#: The number and the percentage of customers that may go out of service at once.
MANY, PERCENT = 10, 20


class RegistryChange:
    """The differences between a deployed registry and the one that replaces it.

    `kept` pairs each customer before with the same customer after; `gone` and `new` are the others. A pair
    with two ids is a customer whose id was changed.
    """

    def __init__(self, before: Registry, after: Registry) -> None:
        self._before, self._after = before, after
        was, now = ({each.id: each for each in registry.customers} for registry in (before, after))
        gone, new = (dict(sorted(some.items())) for some in (_less(was, now), _less(now, was)))
        self.kept = [(was[id], now[id]) for id in sorted(was.keys() & now.keys())]
        for old in [each for each in gone.values() if not each.is_retired]:
            if same := self._same(old, list(new.values())):
                self.kept.append((gone.pop(old.id), new.pop(same.id)))
        self.gone, self.new = tuple(gone.values()), tuple(new.values())

    @cached_property
    def leaving(self) -> tuple[str, ...]:
        """The ids of the customers that go out of service or are retired."""
        return tuple(now.id for was, now in self.kept if _leaves(was.lifecycle, now.lifecycle))

    @cached_property
    def touched(self) -> tuple[str, ...]:
        """A line for each customer that the change is about: its cell, and what differs in its file.

        There are none if no customers were deployed.
        """
        if not self._before.customers:
            return ()
        lines = {each.id: (each.cells, f"is new, as {each.lifecycle!r}") for each in self.new}
        lines |= {each.id: (each.cells, "is removed") for each in self.gone}
        for was, now in self.kept:
            if different := sorted(
                key for key in Customer.model_fields if getattr(was, key) != getattr(now, key)
            ):
                stages = f" ({was.lifecycle!r} to {now.lifecycle!r})" if "lifecycle" in different else ""
                cells = tuple(sorted({*was.cells, *now.cells}, key=int))
                lines[now.id] = cells, f"changes {', '.join(different)}{stages}"
        return tuple(
            f"touched in cell{'s' if len(cells) > 1 else ''} {' and '.join(cells)}: {id}: {what}"
            for id, (cells, what) in sorted(lines.items())
        )

    def refusals(self, *, was_moved: Rehomings, moved: Rehomings, leaving: int | None) -> list[str]:
        """Return a sentence for each refusal: those about a line of a file come first, in order.

        `was_moved` and `moved` are the records of `ops rehome` before and after; `leaving` is the number of
        customers that are meant to go out of service, if it was given.
        """
        problems = [*self._removed(), *self._begun()]
        moves = []
        for was, now in self.kept:
            problems += [*self._renamed(was, now), *self._stepped(was, now), *self._rechecked(was, now)]
            if message := cell_moves.refused(was, now):
                problems.append(self._at(now, "move" if now.move else "cell", message))
            earlier, all_moves = was_moved.get(was.id, ()), moved.get(was.id, ())
            if all_moves[: len(earlier)] != earlier:
                moves.append(
                    f"{path_of(was.id)}: a record was changed or removed; restore it, and only add records"
                )
            else:
                problems += self._moved(was, now, all_moves[len(earlier) :])
        return [*map(str, sorted(problems)), *moves, *self._braked(leaving)]

    def _same(self, old: Customer, new: list[Customer]) -> Customer | None:
        """Return the new customer that is `old` under another id, or None."""

        def file(registry: Registry, customer: Customer) -> str:
            return registry.files[customer.id].path

        by_file = [each for each in new if file(self._after, each) == file(self._before, old)]
        return next(iter([*by_file, *(each for each in new if each.name == old.name)]), None)

    def _removed(self) -> Iterator[Problem]:
        for was in self.gone:
            if not was.is_retired:
                yield self._before.files[was.id].problem(
                    ("lifecycle",),
                    f"{was.id!r} was removed, but it is deployed as {was.lifecycle!r}; restore it, and remove"
                    " it only after 'retired' has been applied in both stacks",
                )

    def _begun(self) -> Iterator[Problem]:
        for now in self.new if self._before.customers else ():
            if now.lifecycle != "onboarding":
                yield self._at(
                    now,
                    "lifecycle",
                    f"{now.id!r} is new and starts as {now.lifecycle!r}; start with 'onboarding' and apply it"
                    " in both stacks first, because S3 replicates only into a bucket that exists",
                )

    def _renamed(self, was: Customer, now: Customer) -> Iterator[Problem]:
        if was.id != now.id:
            yield self._at(
                now,
                "id",
                f"was {was.id!r} and is now {now.id!r}, but an id never changes: bucket names and DNS names"
                f" contain it; put {was.id!r} back, or give the new customer its own file and name",
            )

    def _stepped(self, was: Customer, now: Customer) -> Iterator[Problem]:
        if between := stages_between(was.lifecycle, now.lifecycle):
            yield self._at(
                now,
                "lifecycle",
                f"goes from {was.lifecycle!r} to {now.lifecycle!r} and skips {', '.join(map(repr, between))};"
                f" first set {between[0]!r} and apply it in both stacks",
            )

    def _rechecked(self, was: Customer, now: Customer) -> Iterator[Problem]:
        old, new = was.failover.health_check, now.failover.health_check
        if old != new and was.is_in_service and now.is_in_service:
            yield self._after.files[now.id].problem(
                ("failover", "health_check"),
                f"goes from {old!r} to {new!r} while the customer is in service, and its records would keep a"
                f" check that no longer exists; put {old!r} back, or drain the customer before you change it",
            )

    def _moved(self, was: Customer, now: Customer, moves: tuple[Rehoming, ...]) -> Iterator[Problem]:
        record, there = path_of(was.id), moves[-1].to if moves else was.primary
        if now.primary == there or was.lifecycle == "onboarding":
            return
        if moves:
            message = (
                f"is {now.primary!r}, but {moves[-1].who} moved it to {there!r}, as {record} records; write"
                f" {there!r}, or the next update moves it back"
            )
        else:
            message = (
                f"goes from {was.primary!r} to {now.primary!r} without a new record in {record}; put"
                f" {was.primary!r} back and run: mft-ops rehome {was.id} --to {REGION_OF[now.primary]}"
            )
        yield self._at(now, "primary", message)

    def _braked(self, leaving: int | None) -> Iterator[str]:
        count = len(self.leaving)
        if leaving is not None and leaving != count:
            yield f"customers: --retiring {leaving} was given, but {count} go out of service: {self._named()}"
        serving = sum(not each.is_retired for each in self._before.customers)
        if leaving is None and (count > MANY or 100 * count > PERCENT * serving):
            yield (
                f"customers: {count} of {serving} go out of service at once, more than {MANY} or {PERCENT} %;"
                f" if that is intended, add --retiring {count}: {self._named()}"
            )

    def _named(self) -> str:
        return ", ".join(self.leaving) or "none"

    def _at(self, customer: Customer, key: str, message: str) -> Problem:
        return self._after.files[customer.id].problem((key,), message)


def _next(stage: Lifecycle) -> tuple[Lifecycle, ...]:
    """Return the stages of the lifecycle that are one step away from a stage."""
    match stage:
        case "onboarding":
            return ("active", "retired")
        case "active":
            return ("closing",)
        case "closing":
            return ("draining", "active")
        case "draining":
            return ("retired", "active")
        case "retired":
            return ("onboarding",)
        case _:
            assert_never(stage)


def stages_between(was: Lifecycle, now: Lifecycle) -> tuple[Lifecycle, ...]:
    """Return the fewest stages between two; none if they are one step apart, or the same."""
    paths: list[tuple[Lifecycle, ...]] = [(was,)]
    for path in paths:  # longer paths are appended meanwhile, so the first one that arrives is the shortest
        if path[-1] == now:
            return path[1:-1]
        paths += [(*path, stage) for stage in _next(path[-1]) if stage not in path]
    raise ValueError(f"no steps lead from {was!r} to {now!r}")


def _leaves(was: Lifecycle, now: Lifecycle) -> bool:
    """Return whether a change of the lifecycle takes a customer out of service, or retires it."""
    match now:
        case "onboarding" | "active" | "closing":
            return False
        case "draining":
            return was in ("active", "closing")
        case "retired":
            return was != "retired"
        case _:
            assert_never(now)


def _less(some: dict[str, Customer], others: dict[str, Customer]) -> dict[str, Customer]:
    return {id: customer for id, customer in some.items() if id not in others}
