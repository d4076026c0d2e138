"""The page about updates: what an update of each kind adds, changes, replaces and deletes."""

from __future__ import annotations

from collections import Counter

from local.preview.changes import Operation, compare
from tests.pages.markdown import WRITTEN, code, table
from tests.pages.updates import UPDATES, Update, plain

_HEAD = f"""{WRITTEN}
# What an update of each kind does

Each row compares two recorded graphs of the western stack with the sample registry, before and after an
update of this kind. A replacement or a deletion interrupts what the resource does; a change is made in
place. What is **refused** is protected, so Pulumi stops the update before it begins. What the loss of each
part would mean is in [resources](resources.md). A recording knows no versions of functions: a release also
gives the workflow's definition the new ones, in place.

"""

_COLUMNS = (Operation.ADD, Operation.CHANGE, Operation.REPLACE, Operation.DELETE)


def updates_page() -> str:
    """Return the page as Markdown. The program runs about ten times for it."""
    head = ("update", "adds", "changes", "replaces", "deletes", "refused", "customers notice")
    return f"{_HEAD}{table(head, map(row, UPDATES))}"


def row(update: Update) -> tuple[str, ...]:
    """Return what an update does, by type of resource."""
    steps = compare(*map(plain, update.graphs()))
    refused = Counter(step.type for step in steps if step.refused)
    done = (Counter(step.type for step in steps if step.action is action) for action in _COLUMNS)
    others = {step.action for step in steps} - {*_COLUMNS}
    if others:
        raise ValueError(f"{update.name}: the page has no column for {others}")
    return (update.name, *map(_counted, done), _counted(refused), update.notices)


def _counted(types: Counter[str]) -> str:
    return ", ".join(f"{count} {code(type.rpartition(':')[2])}" for type, count in sorted(types.items()))
