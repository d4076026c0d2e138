"""A preview for people and for programs: as text, as Markdown for a pull request, and as a JSON document."""

from __future__ import annotations

from itertools import groupby
from typing import Any, assert_never

from rich.console import Console
from rich.text import Text

from local.preview.changes import Operation, PropertyChange, ResourceChange
from local.preview.preview import Preview
from local.preview.summary import reaches, sections, sentence, stakes

_REFUSED = (
    "Refused: a resource that the base protects would go. To remove a customer, set its lifecycle to "
    "draining, then to retired, apply each in both stacks, then remove its file. A resource that was only "
    "moved or renamed in the program keeps its data if it gets an alias. To delete a resource on purpose, "
    "first unprotect it in a separate change."
)


def text(plan: Preview, console: Console) -> None:
    """Print a preview on a terminal."""

    def say(line: str, style: str = "") -> None:
        console.print(Text(line, style=style))

    say(f"From {plan.base} ({plan.commit[:10]}) to the working tree:", "bold")
    for stacks, reach in reaches(plan):
        say(f"  {stacks}: {reach}")
    if at_stake := stakes(plan):
        say("\nDATA AT STAKE", "bold red")
        for each in at_stake:
            say(f"  {each}", "bold red")
    for owner, in_stacks in sections(plan):
        say(f"\n{owner}", "bold")
        for stacks, lines in in_stacks:
            say(f"  {stacks}")
            for line in lines:
                sign, _, style = _sign(line.action)
                say(f"    {sign:2} {line}", style)
                for change in line.changes:
                    say(f"         {change}")
    for note in plan.notes:
        say(f"\nNote: {note}.", "dim")
    if plan.breaches:
        say(f"\n{_REFUSED}", "bold red")


def markdown(plan: Preview) -> str:
    """Return a preview as a comment on a pull request."""
    parts = [f"### Plan from `{plan.base}` ({plan.commit[:10]})", ""]
    parts += [f"- {stacks}: **{reach}**" for stacks, reach in reaches(plan)]
    if at_stake := stakes(plan):
        parts += ["", "#### :rotating_light: Data at stake", ""]
        parts += [f"- **{each}**" for each in at_stake]
    if plan.breaches:
        parts += ["", f"**{_REFUSED}**"]
    for owner, in_stacks in sections(plan):
        parts += ["", f"<details><summary>{owner}</summary>", ""]
        for stacks, lines in in_stacks:
            parts += [f"{stacks}:", "", "~~~~diff"]
            for line in lines:
                parts += [f"{_sign(line.action)[1]} {line}", *(f"    {each}" for each in line.changes)]
            parts += ["~~~~", ""]
        parts.append("</details>")
    return "\n".join([*parts, "", *(f"- _{note}_" for note in plan.notes)])


def document(plan: Preview) -> dict[str, Any]:
    """Return a preview as plain data, with every value in full."""
    return {
        "base": plan.base,
        "commit": plan.commit,
        "refused": plan.breaches,
        "stacks": {
            stack: {
                "sentence": sentence(steps),
                "cell": [_step(step) for step in steps if not step.customer],
                "customers": {
                    customer: [_step(step) for step in own]
                    for customer, own in groupby(steps, key=lambda step: step.customer)
                    if customer
                },
            }
            for stack, steps in plan.stacks.items()
        },
        "dataAtStake": stakes(plan),
        "notes": list(plan.notes),
    }


def _sign(action: Operation) -> tuple[str, str, str]:
    """Return how a line begins, in text and in a Markdown diff, and its colour."""
    match action:
        case Operation.DELETE:
            return "-", "-", "bold red"
        case Operation.REPLACE:
            return "-+", "-", "bold red"
        case Operation.DANGLE:
            return "!", "!", "bold red"
        case Operation.RELEASE:
            return "o", "!", "yellow"
        case Operation.CHANGE:
            return "~", "!", "yellow"
        case Operation.ADD:
            return "+", "+", "green"
        case _:
            assert_never(action)


def _step(step: ResourceChange) -> dict[str, Any]:
    return {
        "action": step.action.value,
        "type": step.type,
        "name": step.name,
        "protected": step.was_protected,
        "loses": step.loses or None,
        "changes": [_change(change) for change in step.changes],
    }


def _change(change: PropertyChange) -> dict[str, Any]:
    described: dict[str, Any] = {"path": change.path, "forcesReplacement": change.replaces}
    if change.secret:
        return {**described, "secret": True}
    if change.follows:
        return {**described, "follows": change.follows}
    return {**described, "old": change.old, "new": change.new}
