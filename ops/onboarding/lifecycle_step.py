"""Steps of customers' lifecycles: which stage follows, and what has to be proven before it.

Every step needs the stage before it to be deployed alike in both regions. Retiring a customer that was in
service also needs that nothing of it is in flight or lacks a copy; removing the file of a retired one, that
everything of it has expired: with the file, the rule goes that lets its archived copies expire.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, assert_never

from customers import names
from customers.change import stages_between
from customers.files import RegistryFile
from customers.kinds import Lifecycle
from customers.model import Customer
from customers.registry import Registry
from ops import customer_file, whole_file
from ops.cell import known_customers
from ops.environment import Environment
from ops.health.ready import Readiness
from ops.plan import COMMAND, RefusedError, command
from ops.recovery.gaps import GapReport
from ops.recovery.reconcile import GapKind
from ops.recovery.regions import Regions
from ops.recovery.window import Window
from ops.registry import read_registry
from runtime.contract import INBOUND, REGION_OF

#: The stage after each stage, in one direction; None is the removal of the file.
Direction = Callable[[Lifecycle], Lifecycle | None]


def promoted(stage: Lifecycle) -> Lifecycle:
    """Return the stage nearer to service; `active` if there is none."""
    match stage:
        case "onboarding" | "active" | "closing" | "draining":
            return "active"
        case "retired":
            return "onboarding"
        case _:
            assert_never(stage)


def drained(stage: Lifecycle) -> Lifecycle:
    """Return the stage further out of service; the same if there is none but `retired`."""
    match stage:
        case "active":
            return "closing"
        case "closing":
            return "draining"
        case "onboarding" | "draining" | "retired":
            return stage
        case _:
            assert_never(stage)


def retired(stage: Lifecycle) -> Lifecycle | None:
    """Return `retired`, or None for a customer that is retired: its file is to be removed."""
    match stage:
        case "onboarding" | "active" | "closing" | "draining":
            return "retired"
        case "retired":
            return None
        case _:
            assert_never(stage)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One customer's step: its file, and its next stage, None if the file is to be removed."""

    customer: Customer
    file: RegistryFile
    to: Lifecycle | None

    def text(self, root: Path) -> str | None:
        """Return the file afterwards; RefusedError if it cannot be edited, or changed meanwhile."""
        same = self.to or self.customer.lifecycle
        text = customer_file.rewritten(root, self.file, "lifecycle", same)
        return None if self.to is None else text


class Steps:
    """One step of the lifecycle for each of some customers, in the files below `root`."""

    def __init__(self, environment: Environment, root: Path, ids: Iterable[str], next: Direction) -> None:
        """Raises RefusedError, with all problems, for unknown customers and skipped stages."""
        self._environment, self._root = environment, root
        registry = read_registry(environment, root)
        everybody = {each.id: each for each in registry.of_cell(environment.cell)}
        customers = [everybody[id] for id in known_customers(ids, everybody)]
        if problems := [
            line for each in customers for line in _refusals(registry, each, next(each.lifecycle))
        ]:
            raise RefusedError("\n".join(problems))
        self.steps = [
            Step(customer=each, file=registry.files[each.id], to=next(each.lifecycle)) for each in customers
        ]
        for step in self.steps:
            step.text(root)  # what cannot be edited is refused before anything is looked at
        self._readiness = Readiness(environment, root, [each.id for each in customers])

    @property
    def looks(self) -> int:
        """How many steps of progress `missing` counts."""
        return self._readiness.steps + len(self.steps)

    def missing(self, stepped: Callable[[int], None]) -> list[str]:
        """Return what is not proven, a sentence each; `stepped` is called with the steps of progress."""
        found = [each.line for each in self._readiness.look(stepped).differences]
        regions = None
        for step in self.steps:
            if step.to == "retired" and step.customer.is_routed:
                regions = regions or Regions.find(self._environment)
                found += unfinished(regions, step.customer)
            elif step.to is None:
                regions = regions or Regions.find(self._environment)
                found += unexpired(self._environment, regions, step.customer)
            stepped(1)
        return found

    def apply(self) -> None:
        """Write the files, each completely or not at all.

        Raises RefusedError if one changed meanwhile, before any is written, or if one cannot be written.
        """
        texts = [step.text(self._root) for step in self.steps]
        done: list[str] = []
        for step, text in zip(self.steps, texts, strict=True):
            path = self._root / step.file.path
            try:
                if text is None:
                    path.unlink()
                else:
                    whole_file.replace(path, text)
            except OSError as error:
                changed = f"{', '.join(done)} changed: `git restore` it" if done else "no file was changed"
                raise RefusedError(
                    f"{step.file.path}: cannot be written: {error.strerror}; {changed}, and run the same"
                    " command again"
                ) from error
            done.append(step.file.path)


