"""The customer whose files an acceptance sends: one of the registry, as its own clients would send them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from customers.document import routing_document
from customers.model import Customer
from customers.registry import Registry
from ops.cell import known_customer
from ops.plan import RefusedError
from runtime.contract import ACCEPTANCE, INBOUND, INBOUND_SDK, sftp_home
from runtime.delivery.names import name_for
from runtime.patterns import literal_prefix
from runtime.routing import DestinationKind, RoutingDocument, RoutingRule

#: The ending of the files that are sent.
_ENDING = ".csv"
_PAGE = "docs/deploy.md#accept-what-was-deployed"


@dataclass(frozen=True, kw_only=True)
class SyntheticCustomer:
    """A customer in service that sends by SFTP and by S3, to an SFTP server and a bucket.

    `user` is its SFTP user with the private key `key`. Its files go into `sftp_folder` and `s3_folder`, key
    prefixes that end in `/`.
    """

    customer: Customer
    user: str
    key: asyncssh.SSHKey = field(repr=False)
    routing: RoutingDocument
    sftp_folder: str
    s3_folder: str

    @classmethod
    def of(cls, registry: Registry, cell: str, id: str, key_file: Path) -> SyntheticCustomer:
        """Return the customer with this id, sending as the user whose private key is in a file.

        Raises RefusedError if there is no such customer, if it cannot serve, or if the key is nobody's.
        """
        known = {each.id: each for each in registry.of_cell(cell)}
        customer = known[known_customer(id, known)]
        if not customer.is_in_service:
            raise RefusedError(
                f"{id} is {customer.lifecycle}, and nothing that it sends is delivered; make it active, or"
                f" name another customer; see {_PAGE}"
            )
        key = _read(key_file)
        user = _owner(customer, key, key_file)
        routing = RoutingDocument.parse({**routing_document(customer), "receipts_topic": ""})
        made = cls(
            customer=customer,
            user=user,
            key=key,
            routing=routing,
            sftp_folder=sftp_home(user),
            s3_folder=_s3_folder(customer),
        )
        made._refuse_unfit()
        return made

    @property
    def id(self) -> str:
        """The customer's id."""
        return self.customer.id

    @property
    def folders(self) -> tuple[str, str]:
        """The prefixes of everything that an acceptance puts into the customer's buckets."""
        return self.sftp_folder + ACCEPTANCE, self.s3_folder + ACCEPTANCE

    @property
    def destinations(self) -> tuple[str, ...]:
        """The names of the destinations that the files go to."""
        rules = (self.rule(f"{folder}{_ENDING}") for folder in self.folders)
        return tuple(dict.fromkeys(name for rule in rules for name in rule.to))

    def rule(self, key: str) -> RoutingRule:
        """Return the route of a key; RefusedError if it has none."""
        found = self.routing.route(key)
        if found is None:
            raise RefusedError(
                f"{self.id} has no route for a file such as {key}: its files would be rejected; see {_PAGE}"
            )
        return found

    def name_at_destination(self, key: str) -> str:
        """Return the name under which a key is delivered."""
        return name_for(self.rule(key).match, key.removeprefix(INBOUND))

    def _refuse_unfit(self) -> None:
        """Raise RefusedError unless the files go to a server and to a bucket."""
        kinds = {self.routing.destinations[name]["kind"] for name in self.destinations}
        if missing := [kind.value for kind in DestinationKind if kind not in kinds]:
            found = ", ".join(self.destinations)
            raise RefusedError(
                f"{self.id}: its files go to {found}, and none of these is of the kind"
                f" {' or '.join(missing)}: an acceptance shows both; see {_PAGE}"
            )


def file_name(run: str, side: str, what: str) -> str:
    """Return the name of one file of an acceptance; `run` is unique for each run.

    The names of the two regions differ: files of one name would be submissions of the same file.
    """
    return f"{ACCEPTANCE}{run}-{side}-{what}{_ENDING}"


def _read(file: Path) -> asyncssh.SSHKey:
    try:
        return asyncssh.read_private_key(file)
    except OSError as error:
        raise RefusedError(f"--key: {file}: {error.strerror or error}") from error
    except (ValueError, asyncssh.KeyImportError):
        # The parser's message could quote the key.
        pass
    raise RefusedError(f"--key: {file} is not a private key without a passphrase")


def _owner(customer: Customer, key: asyncssh.SSHKey, file: Path) -> str:
    public = key.public_data
    for user in customer.sftp.users:
        if any(asyncssh.import_public_key(each).public_data == public for each in user.public_keys):
            return user.name
    users = ", ".join(user.name for user in customer.sftp.users)
    whose = f"none of its SFTP users ({users})" if users else "it has no SFTP user, so nobody"
    raise RefusedError(f"{customer.id}: {whose} logs in with the key in {file}; see {_PAGE}")


def _s3_folder(customer: Customer) -> str:
    """Return the folder of the first route for files that are sent by S3."""
    for route in customer.routes:
        folder = INBOUND + literal_prefix(route.match)
        if folder.startswith(INBOUND_SDK):
            return folder
    return INBOUND_SDK
