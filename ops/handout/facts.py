"""What a handout is made of: the customer's file, and what both cells of its pair of stacks have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncssh
from botocore.exceptions import BotoCoreError, ClientError

from customers import names
from customers.model import Customer
from ops.cell import cells
from ops.cell_manifest import CellManifest, ManifestError
from ops.environment import Environment
from ops.health.endpoints import by_type
from runtime.contract import ENDPOINTS, REGION_OF


@dataclass(frozen=True, kw_only=True)
class HandoutFacts:
    """`addresses` are those of the endpoints, by side; `fingerprints` those of the host keys, by type.

    `host_key` is the public key that known_hosts pins, `type base64`; None if no cell told a key that is in
    `fingerprints`. `missing` says what is not known, and why.
    """

    environment: Environment
    customer: Customer
    port: int
    addresses: Mapping[str, Sequence[str]]
    fingerprints: Mapping[str, str]
    host_key: str | None
    missing: Sequence[str]

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names for SFTP clients, that of the preferred region first."""
        zone, id = self.environment.zone, self.customer.id
        return tuple(names.endpoint_host(each, id, zone) for each in sorted(ENDPOINTS, key=_order))

    @property
    def known_hosts(self) -> str | None:
        """The line for known_hosts: all names, with the endpoints' key."""
        if self.host_key is None:
            return None
        hosts = self.hosts if self.port == 22 else [f"[{each}]:{self.port}" for each in self.hosts]
        return f"{','.join(hosts)} {self.host_key}"


def _order(endpoint: str) -> tuple[bool, str]:
    return endpoint != "primary", endpoint


def gather(environment: Environment, customer: Customer, port: int) -> HandoutFacts:
    """Return what is known of a customer's place; a cell that does not answer is among what is missing."""
    addresses: dict[str, Sequence[str]] = {}
    keys: dict[str, Mapping[str, str]] = {}
    told, missing = set[str](), []
    for cell in cells(environment):
        try:
            manifest = CellManifest.read(
                namespace=environment.namespace,
                cell=environment.cell,
                side=cell.side,
                parameters=cell.client("ssm"),
            )
            listed = cell.client("transfer").list_host_keys(ServerId=manifest.server)["HostKeys"]
        except (ManifestError, BotoCoreError, ClientError) as error:
            missing.append(f"addresses and host keys of {REGION_OF[cell.side]}: {error}")
            continue
        addresses[cell.side], keys[cell.side] = tuple(manifest.addresses), by_type(listed)
        told |= {manifest.canary.host_key} if manifest.canary else set()
    fingerprints = next(iter(keys.values()), {})
    if any(each != fingerprints for each in keys.values()):
        missing.append("host keys: those of the two regions differ; see what `mft-ops ready` says of them")
        fingerprints = {}
    pinned = sorted(key for key in told if _fingerprint(key) in fingerprints.values())
    if fingerprints and not pinned:
        missing.append("line for known_hosts: no cell tells a public host key that its server has")
    return HandoutFacts(
        environment=environment,
        customer=customer,
        port=port,
        addresses=addresses,
        fingerprints=fingerprints,
        host_key=pinned[0] if pinned else None,
        missing=missing,
    )


def _fingerprint(key: str) -> str:
    return str(asyncssh.import_public_key(key).get_fingerprint())
