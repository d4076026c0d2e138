"""The registry of the checkout, as read by the verbs that act on customers."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from customers import names, rehoming
from customers.model import Customer
from customers.problems import RegistryError
from customers.registry import Registry, load
from customers.rehoming import RehomingsRefusedError
from ops.environment import Environment, names_place
from ops.plan import RefusedError

#: The folder of the customers' files, below that of the stack files.
REGISTRY = "customers"


def read_registry(environment: Environment, root: Path) -> Registry:
    """Return the registry below `root`; RefusedError with all problems of its files and records of moves."""
    return _read(root, environment.namespace, environment.zone)


def read_all_cells(root: Path) -> Registry:
    """Return the same, whatever cells there are. Raises EnvironmentRefusedError for unusable stack files."""
    return _read(root, *names_place(root))


def _read(root: Path, namespace: str, zone: str) -> Registry:
    try:
        rehoming.read(root)
        return load(root / REGISTRY, namespace=namespace, zone=zone, shown=REGISTRY)
    except (RegistryError, RehomingsRefusedError, names.NameRefusedError) as error:
        raise RefusedError(str(error)) from error


def in_service(registry: Registry, cell: str, ids: Iterable[str] | None) -> list[Customer]:
    """Return these customers of a cell, or all that are in service when `ids` is None.

    Raises RefusedError, with all problems, for ids that are not customers of the cell or not in service.
    """
    known = {customer.id: customer for customer in registry.of_cell(cell)}
    if ids is None:
        return [customer for customer in known.values() if customer.is_in_service]
    problems = []
    for id in dict.fromkeys(ids):
        if id not in known:
            near = difflib.get_close_matches(id, known, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]}?" if near else ""
            problems.append(f"{id!r} is not a customer of this cell{hint}")
        elif not known[id].is_in_service:
            problems.append(f"{id} is {known[id].stage}, and has no DNS records: leave it out")
    if problems:
        raise RefusedError("\n".join(problems))
    return [known[id] for id in sorted(set(ids))]
