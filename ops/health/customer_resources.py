"""The resources of customers in one region, compared with what the registry says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from customers import names
from customers.document import routing_document
from customers.keys import KeyRefusedError, PublicKey
from customers.model import Customer, SftpUser
from customers.registry import revision
from ops.cell import DeployedCell
from ops.finding import Finding, deploy
from ops.recovery.regions import Regions
from runtime import canary_legs, objects
from runtime.contract import canary, cell_parameter, config_key, peer_of, sftp_home

#: The error codes for a resource that does not exist: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_ABSENT_CODES = objects.ABSENT | {
    "NoSuchBucket",
    "ReplicationConfigurationNotFoundError",
    "ParameterNotFound",
    "ResourceNotFoundException",
    "ServerSideEncryptionConfigurationNotFoundError",
}


@dataclass(frozen=True, kw_only=True)
class RegionServices:
    """One region's services: its SFTP server and clients, the names of the server's users and of topics."""

    cell: DeployedCell
    server: str
    users: frozenset[str]
    topics: tuple[str, ...]
    s3: Any
    transfer: Any
    ssm: Any

    @classmethod
    def read(cls, cell: DeployedCell, server: str, clients: Regions) -> RegionServices:
        """List users and topics once for all customers; raises botocore's errors."""
        made = {service: clients.client(service, cell.side) for service in ("s3", "transfer", "ssm", "sns")}
        users = made["transfer"].get_paginator("list_users").paginate(ServerId=server)
        topics = made.pop("sns").get_paginator("list_topics").paginate()
        return cls(
            cell=cell,
            server=server,
            users=frozenset(each["UserName"] for page in users for each in page["Users"]),
            topics=tuple(each["TopicArn"].rpartition(":")[2] for page in topics for each in page["Topics"]),
            **made,
        )

    @property
    def remedy(self) -> str:
        """What to do about a resource that differs from what the program makes."""
        return deploy(self.cell.side)

    def differs(self, what: str, customer: str | None = None) -> Finding:
        """Return the finding that something differs in this region."""
        return Finding(where=self.cell.region, customer=customer, what=what, remedy=self.remedy)


def of_customer(region: RegionServices, customer: Customer) -> Iterator[Finding]:
    """Yield what a customer lacks in a region, and what differs there from the customer's file."""
    id, stem = customer.id, region.cell.environment.stem
    side = region.cell.side
    copy = names.bucket(stem, id, peer_of(side)) if customer.is_routed else None
    problems = [*_bucket(region, names.bucket(stem, id, side), copy), *_document(region, customer)]
    if not customer.is_retired and not any(each.startswith(f"{stem}-{id}-") for each in region.topics):
        problems.append("the topic of its receipts does not exist")
    if customer.takes_files:
        for user in customer.sftp.users:
            problems += _user(region, user, customer)
    for what in problems:
        yield region.differs(what, id)


def of_cell(region: RegionServices, customers: tuple[Customer, ...]) -> Iterator[Finding]:
    """Yield whether another registry is deployed, what the cell's own buckets lack, unknown SFTP users."""
    yield from _deployed(region, revision(customers))
    cell = region.cell
    peer = DeployedCell(environment=cell.environment, side=peer_of(cell.side))
    for role in ("archive", "audit", "config"):
        copy = peer.bucket(role) if role == "archive" else None
        for what in _bucket(region, cell.bucket(role), copy):
            yield region.differs(what)
    known = {user.name for each in customers if each.takes_files for user in each.sftp.users}
    known |= {canary(cell.environment.cell), canary_legs.partner(cell.environment.cell)}
    for name in sorted(region.users - known):
        yield region.differs(f"the SFTP user {name} exists, and no customer that sends has such a user")


def _deployed(region: RegionServices, wanted: str) -> Iterator[Finding]:
    where = region.cell.environment
    name = cell_parameter(where.namespace, where.cell, "registry")
    found, unknown = _read(region.ssm.get_parameter, f"the parameter {name}", Name=name)
    if found is None:
        yield region.differs(f"which registry is deployed is not known: {unknown}")
    elif (held := found["Parameter"]["Value"]) != wanted:
        yield Finding(
            where=region.cell.region,
            what=f"revision {held} of the registry is deployed, and this is {wanted}",
            remedy=f"{region.remedy}, or look from the checkout that is deployed",
        )


