"""Where a destination puts files at a partner: one place at one server or in one bucket. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard, assert_never, get_args

from customers.kinds import DestinationKind
from customers.paths import at


@dataclass(frozen=True)
class Place:
    """A folder at a partner: the login or bucket that it belongs to, and its path there, which ends in '/'.

    Below the folder in which a login starts, the path is relative, and below the root it begins with '/':
    which of the two is the same place as the other, only the partner knows.
    """

    where: tuple[str, ...]
    folder: str

    def enclosing(self) -> Iterator[Place]:
        """Yield this place and each one above it, from the outermost."""
        parts = self.folder.split("/")[:-1]
        for depth in range(1 if self.folder.startswith("/") else 0, len(parts)):
            yield Place(self.where, "".join(f"{part}/" for part in parts[:depth]))
        yield self


def is_destination_kind(word: object) -> TypeGuard[DestinationKind]:
    """Return whether a word is a kind of destination."""
    return word in get_args(DestinationKind)


def place_of(destination: Any) -> Place | None:
    """Return the place of a destination, given as plain data; None if that cannot be told."""
    kind = at(destination, "kind")
    if not is_destination_kind(kind):
        return None
    match kind:
        case "sftp":
            host, port, user = (at(destination, key) for key in ("host", "port", "user"))
            folder = posixpath.normpath(str(destination.get("directory", "."))).rstrip("/") + "/"
            if not isinstance(host, str):
                return None
            login = ("sftp", host, str(22 if port is None else port), str(user))
            return Place(login, folder.removeprefix("./"))
        case "s3":
            bucket = at(destination, "bucket")
            prefix = str(destination.get("prefix", ""))
            return Place(("s3", bucket), prefix) if isinstance(bucket, str) else None
        case _:
            assert_never(kind)
