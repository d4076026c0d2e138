"""A customer as a value: everything that one file of the registry says, and no contradiction."""

from __future__ import annotations

from typing import Annotated, Literal, Self, assert_never

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from customers import checks, fields
from customers.kinds import CheckOwner, DuplicatesPolicy, Lifecycle, OnUnknown, Side
from runtime import timing


class Value(BaseModel):
    """A part of a customer: frozen, and without any key that is not described."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class SftpUser(Value):
    """One SFTP login. Its files land below `inbound/sftp/<name>/`."""

    name: fields.User
    public_keys: Annotated[tuple[fields.Key, ...], Field(min_length=1, max_length=5)]
    """One to five keys; list the old and the new one while a key is being replaced."""
    source_cidrs: Annotated[tuple[fields.Source, ...], Field(min_length=1)]
    """Where logins come from. The firewall holds the union of all customers of a cell: it does not tie a
    network to a user."""


class Sftp(Value):
    """How the customer sends by SFTP."""

    users: tuple[SftpUser, ...] = ()
    """The logins; each customer has at least one here or a principal under `sdk`."""


class Sdk(Value):
    """How the customer sends by the S3 API."""

    principals: tuple[fields.Principal, ...] = ()
    """Who may put objects below `inbound/sdk/`."""


class SftpDestination(Value):
    """A partner's SFTP server."""

    kind: Literal["sftp"]
    """A partner's SFTP server."""
    host: fields.Host
    port: Annotated[fields.Whole, Field(ge=1, le=65535)] = 22
    """TCP port."""
    user: fields.Login
    host_key: fields.Key
    secret: fields.Secret
    directory: fields.RemoteDirectory = "."


class S3Destination(Value):
    """A partner's bucket, reached by server-side copy."""

    kind: Literal["s3"]
    """A partner's bucket."""
    bucket: fields.Bucket
    region: Literal["us-gov-east-1", "us-gov-west-1"] | None = None
    """Region of the bucket: better named, or S3 has to be asked. Nothing is copied across partitions."""
    prefix: fields.Prefix = ""


Destination = Annotated[SftpDestination | S3Destination, Field(discriminator="kind")]


class Route(Value):
    """Which files go where. No two routes of a customer may take the same key."""

    match: fields.Glob
    to: Annotated[tuple[fields.DestinationName, ...], Field(min_length=1)]
    """Names of destinations; a file is sent to each."""
    on_unknown: OnUnknown = "deliver"
    """What to do after a crash, when nobody can tell whether the partner already has the file: deliver it,
    perhaps a second time, or hold it for a person."""


class Duplicates(Value):
    """What a further submission of the same key within the window is."""

    policy: DuplicatesPolicy = "content"
    """`content`: skip it when its bytes are those already delivered. `version`: send every submission."""
    window: fields.Duration = checks.WINDOW


class SqsReceipt(Value):
    """Receipts into a queue."""

    kind: Literal["sqs"]
    """A queue."""
    arn: fields.Queue


class HttpsReceipt(Value):
    """Receipts posted to a web address."""

    kind: Literal["https"]
    """A web address."""
    url: fields.Url


class EmailReceipt(Value):
    """Receipts by mail."""

    kind: Literal["email"]
    """A mailbox."""
    address: fields.Address


Receipt = Annotated[SqsReceipt | HttpsReceipt | EmailReceipt, Field(discriminator="kind")]

#: Days for which anything is kept, at most.
LONGEST_RETENTION = 3650
Days = Annotated[fields.Whole, Field(ge=1, le=LONGEST_RETENTION)]


class Retention(Value):
    """How long things are kept, in days."""

    inbound_days: Days = checks.INBOUND_DAYS
    """Submitted files, in the customer's own buckets."""
    archive_days: Days = 365
    """Copies of what was sent."""
    tracker_days: Days = checks.TRACKER_DAYS
    """Facts about transfers: at least as long as inbound files plus the duplicate window, or a file could
    outlive the knowledge that it was delivered."""


class Failover(Value):
    """How the customer's DNS names move between the regions."""

    ttl: Annotated[fields.Whole, Field(ge=1, le=timing.TTL_LIMIT)] = timing.TTL_LIMIT
    """Seconds that resolvers may keep an answer, and so a part of how long a failover takes."""
    health_check: CheckOwner = "customer"
    """Whether this customer has a health check of its own in each cell, or shares the cell's."""


class Customer(Value):
    """One sending customer: one file of the registry."""

    id: fields.Id
    name: fields.HumanName
    lifecycle: Lifecycle
    """`onboarding`: everything but traffic. `active`: in service. `draining`: nothing new, what is in flight
    finishes. `retired`: data is let go; apply it in both stacks before the file may be removed."""
    primary: Side
    """The region that `primary.` answers while both are healthy."""
    cell: fields.Cell = "1"
    sftp: Sftp = Sftp()
    sdk: Sdk = Sdk()
    destinations: Annotated[dict[fields.DestinationName, Destination], Field(min_length=1)]
    """Where files can go, by the names that routes use."""
    routes: Annotated[tuple[Route, ...], Field(min_length=1)]
    """Which files go where."""
    temporary_names: tuple[fields.TemporaryName, ...] = ()
    """Names of uploads that wait for their rename, besides `*.filepart`, `*.tmp` and `*.part`."""
    duplicates: Duplicates = Duplicates()
    receipts: tuple[Receipt, ...] = ()
    """Who is told that a file was delivered."""
    retention: Retention = Retention()
    failover: Failover = Failover()

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if found := checks.findings(self.model_dump()):
            text = "; ".join(message for _, message in found)
            raise PydanticCustomError(checks.FINDINGS, "{text}", {"text": text, "findings": found})
        return self

    @property
    def takes_files(self) -> bool:
        """Whether this customer may put files into its buckets."""
        match self.lifecycle:
            case "onboarding" | "active":
                return True
            case "draining" | "retired":
                return False
            case _:
                assert_never(self.lifecycle)

    @property
    def is_routed(self) -> bool:
        """Whether files in this customer's buckets are worked on and copied to the other region."""
        match self.lifecycle:
            case "active" | "draining":
                return True
            case "onboarding" | "retired":
                return False
            case _:
                assert_never(self.lifecycle)

    @property
    def is_in_service(self) -> bool:
        """Whether this customer has DNS records, and the health check that they carry."""
        match self.lifecycle:
            case "active":
                return True
            case "onboarding" | "draining" | "retired":
                return False
            case _:
                assert_never(self.lifecycle)

    @property
    def is_retired(self) -> bool:
        """Whether this customer's data is let go: no longer protected, and kept by AWS alone."""
        match self.lifecycle:
            case "retired":
                return True
            case "onboarding" | "active" | "draining":
                return False
            case _:
                assert_never(self.lifecycle)

    @property
    def has_own_check(self) -> bool:
        """Whether this customer's records carry a health check of its own in each cell."""
        match self.failover.health_check:
            case "customer":
                return True
            case "cell":
                return False
            case _:
                assert_never(self.failover.health_check)

    @property
    def window_seconds(self) -> int:
        """The duplicate window in seconds."""
        return fields.seconds(self.duplicates.window)

    @property
    def source_cidrs(self) -> frozenset[str]:
        """Every network that this customer's SFTP users come from."""
        return frozenset(cidr for user in self.sftp.users for cidr in user.source_cidrs)
