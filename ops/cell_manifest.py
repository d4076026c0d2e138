"""What a cell consists of, as the program recorded it in the cell's own region."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ops.finding import deploy
from ops.plan import RefusedError
from runtime import contract


class ManifestError(RefusedError):
    """A cell's manifest is missing or cannot be read; the message names the parameter and the remedy."""


@dataclass(frozen=True, kw_only=True)
class SyntheticCustomer:
    """The canary's customer, whose routes lead to its own bucket, by SFTP through the endpoint and by S3.

    `customer` is its id, `bucket` its bucket of this region, and `receipts` the ARN of its topic. `login` is
    its SFTP user, and `secret` the full name in Secrets Manager of the login's private key (PEM). `host_key`
    is a public key of the endpoint, `type base64`. `runtime.canary_legs.inbound` says what it may send
    where, and `delivered` where that is delivered.
    """

    customer: str
    bucket: str
    receipts: str
    login: str
    secret: str
    host_key: str

    @classmethod
    def parse(cls, document: Mapping[str, str]) -> SyntheticCustomer:
        """Return the customer that a manifest describes; KeyError if a field is missing."""
        return cls(**{field.name: document[field.name] for field in fields(cls)})


@dataclass(frozen=True, kw_only=True)
class CellManifest:
    """A cell's SFTP server with its public addresses, its queues, state machine, functions and alarm topic.

    `queue` is a URL, and so are the values of `dead_letters`, whose keys are what the messages were meant
    for: a function, or `events` of uploads, or `invocations` of scheduled functions. `state_machine` is an
    ARN, `functions` are names by role (the handler, and for the probes the zone), and `alerts` is the ARN of
    the topic to which the cell's alarms are published. `canary` is the customer of its synthetic transfers,
    None if the cell was deployed before it had a login.
    """

    server: str
    addresses: Sequence[str]
    queue: str
    dead_letters: Mapping[str, str]
    state_machine: str
    functions: Mapping[str, str]
    alerts: str
    canary: SyntheticCustomer | None = None

    @classmethod
    def read(cls, *, namespace: str, cell: str, side: str, parameters: Any) -> CellManifest:
        """Return the manifest of a side's cell; `parameters` is the SSM client of its region.

        Raises ManifestError when there is none or it is incomplete, and botocore's errors.
        """
        name = contract.cell_parameter(namespace, cell, "parts")
        remedy = deploy(side)
        try:
            value = parameters.get_parameter(Name=name)["Parameter"]["Value"]
        except parameters.exceptions.ParameterNotFound as error:
            raise ManifestError(
                f"the parameter {name}, which lists what the cell consists of, is missing; {remedy}"
            ) from error
        try:
            found = json.loads(value)
            canary = SyntheticCustomer.parse(found["canary"]) if "canary" in found else None
            needed = {field.name: found[field.name] for field in fields(cls) if field.name != "canary"}
            return cls(**needed, canary=canary)
        except (ValueError, TypeError, KeyError) as error:
            raise ManifestError(
                f"the parameter {name} does not list what the cell consists of; {remedy}"
            ) from error