def _bucket(region: RegionServices, bucket: str, copy: str | None) -> Iterator[str]:
    """Yield what a bucket lacks: versioning, encryption, and replication to `copy`, if that is given."""
    versioning, unknown = _read(region.s3.get_bucket_versioning, f"the bucket {bucket}", Bucket=bucket)
    if versioning is None:
        yield unknown
        return
    if versioning.get("Status") != "Enabled":
        yield f"the bucket {bucket} keeps no versions"
    what = f"the encryption of the bucket {bucket}"
    found, unknown = _read(region.s3.get_bucket_encryption, what, Bucket=bucket)
    if found is None:
        yield unknown
    else:
        rules = found["ServerSideEncryptionConfiguration"]["Rules"]
        used = [each["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] for each in rules]
        if used != ["aws:kms"]:
            yield f"the bucket {bucket} is encrypted by {', '.join(used)}, not by aws:kms"
    if copy:
        what = f"the replication of the bucket {bucket}"
        found, unknown = _read(region.s3.get_bucket_replication, what, Bucket=bucket)
        if found is None:
            yield unknown
        elif not any(_copies(rule, copy) for rule in found["ReplicationConfiguration"]["Rules"]):
            yield f"the bucket {bucket} has no enabled rule that replicates it to {copy}"


def _copies(rule: dict[str, Any], copy: str) -> bool:
    return bool(rule["Status"] == "Enabled" and rule["Destination"]["Bucket"].endswith(f":::{copy}"))


def _document(region: RegionServices, customer: Customer) -> Iterator[str]:
    """Yield how a routing document differs from the registry's, except in its topic, the region's own."""
    where = {"Bucket": region.cell.bucket("config"), "Key": config_key(customer.id)}
    found, unknown = _read(region.s3.get_object, "the routing document", **where)
    if found is None:
        if customer.is_routed or not unknown.endswith(_ABSENT):
            yield unknown
        return
    if not customer.is_routed:
        yield f"a routing document exists, and a customer that is {customer.stage} has none"
        return
    try:
        written = json.loads(found["Body"].read())
        written.pop("receipts_topic", None)
    except (ValueError, AttributeError):
        yield "the routing document cannot be read"
        return
    wanted = json.loads(json.dumps(routing_document(customer)))
    if different := sorted(
        key for key in wanted.keys() | written.keys() if wanted.get(key) != written.get(key)
    ):
        yield f"the routing document is not this registry's: {', '.join(different)} differ"


def _user(region: RegionServices, user: SftpUser, customer: Customer) -> Iterator[str]:
    """Yield what is wrong with an SFTP user: it must have the registry's keys and see only its own folder."""
    if user.name not in region.users:
        yield f"the SFTP user {user.name} {_ABSENT}"
        return
    asked = {"ServerId": region.server, "UserName": user.name}
    found, unknown = _read(region.transfer.describe_user, f"the SFTP user {user.name}", **asked)
    if found is None:
        yield unknown
        return
    held = {_key(each["SshPublicKeyBody"]) for each in found["User"].get("SshPublicKeys", ())}
    wanted = {_key(each) for each in user.public_keys}
    if held != wanted:
        differences = [f"{len(wanted - held)} missing"] * bool(wanted - held)
        differences += [f"{len(held - wanted)} too many"] * bool(held - wanted)
        yield f"the SFTP user {user.name} has other keys than the registry: {', '.join(differences)}"
    bucket = names.bucket(region.cell.environment.stem, customer.id, region.cell.side)
    home = [{"Entry": "/", "Target": f"/{bucket}/{sftp_home(user.name).rstrip('/')}"}]
    mappings = [
        {name: each[name] for name in ("Entry", "Target")}
        for each in found["User"].get("HomeDirectoryMappings", ())
    ]
    if mappings != home:
        seen = ", ".join(each["Target"] for each in mappings) or "nothing"
        yield f"the SFTP user {user.name} sees {seen}, not {home[0]['Target']}"


def _key(line: str) -> str:
    """Return a key without its comment."""
    try:
        return str(PublicKey.parse(line))
    except KeyRefusedError:
        return line


_ABSENT = "does not exist"


def _read(ask: Callable[..., Any], what: str, **request: Any) -> tuple[Any, str]:
    """Return the answer and "", or None and a sentence that says why there is no answer."""
    try:
        return ask(**request), ""
    except ClientError as error:
        if error.response["Error"]["Code"] in _ABSENT_CODES:
            return None, f"{what} {_ABSENT}"
        return None, f"{what} is not known: {error}"
    except BotoCoreError as error:
        return None, f"{what} is not known: {error}"
