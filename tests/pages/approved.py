"""The approved rendering of a stack, read for the pages: resources by type and name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from tests.program.approved_graphs import path_of

STACK = "gov-west"


@dataclass(frozen=True, kw_only=True)
class Approved:
    """A resource of the approved rendering; `type` has no module (`aws:s3/bucket`)."""

    type: str
    name: str
    inputs: Mapping[str, Any]
    protect: bool

    @property
    def role(self) -> str:
        """The name without the number of the cell: `cell1-intake-queue` is `intake-queue`."""
        return self.name.removeprefix("cell1-")


@cache
def approved() -> tuple[Approved, ...]:
    """Return the resources of the western stack, as they were approved."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document = yaml.load(path_of(STACK).read_text(), loader)
    return tuple(
        Approved(
            type=key.partition(" ")[0],
            name=key.partition(" ")[2],
            inputs=value.get("inputs", {}),
            protect=value.get("protect", False),
        )
        for key, value in document["resources"].items()
    )


def of(type: str) -> list[Approved]:
    """Return the resources of a type, e.g. `aws:s3/bucket`."""
    return [each for each in approved() if each.type == type]
