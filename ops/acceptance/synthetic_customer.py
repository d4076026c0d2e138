"""The customer whose files an acceptance sends, as that customer's own clients would send them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from customers import names
from customers.model import Customer
from customers.registry import Registry
from ops.acceptance_names import ACCEPTANCE
from ops.cell import known_customer
from ops.environment import Environment
from ops.plan import RefusedError
from runtime.contract import INBOUND, INBOUND_SDK, SIDES, sftp_home
from runtime.patterns import literal_prefix

#: The ending of the files that are sent.
ENDING = ".csv"
#: Where operators read what such a customer needs.
PAGE = "docs/deploy.md#accept-what-was-deployed"


@dataclass(frozen=True, kw_only=True)
class SyntheticCustomer:
    """A customer that sends by SFTP, as `user` with the private `key`, and by S3.

    Its files go into `sftp_folder` and `s3_folder`, key prefixes that end in `/`, of its bucket of each side.
    """

    customer: Customer
    user: str
    key: asyncssh.SSHKey = field(repr=False)
    buckets: Mapping[str, str]
    sftp_folder: str
    s3_folder: str

    @classmethod
    def of(cls, registry: Registry, environment: Environment, id: str, key_file: Path) -> SyntheticCustomer:
        """Return the registry's customer with this id, sending as the user whose private key is in a file.

        Raises RefusedError if there is no such customer in service, or if the key is nobody's.
        """
        known = {each.id: each for each in registry.of_cell(environment.cell)}
        customer = known[known_customer(id, known)]
        if not customer.is_in_service:
            raise RefusedError(
                f"{id} is {customer.stage}, and nothing that it sends is delivered; make it active, or"
                f" name another customer; see {PAGE}"
            )
        if customer.waits:
            raise RefusedError(
                f"{id} moves to this cell, and what it sends is delivered when the move is 'drained'; name"
                f" another customer; see {PAGE}"
            )
        key = _read(key_file)
        user = _owner(customer, key, key_file)
        return cls(
            customer=customer,
            user=user,
            key=key,
            buckets={side: names.bucket(environment.stem, id, side) for side in SIDES},
            sftp_folder=sftp_home(user),
            s3_folder=_s3_folder(customer),
        )

    @property
    def id(self) -> str:
        """The customer's id."""
        return self.customer.id

    @property
    def folders(self) -> tuple[str, str]:
        """The prefixes of everything that an acceptance puts into the customer's buckets."""
        return self.sftp_folder + ACCEPTANCE, self.s3_folder + ACCEPTANCE


def file_name(run: str, side: str, what: str) -> str:
    """Return the name of one file of an acceptance; `run` is unique for each run.

    The names of the two regions differ: files of one name would be submissions of the same file.
    """
    return f"{ACCEPTANCE}{run}-{side}-{what}{ENDING}"


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
    for user in customer.sftp.users:
        keys = map(asyncssh.import_public_key, user.public_keys)
        if any(each.public_data == key.public_data for each in keys):
            return user.name
    users = ", ".join(user.name for user in customer.sftp.users)
    whose = f"none of its SFTP users ({users})" if users else "it has no SFTP user, so nobody"
    raise RefusedError(f"{customer.id}: {whose} logs in with the key in {file}; see {PAGE}")


def _s3_folder(customer: Customer) -> str:
    """Return the folder of the first route for files that are sent by S3."""
    for route in customer.routes:
        folder = INBOUND + literal_prefix(route.match)
        if folder.startswith(INBOUND_SDK):
            return folder
    return INBOUND_SDK
