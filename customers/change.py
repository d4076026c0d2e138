"""A change of the registry: what is deployed, what is wanted, and what of that must not be done. Pure.

Two customers are the same when they have one id. What is refused, and what ends the refusal:

- Removing a customer that is not deployed as `retired`. Nothing overrides it.
- Another id for the same customer, known by its file or its name. Nothing overrides it: an id is in bucket
  names and in DNS. Where a retired customer goes, its file and name are free.
- Steps of the lifecycle that skip one. It goes `onboarding`, `active`, `draining`, `retired`. Besides, a
  customer that never came into service may retire, a draining one may come back into service, and a retired
  one may begin again. A new customer begins as `onboarding`, except in a registry that had none.
- Another `cell`: the buckets cannot change their stack.
- Another `failover.health_check` of a customer in service: its records keep the check that they carry, since
  `ops shift` moves them, and the program would delete it under them.
- Another `primary` without a record of `ops rehome` that is new; and such a record without the `primary` that
  it tells of. A customer that is deployed as `onboarding` has no DNS records and needs none.
- Taking more than 10 customers, or 20 % of them, out of service at once, into `draining` or `retired`, unless
  their exact number is given. Customers that are already retired are not counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import assert_never

from customers.kinds import Lifecycle
from customers.model import Customer
from customers.problems import Problem
from customers.registry import Registry
from customers.rehoming import Rehoming, Rehomings, path_of
from runtime.contract import REGION_OF

#: How many, and which percentage, may go out of service at once.
MANY, PERCENT = 10, 20


class RegistryChange:
    """What becomes of a deployed registry when another takes its place.

    `kept` pairs each customer with what becomes of it, `gone` and `new` are the rest. Pairs with two ids are
    customers whose id was changed.
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
        """The ids of the customers that go out of service, or are retired."""
        return tuple(now.id for was, now in self.kept if _leaves(was.lifecycle, now.lifecycle))

    def refusals(self, *, was_moved: Rehomings, moved: Rehomings, leaving: int | None) -> list[str]:
        """Return a sentence for everything that must not be done: first what has a line, in order.

        `was_moved` and `moved` are the records of `ops rehome` before and after; `leaving` is how many
        customers are meant to leave, where somebody said so.
        """
        problems = [*self._removed(), *self._begun()]
        moves = []
        for was, now in self.kept:
            problems += [*self._renamed(was, now), *self._stepped(was, now), *self._recelled(was, now)]
            problems += self._rechecked(was, now)
            earlier, all_moves = was_moved.get(was.id, ()), moved.get(was.id, ())
            if all_moves[: len(earlier)] != earlier:
                moves.append(
                    f"{path_of(was.id)}: a record is changed or gone; only add to them, restore these"
                )
            else:
                problems += self._moved(was, now, all_moves[len(earlier) :])
        return [*map(str, sorted(problems)), *moves, *self._braked(leaving)]

    def _same(self, old: Customer, new: list[Customer]) -> Customer | None:
        """Return the new customer that is this one under another id, if there is one."""

        def file(registry: Registry, customer: Customer) -> str:
            return registry.files[customer.id].path

        by_file = [each for each in new if file(self._after, each) == file(self._before, old)]
        return next(iter([*by_file, *(each for each in new if each.name == old.name)]), None)

    def _removed(self) -> Iterator[Problem]:
        for was in self.gone:
            if not was.is_retired:
                yield self._before.files[was.id].problem(
                    ("lifecycle",),
                    f"{was.id!r} is gone, and it is deployed as {was.lifecycle!r}; restore it, and remove it"
                    " only when 'retired' is applied in both stacks",
                )

    def _begun(self) -> Iterator[Problem]:
        for now in self.new if self._before.customers else ():
            if now.lifecycle != "onboarding":
                yield self._at(
                    now,
                    "lifecycle",
                    f"{now.id!r} is new and begins as {now.lifecycle!r}; begin with 'onboarding', because S3"
                    " replicates only into a bucket that exists, and apply it in both stacks",
                )

    def _renamed(self, was: Customer, now: Customer) -> Iterator[Problem]:
        if was.id != now.id:
            yield self._at(
                now,
                "id",
                f"was {was.id!r} and is {now.id!r}, and an id never changes: it is in bucket names and DNS;"
                f" put {was.id!r} back, or give the new customer a file and a name of its own",
            )

    def _stepped(self, was: Customer, now: Customer) -> Iterator[Problem]:
        if between := stages_between(was.lifecycle, now.lifecycle):
            yield self._at(
                now,
                "lifecycle",
                f"goes from {was.lifecycle!r} to {now.lifecycle!r} and skips {', '.join(map(repr, between))};"
                " set that first and apply it in both stacks",
            )

    def _rechecked(self, was: Customer, now: Customer) -> Iterator[Problem]:
        old, new = was.failover.health_check, now.failover.health_check
        if old != new and was.is_in_service and now.is_in_service:
            yield self._after.files[now.id].problem(
                ("failover", "health_check"),
                f"goes from {old!r} to {new!r} while the customer is in service, and its records would keep a"
                f" check that is gone; put {old!r} back, or drain the customer and change it then",
            )

    def _recelled(self, was: Customer, now: Customer) -> Iterator[Problem]:
        if was.cell != now.cell:
            yield self._at(
                now,
                "cell",
                f"goes from {was.cell!r} to {now.cell!r}, and its buckets cannot go with it; put {was.cell!r}"
                " back, or onboard a new customer there and drain this one",
            )

    def _moved(self, was: Customer, now: Customer, moves: tuple[Rehoming, ...]) -> Iterator[Problem]:
        record, there = path_of(was.id), moves[-1].to if moves else was.primary
        if now.primary == there or was.lifecycle == "onboarding":
            return
        if moves:
            message = (
                f"is {now.primary!r}, and {moves[-1].who} moved it to {there!r} by {record}; write {there!r},"
                " or the next update moves it back"
            )
        else:
            message = (
                f"goes from {was.primary!r} to {now.primary!r} without a new record of it in {record}; put"
                f" {was.primary!r} back and run: mft-ops rehome {was.id} --to {REGION_OF[now.primary]}"
            )
        yield self._at(now, "primary", message)

    def _braked(self, leaving: int | None) -> Iterator[str]:
        count = len(self.leaving)
        if leaving is not None and leaving != count:
            yield f"customers: --retiring {leaving} is given, and {count} go out of service: {self._named()}"
        serving = sum(not each.is_retired for each in self._before.customers)
        if leaving is None and (count > MANY or 100 * count > PERCENT * serving):
            yield (
                f"customers: {count} of {serving} go out of service at once, more than {MANY} or {PERCENT} %;"
                f" if they are meant, add --retiring {count}: {self._named()}"
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
            return ("draining",)
        case "draining":
            return ("retired", "active")
        case "retired":
            return ("onboarding",)
        case _:
            assert_never(stage)


def stages_between(was: Lifecycle, now: Lifecycle) -> tuple[Lifecycle, ...]:
    """Return the fewest stages that lie between two; none when the change is one step, or none."""
    paths: list[tuple[Lifecycle, ...]] = [(was,)]
    for path in paths:  # it grows meanwhile: shorter paths come first
        if path[-1] == now:
            return path[1:-1]
        paths += [(*path, stage) for stage in _next(path[-1]) if stage not in path]
    raise ValueError(f"no steps lead from {was!r} to {now!r}")


def _leaves(was: Lifecycle, now: Lifecycle) -> bool:
    """Return whether a change of the lifecycle takes a customer out of service, or retires it."""
    match now:
        case "onboarding" | "active":
            return False
        case "draining":
            return was == "active"
        case "retired":
            return was != "retired"
        case _:
            assert_never(now)


def _less(some: dict[str, Customer], others: dict[str, Customer]) -> dict[str, Customer]:
    return {id: customer for id, customer in some.items() if id not in others}
