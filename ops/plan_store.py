"""Plan, review, apply: a verb does only what was shown, and says what has changed since.

Plans that were shown are kept by their digests below `.build/plans/`, on the machine where they were shown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ops.plan import Approval, RefusedError, digest

#: How many differences a message names.
_NAMED = 10

Plan = Mapping[str, Mapping[str, Any]]
"""What will be, by customer, region or transfer."""


def review(root: Path, plan: Plan, approval: Approval | None) -> None:
    """Keep a plan that is only shown; check one that is to be applied against the plan that was reviewed.

    Raises RefusedError, which names what has changed, when the plans differ.
    """
    if approval is None:
        _keep(root, plan)
    elif digest(plan) != approval.digest:
        raise outdated(approval.digest, _changes(root, approval.digest, plan))


def outdated(reviewed: str, changes: Sequence[str]) -> RefusedError:
    """Return the refusal of a plan that is not the one with the digest `reviewed` any more."""
    named = list(changes[:_NAMED])
    if len(changes) > _NAMED:
        named.append(f"and {len(changes) - _NAMED:,} more")
    what = "; ".join(named) or "it was not shown on this machine, so what has changed is not known"
    return RefusedError(
        f"plan {reviewed} no longer holds: {what}; nothing was done: plan again, and review the new plan"
    )


def _keep(root: Path, plan: Plan) -> None:
    path = _path(root, digest(plan))
    # The digest alone ties an action to its plan: without the file, nobody can say what has changed.
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(plan, default=str))


def _changes(root: Path, reviewed: str, plan: Plan) -> list[str]:
    """Return what is different from the plan that was reviewed; nothing when it is not kept here."""
    try:
        was: dict[str, Any] = json.loads(_path(root, reviewed).read_text())
    except (OSError, ValueError):
        return []
    now: dict[str, Any] = json.loads(json.dumps(plan, default=str))
    return [
        f"{name}: {_difference(was.get(name), now.get(name))}"
        for name in sorted(was.keys() | now.keys())
        if was.get(name) != now.get(name)
    ]


def _difference(was: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> str:
    if was is None:
        return "is new in the plan"
    if now is None:
        return "is no longer in the plan"
    return ", ".join(
        f"{key} is {now.get(key)!r}, was {was.get(key)!r}"
        for key in sorted(was.keys() | now.keys())
        if was.get(key) != now.get(key)
    )


def _path(root: Path, name: str) -> Path:
    # A digest that somebody typed must not lead out of the folder.
    return root / ".build" / "plans" / f"{Path(name).name or '-'}.json"
