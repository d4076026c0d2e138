"""A new customer's file: the answers that it needs, its text, and what it must not collide with."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from customers import source
from customers.names import NameRefusedError, is_id
from customers.problems import RegistryError
from customers.registry import Registry, load
from ops import whole_file
from ops.environment import names_place, served_cells
from ops.onboarding.destination_url import Destination
from ops.plan import RefusedError
from ops.registry import REGISTRY
from ops.revision import branches_with

#: Letters and digits of ids: no pair of them is easily mistaken for one another.
_LETTERS, _DIGITS = "abcdefghkmnpqrstvwxyz", "23456789"


@dataclass(frozen=True, kw_only=True)
class NewCustomer:
    """The answers that make a customer's file; keys are the lines of public keys.

    It sends by SFTP if there are `login_keys`, and by the S3 API if there are `principals`.
    """

    id: str
    name: str
    primary: str
    cell: str
    login_keys: tuple[str, ...]
    sources: tuple[str, ...]
    principals: tuple[str, ...]
    destination: Destination
    receipt: str | None

    @property
    def text(self) -> str:
        """The file, with comments about what its author may want to know or add."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield "# yaml-language-server: $schema=schema.json"
        yield f"id: {_scalar(self.id)} # never changes: bucket names and DNS names contain it"
        yield f"name: {_scalar(self.name)} # for people; it is used nowhere outside this file"
        yield "lifecycle: onboarding # moved by mft-ops promote, drain and retire"
        yield f"primary: {_scalar(self.primary)} # where its name `primary.` points; moved by mft-ops rehome"
        if self.cell != "1":
            yield f'cell: "{self.cell}"'
        yield ""
        user = f"{self.id}-files"
        if self.login_keys:
            yield from ("sftp:", "  users:", f"    - name: {_scalar(user)}", "      public_keys:")
            yield from (f"        - {_scalar(key)}" for key in self.login_keys)
            yield "      source_cidrs: # networks that logins come from"
            yield from (f"        - {_scalar(each)}" for each in self.sources)
        if self.principals:
            yield from ("sdk:", "  principals: # the customer's own account must let them, too")
            yield from (f"    - {_scalar(each)}" for each in self.principals)
        yield from ("", "destinations:", "  partner:")
        yield from (f"    {key}: {_scalar(value)}" for key, value in self.destination.fields.items())
        yield from (
            "",
            "# Which files go where: patterns for keys below inbound/. What no route matches is rejected.",
        )
        yield "routes:"
        matches = [f"sftp/{user}/**"] * bool(self.login_keys) + ["sdk/**"] * bool(self.principals)
        for match in matches:
            yield from (f"  - match: {_scalar(match)}", "    to: [partner]")
        yield ""
        if self.receipt:
            yield from ("receipts:", *_receipt(self.receipt))
        else:
            yield "# Nobody is told what became of a file: that takes `receipts:` with a queue or a mailbox."


def _receipt(target: str) -> tuple[str, str]:
    if target.startswith("https:"):
        return "  - kind: https", f"    url: {_scalar(target)}"
    if target.startswith("arn:"):
        return "  - kind: sqs", f"    arn: {_scalar(target)}"
    return "  - kind: email", f"    address: {_scalar(target)}"


def _scalar(value: str | int) -> str:
    """Return a value as a YAML scalar: a text in quotes where it would not be read as it is."""
    if isinstance(value, int):
        return str(value)
    document = source.read(f"key: {value} # comment")
    is_plain = not document.faults and document.data == {"key": value}
    return value if is_plain else json.dumps(value, ensure_ascii=False)


def fresh_id(taken: Collection[str]) -> str:
    """Return a new opaque id: five letters and digits at random."""
    while True:
        id = secrets.choice(_LETTERS) + "".join(secrets.choice(_LETTERS + _DIGITS) for _ in range(4))
        if is_id(id) and id not in taken:
            return id


def only_cell(root: Path) -> str | None:
    """Return the number of the only cell of the stack files below `root`; None if there are several."""
    cells = served_cells(root)
    return next(iter(cells)) if len(cells) == 1 else None


class Draft:
    """A new customer's file below `root`, checked with all others before it is written."""

    def __init__(self, root: Path, file: str) -> None:
        """`file` is the file's name; RefusedError if it cannot be a new file of the registry."""
        name = file.removesuffix(".yaml")
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,99}", name):
            raise RefusedError(
                f"{file!r} is not a name for a customer's file; use lower-case letters, digits and hyphens"
            )
        self._root, self.path = root, f"{REGISTRY}/{name}.yaml"
        if not (root / REGISTRY).is_dir():
            raise RefusedError(f"{root / REGISTRY} is not a folder; name the project's folder with --root")
        self._refuse_existing()

    @property
    def ids(self) -> set[str]:
        """The ids that customers have, as far as their files can be read."""
        texts = (path.read_text(errors="replace") for path in self._others())
        return {found[1] for text in texts if (found := re.search(r"^id:\s*[\"']?(\w+)", text, re.MULTILINE))}

    def write(self, customer: NewCustomer) -> Registry:
        """Write the file and return the registry with it; RefusedError, with all problems, writes nothing."""
        namespace, zone = names_place(self._root)
        with TemporaryDirectory() as folder:
            copies = Path(folder)
            for other in self._others():
                (copies / other.name).write_bytes(other.read_bytes())
            (copies / Path(self.path).name).write_bytes(customer.text.encode())
            try:
                registry = load(copies, namespace=namespace, zone=zone, shown=REGISTRY)
                if problems := registry.unserved(served_cells(self._root)):
                    raise RegistryError(problems)
            except (RegistryError, NameRefusedError) as error:
                raise RefusedError(f"{error}\n{self.path} was not written") from error
        try:
            whole_file.create(self._root / self.path, customer.text)
        except FileExistsError:
            self._refuse_existing()
        except OSError as error:
            raise RefusedError(f"{self.path} cannot be written: {error.strerror}") from error
        return registry

    def refuse_taken(self, id: str) -> str:
        """Return a sentence that says which branches were asked; RefusedError if one of them has the id."""
        try:
            pattern = rf"^id:[[:space:]]*[\"']?{re.escape(id)}[\"']?[[:space:]]*(#.*)?$"
            places, branches = branches_with(self._root, pattern, f"{REGISTRY}/*.yaml")
        except RefusedError as error:
            return f"whether another branch has the id {id} is not known: {error}"
        if places:
            raise RefusedError(f"the id {id!r} is taken: {', '.join(places)}; leave out --id for a free one")
        noun = "branch" if branches == 1 else "branches"
        return f"none of {branches:,} {noun}, as last fetched, has the id {id}"

    def _others(self) -> list[Path]:
        folder = self._root / REGISTRY
        found = (path for path in sorted(folder.glob("*.yaml")) if not path.name.startswith("."))
        return [path for path in found if path.is_file() and not path.is_symlink()]

    def _refuse_existing(self) -> None:
        path = self._root / self.path
        if path.exists() or path.is_symlink():
            raise RefusedError(f"{self.path} exists; name another file, or edit that one")
