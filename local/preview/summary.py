"""A preview in words: how far it reaches, what is at stake, and one line for resources that change alike."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, assert_never

from local.preview.changes import Operation, PropertyChange, ResourceChange
from local.preview.preview import Preview

_ORDER = list(Operation)
#: How many names, and how many characters of a value, are printed; JSON has them all.
_NAMES, _LENGTH = 8, 90


@dataclass(frozen=True)
class SummaryLine:
    """What becomes of the resources of one type that change alike."""

    action: Operation
    type: str
    names: tuple[str, ...]
    changes: tuple[str, ...]

    def __str__(self) -> str:
        count = f"{len(self.names)} " if len(self.names) > 1 else ""
        return f"{count}{self.type} {_listed(self.names)}{_suffix(self.action)}"


def sentence(steps: Sequence[ResourceChange]) -> str:
    """Return how far the changes of a stack reach: `adds 20 resources for c7k2m; touches nothing else`."""
    if not steps:
        return "changes nothing"
    reach: dict[tuple[tuple[Operation, int], ...], list[str]] = {}
    for customer, own in groupby(steps, key=lambda step: step.customer):
        counts = tuple((action, len([*each])) for action, each in groupby(own, key=lambda step: step.action))
        reach.setdefault(counts, []).append(customer)
    clauses = [
        f"{_counted(counts)} {_for(customers)}"
        for counts, customers in sorted(
            reach.items(), key=lambda item: ("" in item[1], _ORDER.index(item[0][0][0]))
        )
    ]
    touched = {step.customer for step in steps}
    rest = "no customer" if touched == {""} else "no other customer" if "" in touched else "nothing else"
    return "; ".join([*clauses, f"touches {rest}"])


def stakes(plan: Preview) -> list[str]:
    """Return a sentence for each resource with which data is lost, or by whose change data can be lost."""
    return [
        _stake(stack, step)
        for stack, steps in plan.stacks.items()
        for step in sorted(steps, key=lambda each: _ORDER.index(each.action))
        if step.breaches or step.loses or step.bares or step.shortens
    ]


def reaches(plan: Preview) -> list[tuple[str, str]]:
    """Return the sentence of each stack; stacks with the same sentence share one entry."""
    return _alike({stack: sentence(steps) for stack, steps in plan.stacks.items()})


def sections(plan: Preview) -> Iterator[tuple[str, list[tuple[str, list[SummaryLine]]]]]:
    """Yield the cell and each customer with their lines in each stack, those with the worst change first."""
    worst: dict[str, int] = {}
    for steps in plan.stacks.values():
        for step in steps:
            worst[step.customer] = min(_ORDER.index(step.action), worst.get(step.customer, len(_ORDER)))
    for customer in sorted(worst, key=lambda each: (worst[each], each)):
        own = {
            stack: _lines([step for step in steps if step.customer == customer])
            for stack, steps in plan.stacks.items()
        }
        yield customer or "the cell", _alike({stack: lines for stack, lines in own.items() if lines})


def _verb(action: Operation) -> str:
    match action:
        case Operation.DELETE:
            return "deletes"
        case Operation.REPLACE:
            return "replaces"
        case Operation.DANGLE:
            return "strands"
        case Operation.RELEASE:
            return "lets go of"
        case Operation.CHANGE:
            return "changes"
        case Operation.ADD:
            return "adds"
        case _:
            assert_never(action)


def _suffix(action: Operation) -> str:
    """Return what a line says after the resource; its sign says the rest."""
    match action:
        case Operation.REPLACE:
            return " is replaced"
        case Operation.DANGLE:
            return " goes on naming what is gone"
        case Operation.RELEASE:
            return " stays in AWS, and Pulumi forgets it"
        case Operation.DELETE | Operation.CHANGE | Operation.ADD:
            return ""
        case _:
            assert_never(action)


def _lines(steps: Sequence[ResourceChange]) -> list[SummaryLine]:
    alike: dict[tuple[Operation, str, tuple[str, ...]], list[str]] = {}
    for step in steps:
        changes = tuple(_described(change, step) for change in step.changes)
        alike.setdefault((step.action, _short(step.type), changes), []).append(step.name)
    return [
        SummaryLine(action, type, tuple(names), changes) for (action, type, changes), names in alike.items()
    ]


def _described(change: PropertyChange, step: ResourceChange) -> str:
    forces = " (forces replacement)" if change.replaces else ""
    if change.secret:
        return f"{change.path}: another secret{forces}"
    if change.follows:
        what = "stays that of" if step.action is Operation.DANGLE else "becomes that of the new"
        return f"{change.path} {what} {change.follows}{forces}"
    if change.path == "code":
        return "code changed"
    if _plain_list(change.old) and _plain_list(change.new):
        added = [_value(each) for each in change.new if each not in change.old]
        removed = [_value(each) for each in change.old if each not in change.new]
        moves = [f"{verb} {_listed(each)}" for verb, each in (("added", added), ("removed", removed)) if each]
        return f"{change.path}: {'; '.join(moves) or 'another order'}{forces}"
    return f"{change.path}: {_value(change.old)} -> {_value(change.new)}{forces}"


def _value(value: Any) -> str:
    if value is None:
        return "absent"
    text = value if isinstance(value, str) and value.isprintable() else json.dumps(value, sort_keys=True)
    return text if len(text) <= _LENGTH else f"{text[:_LENGTH]}..."


def _plain_list(value: Any) -> bool:
    return isinstance(value, list) and not any(isinstance(each, dict | list) for each in value)


def _alike(by_stack: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the entries of stacks; stacks with equal ones share one entry."""
    entries: list[tuple[list[str], Any]] = []
    for stack, what in by_stack.items():
        same = next((stacks for stacks, other in entries if other == what), None)
        if same is None:
            entries.append(([stack], what))
        else:
            same.append(stack)
    return [(" and ".join(stacks), what) for stacks, what in entries]


def _counted(counts: Sequence[tuple[Operation, int]]) -> str:
    one = sum(count for _, count in counts) == 1
    each = ", ".join(f"{_verb(action)} {count}" for action, count in counts)
    return f"{each} {'resource' if one else 'resources'}"


def _for(customers: Sequence[str]) -> str:
    if len(customers) > _NAMES:
        return f"for each of {len(customers)} customers"
    named = " and ".join(customer or "the cell" for customer in customers)
    return f"for {'each of ' if len(customers) > 1 else ''}{named}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return f"{', '.join(names[:_NAMES])}{more}"


def _short(type: str) -> str:
    return type.rpartition(":")[2]


def _stake(stack: str, step: ResourceChange) -> str:
    who = f"{stack}, {step.customer or 'cell'}: {_short(step.type)} {step.name}"
    if step.bares:
        kept = any(change.path == "retain_on_delete" and change.new for change in step.changes)
        return f"{who} loses its protection{', and would stay in AWS if it goes' if kept else ''}"
    if step.shortens and not step.action.lets_go:
        changes = ", ".join(f"{change.path} {change.old} -> {change.new}" for change in step.shortens)
        return f"{who} keeps data for a shorter time, and older data is deleted: {changes}"
    fate = f"would be {step.action}d".upper() if step.action.destroys else "would stay in AWS, forgotten"
    lost = f", and with it {step.loses}" if step.loses else ""
    if step.refused:
        return f"{who} {fate}{lost}. It is protected, so Pulumi would stop there"
    if step.was_protected:
        return f"{who} {fate}{lost}. It loses its protection in the same change, so NOTHING would stop this"
    return f"{who} {fate}{lost}. It is not protected"
