"""Plans that were shown, kept below `.build/` by digest, so that a stale digest can say what changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ops.plan import RefusedError, digest

#: Of the differences that a message names.
_NAMED = 10


def keep(root: Path, plan: Mapping[str, Mapping[str, Any]]) -> str:
    """Keep a plan, which says by customer what will be; return its digest."""
    named = digest(plan)
    path = _path(root, named)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(plan))
    return named


def check(root: Path, plan: Mapping[str, Mapping[str, Any]], reviewed: str) -> None:
    """RefusedError, which says what changed, when this is not the plan that has the digest `reviewed`."""
    if (now := digest(plan)) == reviewed:
        return
    try:
        was = json.loads(_path(root, reviewed).read_text())
    except (OSError, ValueError):
        changed = "it was not shown here, so what changed cannot be said"
    else:
        plan = json.loads(json.dumps(plan))
        found = [
            f"{id}: {_difference(was.get(id), plan.get(id))}"
            for id in sorted(was.keys() | plan.keys())
            if was.get(id) != plan.get(id)
        ]
        more = f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        changed = "; ".join(found[:_NAMED]) + more
    raise RefusedError(f"the plan is {now} now, not {reviewed}: {changed}; look at it without --apply")


def _difference(was: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> str:
    if was is None or now is None:
        return "is new in it" if was is None else "is no longer in it"
    return ", ".join(
        f"{key} is {now.get(key)!r}, was {was.get(key)!r}"
        for key in sorted(was.keys() | now.keys())
        if was.get(key) != now.get(key)
    )


def _path(root: Path, name: str) -> Path:
    # A digest that somebody typed is no way out of the folder.
    return root / ".build" / "plans" / f"{Path(name).name or '-'}.json"
