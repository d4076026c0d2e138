"""Whether the registry of the working tree may replace that of a git revision, which is deployed.

Only files and git are read: no AWS, no credentials, no network.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from customers import quota, rehoming
from customers.change import RegistryChange
from customers.names import NameRefusedError
from customers.problems import RegistryError
from customers.registry import Registry, load
from customers.rehoming import Rehomings, RehomingsRefusedError
from ops.environment import group_rule_quota, health_check_quota, names_place, served_cells
from ops.plan import RefusedError
from ops.registry import REGISTRY
from ops.revision import commit_of, files_of


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """The result of a check. The counts are None when the registry itself is broken.

    `base` is the commit that the registry was compared with, and `deployed` the number of customers in it;
    `leaving` are the ids that go out of service, and `touched` has a line for each customer that differs.
    """

    base: str
    deployed: int | None
    customers: int | None
    health_checks: int | None
    health_check_quota: int
    leaving: tuple[str, ...]
    touched: tuple[str, ...]
    refusals: tuple[str, ...]

    @property
    def summary(self) -> str:
        """The result on one line."""
        refused = f"{len(self.refusals):,} refused" if self.refusals else "nothing refused"
        if self.customers is None:
            return f"the registry is broken and was not compared, {refused}"
        noun = "customer" if self.customers == 1 else "customers"
        checks = f"{self.health_checks:,} health checks of {self.health_check_quota:,}"
        first = "" if self.deployed else f"; {self.base[:12]} has none to compare them with"
        return f"{self.customers:,} {noun}, {checks}, {refused}{first}"


def check(root: Path, base: str, *, retiring: int | None = None) -> CheckResult:
    """Return the result for the registry below `root`. `retiring` is the number of customers meant to leave.

    Raises EnvironmentRefusedError when the stack files do not name the environment, and RefusedError when
    there is no such revision or this code cannot read its registry.
    """
    (namespace, zone), allowed = names_place(root), health_check_quota(root)
    commit = commit_of(root, base)
    try:
        now, moved = _read(root, namespace=namespace, zone=zone)
    except NameRefusedError as error:
        raise RefusedError(f"mft:namespace and mft:zone of the stack files: {error}") from error
    except _BrokenError as error:
        return CheckResult(
            base=commit,
            deployed=None,
            customers=None,
            health_checks=None,
            health_check_quota=allowed,
            leaving=(),
            touched=(),
            refusals=error.problems,
        )
    was, was_moved = _deployed(root, base, commit)
    change = RegistryChange(was, now)
    refused = change.refusals(was_moved=was_moved, moved=moved, leaving=retiring)
    cells = served_cells(root)
    refused += RegistryError(now.unserved(cells)).lines
    refused += quota.refusals(
        now.placed,
        cells=cells,
        health_checks=allowed,
        group_rules=group_rule_quota(root),
        before=was.placed,
    )
    return CheckResult(
        base=commit,
        deployed=len(was.customers),
        customers=len(now.customers),
        health_checks=quota.needs(now.placed, cells).health_checks,
        health_check_quota=allowed,
        leaving=change.leaving,
        touched=change.touched,
        refusals=tuple(refused),
    )


class _BrokenError(Exception):
    """A registry or its records of moves cannot be read; the message has all problems, one a line."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


def _read(root: Path, *, namespace: str | None = None, zone: str | None = None) -> tuple[Registry, Rehomings]:
    """Return the registry below `root` and the records of moves beside it; _BrokenError with all problems."""
    problems: list[str] = []
    try:
        registry = load(root / REGISTRY, namespace=namespace, zone=zone, shown=REGISTRY)
    except RegistryError as error:
        problems += error.lines
    try:
        moves = rehoming.read(root)
    except RehomingsRefusedError as error:
        problems += error.problems
    if problems:
        raise _BrokenError(tuple(problems))
    return registry, moves


def _deployed(root: Path, base: str, commit: str) -> tuple[Registry, Rehomings]:
    """Return the registry of a commit, which may be empty; RefusedError when this code cannot read it."""
    with files_of(root, commit, {REGISTRY: ".yaml", rehoming.FOLDER: ".json"}) as folder:
        if not any((folder / REGISTRY).iterdir()):
            return Registry(()), {}
        try:
            return _read(folder)
        except _BrokenError as error:
            raise RefusedError(
                f"the registry of {base} cannot be read by this code, so nothing was compared:\n{error}\n"
                "with --base, name a revision whose registry can be read"
            ) from error
