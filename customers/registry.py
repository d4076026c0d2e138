"""The registry as a whole: all customers, or all problems. A part of a registry is never returned."""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, assert_never

from pydantic import ValidationError

from customers import names
from customers.files import RegistryFile, files_in
from customers.model import Customer, Destination, S3Destination, SftpDestination
from customers.paths import Finding, KeyPath, at, texts
from customers.problems import Problem, RegistryError, sentences
from customers.uniqueness import clashes
from runtime import contract
from runtime.contract import ENDPOINTS, SIDES


@dataclass(frozen=True)
class Registry:
    """All customers, sorted by id, and the file of each customer by its id."""

    customers: tuple[Customer, ...]
    files: Mapping[str, RegistryFile] = field(default_factory=dict, compare=False, repr=False)

    def of_cell(self, cell: str) -> tuple[Customer, ...]:
        """Return the customers of a cell, as it has them: with those that move into it or out of it."""
        return tuple(each.in_cell(cell) for each in self.customers if cell in each.cells)

    @property
    def placed(self) -> tuple[Customer, ...]:
        """All customers, sorted by id, as each of their cells has them: one that moves is there twice."""
        return tuple(each.in_cell(cell) for each in self.customers for cell in each.cells)

    def unserved(self, cells: Collection[str]) -> list[Problem]:
        """Return a problem for each customer of a cell that is not one of `cells`, those that stacks make."""
        known = ", ".join(sorted(cells, key=int)) or "none"
        return [
            self.files[each.id].problem(
                ("cell",) if each.move is None or each.cell != each.move.to else ("move", "to"),
                f"no stack serves cell {each.cell}; name a cell that has a stack file in every region"
                f" ({known}), or add its stack files",
            )
            for each in self.placed
            if each.cell not in cells
        ]


def revision(customers: Iterable[Customer]) -> str:
    """Return a digest, 12 hex digits, of everything in the files of these customers, sorted by id."""
    whole = [customer.model_dump(mode="json") for customer in customers]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:12]


def source_cidrs(customers: Iterable[Customer]) -> tuple[str, ...]:
    """Return the smallest sorted list of networks that covers exactly the networks of these customers."""
    networks = {ipaddress.IPv4Network(cidr) for customer in customers for cidr in customer.source_cidrs}
    return tuple(str(network) for network in ipaddress.collapse_addresses(networks))


def partner_ports(customers: Iterable[Customer], region: str) -> tuple[int, ...]:
    """Return the sorted ports that deliveries from a region must reach over the internet.

    These are the ports of the partners' SFTP servers, and 443 if a bucket is, or may be, in the other region.
    """
    destinations = [each for customer in customers for each in customer.destinations.values()]
    return tuple(sorted({port for each in destinations for port in _ports(each, region)}))


def _ports(destination: Destination, region: str) -> tuple[int, ...]:
    match destination:
        case SftpDestination():
            return (destination.port,)
        case S3Destination():
            return () if destination.region == region else (443,)
        case _:
            assert_never(destination)


def load(
    directory: Path, *, namespace: str | None = None, zone: str | None = None, shown: str | None = None
) -> Registry:
    """Return the registry in a directory's `*.yaml` files; RegistryError with all problems at once.

    With the namespace and zone of an environment, the names of its resources are checked too;
    NameRefusedError if the namespace or zone itself is invalid. `shown` is the directory's name in messages,
    if that is not its path.
    """
    if namespace is not None:
        names.check_namespace(namespace)
    if zone is not None:
        names.check_zone(zone)
    shown = shown or _shown(directory)
    problems: list[Problem] = []
    files = list(files_in(directory, shown, problems))
    found = {customer.id: (customer, file) for file in files if (customer := _customer(file, problems))}
    problems += clashes(files)
    for file in files:
        data = file.document.data
        placed = [*_in_namespace(data, namespace)] if namespace is not None else []
        placed += _in_zone(data, zone) if zone is not None else []
        problems += [file.problem(path, message) for path, message in placed]
    if problems:
        raise RegistryError(problems)
    return Registry(
        customers=tuple(found[id][0] for id in sorted(found)),
        files={id: file for id, (_, file) in found.items()},
    )


def _shown(directory: Path) -> str:
    """Return the directory's name in messages: relative to the working directory if it is below that."""
    here = Path.cwd()
    return (directory.relative_to(here) if directory.is_relative_to(here) else directory).as_posix()


def _customer(file: RegistryFile, problems: list[Problem]) -> Customer | None:
    data = file.document.data
    try:
        return Customer.model_validate(data)
    except ValidationError as error:
        problems += [file.problem(path, message) for path, message in sentences(error, data)]
        return None


def _in_namespace(data: Any, namespace: str) -> Iterator[Finding]:
    """Yield what is not possible in an environment with this namespace."""
    cell = at(data, "cell") or "1"
    cells = (cell, at(data, "move", "to") or cell)
    stems = [contract.stem(namespace, each) if names.is_cell(each) else namespace for each in cells]
    for path, id in texts(data, "id"):
        if names.is_id(id):
            wanted_buckets = (partial(names.bucket, stem, id, side) for stem in stems for side in SIDES)
            yield from _refused(path, wanted_buckets)
            for where, secret in texts(data, "destinations", ..., "secret"):
                yield from _refused(where, [partial(names.check_secret, namespace, id, secret)])
    if names.is_cell(cell):
        wanted = (partial(names.cell_bucket, namespace, cell, *each) for each in product(names.ROLES, SIDES))
        yield from _refused(("cell",), wanted)
    for path, bucket in texts(data, "destinations", ..., "bucket"):
        if bucket.startswith(f"{namespace}-") and bucket.endswith(tuple(f"-{side}" for side in SIDES)):
            yield (
                path,
                f"{bucket!r} belongs to this platform, so files would come in again; name a partner's bucket",
            )


def _in_zone(data: Any, zone: str) -> Iterator[Finding]:
    """Yield what is not possible in an environment with this zone."""
    for path, id in texts(data, "id"):
        if names.is_id(id):
            wanted = (partial(names.bucket_record, endpoint, id, zone) for endpoint in ENDPOINTS)
            yield from _refused(path, wanted)
    for path, host in texts(data, "destinations", ..., "host"):
        if f".{host}".endswith(f".{zone}"):
            yield (
                path,
                f"{host!r} belongs to this platform, so files would come in again; name a partner's host",
            )


def _refused(path: KeyPath, wanted: Iterable[Callable[[], object]]) -> Iterator[Finding]:
    """Yield the longest message about these names, if any of them is refused."""
    found = []
    for name in wanted:
        try:
            name()
        except names.NameRefusedError as error:
            found.append(str(error))
    if found:
        yield path, max(found, key=len)