def _refusals(registry: Registry, customer: Customer, to: Lifecycle | None) -> Iterator[str]:
    """Yield why a customer cannot go to a stage from where it is."""
    id, stage = customer.id, customer.lifecycle
    if customer.move is not None:
        yield str(
            registry.files[id].problem(
                ("move",), f"{id!r} moves to another cell; first end the move: {COMMAND} cell move {id}"
            )
        )
        return
    if to is None:
        return
    if to == stage:
        message = f"{id!r} is {stage!r}, from where no step leads in this direction; leave it out"
    elif between := stages_between(stage, to):
        message = (
            f"{id!r} is {stage!r}, and a step to {to!r} skips {', '.join(map(repr, between))};"
            f" first run: {command(_verb(between[0]), id)}"
        )
    else:
        return
    yield str(registry.files[id].problem(("lifecycle",), message))


def _verb(to: Lifecycle) -> str:
    """Return the verb that leads to a stage."""
    match to:
        case "onboarding" | "active":
            return "promote"
        case "closing" | "draining":
            return "drain"
        case "retired":
            return "retire"
        case _:
            assert_never(to)


def unfinished(regions: Regions, customer: Customer, *, besides: Collection[GapKind] = ()) -> Iterator[str]:
    """Yield what of a customer is in flight, or lacks a copy in a region, as far back as facts are kept.

    Gaps of the kinds in `besides` do not count.
    """
    yield from regions.unknowns
    days = customer.retention.tracker_days
    window = Window.of(length=timedelta(days=days))
    try:
        lines = GapReport(regions, [customer.id], window).lines()
        kinds = Counter(line["finding"] for line in lines if line["finding"] not in besides)
    except RefusedError as error:
        yield str(error)
        return
    if kinds:
        counts = ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items()))
        yield (
            f"{customer.id}: not everything is delivered and copied: {counts};"
            f" see {command('gaps', customer.id, '--window', f'{days}d')}"
        )


def unexpired(environment: Environment, regions: Regions, customer: Customer) -> Iterator[str]:
    """Yield where something of a customer is still kept: in its own buckets and in the cells' archives."""
    yield from regions.unknowns
    cell, stem, id = environment.cell, environment.stem, customer.id
    kept = {"files": customer.retention.inbound_days, "archived copies": customer.retention.archive_days}
    for side in regions.sides:
        s3 = regions.client("s3", side)
        archive = names.cell_bucket(environment.namespace, cell, "archive", side)
        places = ((names.bucket(stem, id, side), INBOUND), (archive, f"{id}/"))
        for (what, days), (bucket, prefix) in zip(kept.items(), places, strict=True):
            if newest := _newest(s3, bucket, prefix):
                until = newest + timedelta(days=days)
                yield (
                    f"{id}: {REGION_OF[side]} still keeps {what} in {bucket}; the newest is of"
                    f" {newest:%Y-%m-%d}, and its retention of {days:,} days ends on {until:%Y-%m-%d}"
                    f"{'' if until > datetime.now(UTC) else ': S3 removes it some days later'};"
                    " leave the customer as it is until then"
                )


def _newest(s3: Any, bucket: str, prefix: str) -> datetime | None:
    """Return when the newest of all versions below a prefix was written; None without any, or the bucket."""
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
    try:
        written = [each["LastModified"] for page in pages for each in page.get("Versions", ())]
    except s3.exceptions.NoSuchBucket:
        return None
    newest: datetime | None = max(written, default=None)
    return newest
