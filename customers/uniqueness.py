"""What only one customer of the registry may have: an id, a login, a key, and a place at a partner. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from customers import keys
from customers.files import RegistryFile
from customers.paths import KeyPath, at, shown, texts
from customers.places import Place, place_of
from customers.problems import Problem


def clashes(files: Sequence[RegistryFile]) -> Iterator[Problem]:
    """Yield a problem for each value that must be unique in the registry and is in two files."""
    for what, remedy, values in (
        ("id", "give this customer another", lambda data: texts(data, "id")),
        ("SFTP user name", "one server serves all customers, so choose another", _users),
        ("SFTP key", "a key must belong to one customer, so let one of them make a new key", _fingerprints),
    ):
        yield from _twice(files, what, remedy, values)
    yield from _one_place(files)


def _twice(
    files: Sequence[RegistryFile],
    what: str,
    remedy: str,
    values: Callable[[Any], Iterator[tuple[KeyPath, str]]],
) -> Iterator[Problem]:
    first: dict[str, tuple[RegistryFile, KeyPath]] = {}
    for file in files:
        for path, value in values(file.document.data):
            other, other_path = first.setdefault(value, (file, path))
            if other is not file:
                place = f"{other.path}:{other.document.line(other_path)}"
                yield file.problem(path, f"the {what} {shown(value)} is already used in {place}; {remedy}")


def _users(data: Any) -> Iterator[tuple[KeyPath, str]]:
    return texts(data, "sftp", "users", ..., "name")


def _fingerprints(data: Any) -> Iterator[tuple[KeyPath, str]]:
    for path, line in texts(data, "sftp", "users", ..., "public_keys", ...):
        try:
            yield path, keys.PublicKey.parse(line).fingerprint
        except keys.KeyRefusedError:
            continue


def _one_place(files: Sequence[RegistryFile]) -> Iterator[Problem]:
    """Two customers may not write to one place, nor one below the place of another.

    Both may send a file of one name, and the second would replace the first, with a receipt for each.
    """
    owners: dict[Place, list[tuple[RegistryFile, KeyPath]]] = {}
    for file in files:
        for path, place in _places(file.document.data):
            owners.setdefault(place, []).append((file, path))
    for place, found in owners.items():
        for file, path in found:
            for outer in place.enclosing():
                other = next((each for each in owners.get(outer, ()) if each[0] is not file), None)
                # Of two customers with the same place, the one in the later file has to change.
                if other and (outer != place or other[0].path < file.path):
                    line = f"{other[0].path}:{other[0].document.line(other[1])}"
                    yield file.problem(
                        path,
                        f"another customer's files go {'to this place' if outer == place else 'above it'}"
                        f" too, by {line}, and a file of the same name would replace theirs;"
                        " agree on a directory or prefix of its own with the partner",
                    )
                    break


def _places(data: Any) -> Iterator[tuple[KeyPath, Place]]:
    """Yield the places that a customer writes to. A retired customer writes to none."""
    destinations = at(data, "destinations")
    if not isinstance(destinations, dict) or at(data, "lifecycle") == "retired":
        return
    for name, destination in destinations.items():
        if place := place_of(destination):
            yield ("destinations", name), place
