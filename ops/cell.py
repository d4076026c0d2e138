"""A cell as the tools see it: its names, its clients, its customers and its tracker."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from customers import names
from ops.environment import Environment
from ops.plan import RefusedError
from runtime.contract import REGION_OF, SIDE_OF, SIDES
from runtime.routing import Directory
from runtime.tracker import Tracker


@dataclass(frozen=True, kw_only=True)
class DeployedCell:
    """One region of an environment."""

    environment: Environment
    side: str

    @property
    def region(self) -> str:
        """The cell's region, e.g. `us-gov-west-1`."""
        return REGION_OF[self.side]

    def client(self, service: str) -> Any:
        """Return a client for a service in this region."""
        return self.environment.client(service, self.side)

    @property
    def table(self) -> str:
        """The name of the tracker table."""
        return names.tracker_table(self.environment.cell)

    def bucket(self, role: str) -> str:
        """Return the name of one of the cell's own buckets, e.g. `archive`."""
        return names.cell_bucket(self.environment.namespace, self.environment.cell, role, self.side)

    @cached_property
    def directory(self) -> Directory:
        """The customers of the cell."""
        return Directory(bucket=self.bucket("config"), client=self.client("s3"))

    def tracker(self, *, now: Callable[[], float] = time.time) -> Tracker:
        """Return the tracker of this region: its replica of the table."""
        return Tracker(table=self.table, side=self.side, client=self.client("dynamodb"), now=now)


def cells(environment: Environment) -> list[DeployedCell]:
    """Return both cells of an environment, East first."""
    return [DeployedCell(environment=environment, side=side) for side in SIDES]


def side_of(region: str) -> str:
    """Return the side of a region; RefusedError, with the nearest match, for an unknown region."""
    if region in SIDE_OF:
        return SIDE_OF[region]
    near = difflib.get_close_matches(region, SIDE_OF, n=1, cutoff=0.3)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise RefusedError(f"{region!r} is not one of {', '.join(sorted(SIDE_OF))}{hint}")


def known_customer(name: str, known: Iterable[str]) -> str:
    """Return `name` if it is in `known`; otherwise RefusedError, with the nearest match."""
    known = sorted(known)
    if name in known:
        return name
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise RefusedError(f"{name!r} is not a customer of this cell{hint}")


def known_customers(wanted: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return the names in `wanted`, each once; RefusedError listing those that are not in `known`."""
    known, problems = list(known), []
    names = list(dict.fromkeys(wanted))
    for name in names:
        try:
            known_customer(name, known)
        except RefusedError as error:
            problems.append(str(error))
    if problems:
        raise RefusedError("\n".join(problems))
    return names
