"""A customer as a value: the contents of one file of the registry, without contradictions."""

from __future__ import annotations

from typing import Annotated, Literal, Self, assert_never

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from customers import checks, destination_fields, fields, kinds
from customers.move import Move
from customers.receipt_targets import Receipt
from customers.stages import Staged
from customers.value import Value
from runtime import timing


class SftpUser(Value):
    """One SFTP login. Its files land below `inbound/sftp/<name>/`."""

    name: fields.User
    public_keys: Annotated[tuple[fields.LoginKey, ...], Field(min_length=1, max_length=5)]
    """One to five keys, RSA or ECDSA; list the old and the new one while a key is being replaced."""
    source_cidrs: Annotated[tuple[fields.Source, ...], Field(min_length=1)]
    """Networks that logins come from. The firewall lets in the networks of all customers of a cell: it does
    not tie a network to a user."""


class Sftp(Value):
    """How the customer sends by SFTP."""

    users: tuple[SftpUser, ...] = ()
    """The logins. Each customer has at least one login here or one principal under `sdk`."""


class Sdk(Value):
    """How the customer sends by the S3 API."""

    principals: tuple[fields.Principal, ...] = ()
    """IAM roles and users that may put objects below `inbound/sdk/`, if their own policies allow it too."""
    source_cidrs: tuple[fields.Source, ...] = ()
    """Networks that they may send from over the internet. Without these and VPC endpoints: from anywhere."""
    vpc_endpoints: tuple[fields.VpcEndpoint, ...] = ()
    """VPC endpoints of S3, in the customer's accounts, that they may send through."""


class Incoming(Value):
    """With what the customer uploads by SFTP."""

    client: kinds.IncomingClient = "any"
    """Whose temporary names are waited for: a file below `inbound/sftp/` with such a name is sent under the
    name that it is renamed to. `any`: those of all clients that are known. `in-place`: no names at all, for
    clients that write a file under its own name. Otherwise: only those of this client."""


class SftpDestination(Value):
    """A partner's SFTP server."""

    kind: Literal["sftp"]
    """A partner's SFTP server."""
    host: destination_fields.Host
    port: Annotated[fields.Whole, Field(ge=1, le=65535)] = 22
    """TCP port."""
    user: destination_fields.Login
    host_key: fields.Key
    secret: destination_fields.Secret
    directory: destination_fields.RemoteDirectory = "."
    temporary_name: destination_fields.UploadName = ".*.part"
    publish: kinds.Publish = "rename"
    """`rename`: a file is uploaded under its temporary name and appears complete. `write`: it is written
    under its final name, for servers that forbid renaming. The partner then sees unfinished files, a delivery
    that fails may leave one, and a file that takes more than about twelve minutes cannot be delivered."""
    verify: kinds.Verify = "size"
    """`size`: the server must report the size of the upload. `none`: for servers that show no files. An
    upload that the server has cut short then counts as delivered."""
    fsync: bool = True
    """Whether the server is asked to write the file to its disk before the file appears. A server that
    cannot is not asked twice. Without it, a file that the server loses in a power failure is delivered."""


class S3Destination(Value):
    """A partner's bucket, reached by server-side copy."""

    kind: Literal["s3"]
    """A partner's bucket."""
    bucket: destination_fields.Bucket
    region: Literal["us-gov-east-1", "us-gov-west-1"] | None = None
    """Region of the bucket; without it, S3 has to be asked. Nothing is copied across partitions."""
    prefix: destination_fields.Prefix = ""
    account: destination_fields.Account | None = None
    """Account that owns the bucket, 12 digits in quotes; a bucket of another owner gets no file. Anybody can
    take the name of a bucket that its owner deleted."""
    kms_key: destination_fields.KmsKey | None = None
    """Key under which the bucket encrypts, if it is a customer managed key: deliveries have to use it."""


Destination = Annotated[SftpDestination | S3Destination, Field(discriminator="kind")]


class Route(Value):
    """Which files go where. No two routes of a customer may match the same key."""

    match: fields.Glob
    to: Annotated[tuple[fields.DestinationName, ...], Field(min_length=1)]
    """Names of destinations, at most 32. A file is sent to each of them."""
    on_unknown: kinds.OnUnknown = "deliver"
    """What happens after a crash, if it is unknown whether the partner already has the file: deliver it,
    perhaps for a second time, or hold it until a person decides."""


class Duplicates(Value):
    """How another submission of the same key within the window is treated."""

    policy: kinds.DuplicatesPolicy = "content"
    """`content`: skip it if the same bytes were already delivered. `version`: send every submission."""
    window: fields.Duration = checks.WINDOW


#: The most days for which a customer's data can be kept.
LONGEST_RETENTION = 3650
#: More would be a file every four milliseconds.
MOST_FILES_PER_HOUR = 1_000_000
Days = Annotated[fields.Whole, Field(ge=1, le=LONGEST_RETENTION)]


class Retention(Value):
    """How long data is kept, in days."""

    inbound_days: Days = checks.INBOUND_DAYS
    """Submitted files, in the customer's own buckets."""
    archive_days: Days = checks.ARCHIVE_DAYS
    """Copies of the files that were sent. At least the days of inbound files."""
    tracker_days: Days = checks.TRACKER_DAYS
    """Facts about transfers. At least the days of inbound files plus the duplicate window: otherwise the fact
    that a file was delivered could expire before the file."""


class Limits(Value):
    """How much a customer may send."""

    files_per_hour: Annotated[fields.Whole, Field(ge=1, le=MOST_FILES_PER_HOUR)] | None = None
    """How many files each region takes in of those that were sent within an hour of the clock (UTC). The
    others are rejected with a receipt. Without it, there is no quota; bursts wait for their share."""


class Failover(Value):
    """How the customer's DNS names move between the regions."""

    ttl: Annotated[fields.Whole, Field(ge=1, le=timing.TTL_LIMIT)] = timing.TTL_LIMIT
    """Seconds for which resolvers may cache an answer. They are part of the time that a failover takes."""
    health_check: kinds.CheckOwner = "customer"
    """Whether the customer has its own health check in each cell or shares the cell's."""


class Customer(Staged, Value):
    """One sending customer: one file of the registry."""

    id: fields.Id
    name: fields.HumanName
    lifecycle: kinds.Lifecycle
    """`onboarding`: everything is set up, and logins work, but uploads are refused. `active`: in service.
    `closing`: in service, but DNS records are no longer protected. `draining`: no records and no new files,
    but files in flight are finished. `retired`: data is no longer protected; apply this in both stacks before
    you remove the file."""
    primary: kinds.Side
    """The region that the name `primary.` points to while both regions are healthy."""
    cell: fields.Cell = "1"
    move: Move | None = None
    """The move to another cell that is under way."""
    sftp: Sftp = Sftp()
    sdk: Sdk = Sdk()
    destinations: Annotated[dict[fields.DestinationName, Destination], Field(min_length=1)]
    """Where files can be sent, by the names that routes use."""
    routes: Annotated[tuple[Route, ...], Field(min_length=1)]
    """Which files go where."""
    incoming: Incoming = Incoming()
    temporary_names: tuple[fields.TemporaryName, ...] = ()
    """Names of SFTP uploads that wait for their rename, in any case, in addition to those of
    `incoming.client`."""
    duplicates: Duplicates = Duplicates()
    receipts: tuple[Receipt, ...] = ()
    """Where receipts are sent, which say what became of a file."""
    retention: Retention = Retention()
    limits: Limits = Limits()
    failover: Failover = Failover()

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if found := checks.findings(self.model_dump()):
            text = "; ".join(message for _, message in found)
            raise PydanticCustomError(checks.FINDINGS, "{text}", {"text": text, "findings": found})
        return self

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells whose stacks have something of this customer: two while it moves."""
        return (self.cell, self.move.to) if self.move else (self.cell,)

    def in_cell(self, cell: str) -> Customer:
        """Return this customer as one of its cells has it; KeyError for any other cell."""
        if cell not in self.cells:
            raise KeyError(cell)
        return self if cell == self.cell else self.model_copy(update={"cell": cell})

    @property
    def stage(self) -> kinds.Stage:
        """What this customer is in its `cell`: its lifecycle, unless it moves to another cell."""
        if self.move is None:
            return self.lifecycle
        return self.move.stage_there() if self.cell == self.move.to else self.move.stage_here()

    @property
    def waits(self) -> bool:
        """Whether files are taken in but not delivered: the cell of before still delivers earlier ones."""
        move = self.move
        return move is not None and self.cell == move.to and move.step in ("opened", "switched")

    @property
    def hands_names_over(self) -> bool:
        """Whether DNS records pass from the stack of one cell to that of another, and exist throughout."""
        return self.move is not None and self.move.step in ("opened", "switched", "drained")

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
    def sender_accounts(self) -> frozenset[str]:
        """The accounts of the principals that send by the S3 API."""
        return frozenset(arn.split(":")[4] for arn in self.sdk.principals)

    @property
    def source_cidrs(self) -> frozenset[str]:
        """The networks of all SFTP users of this customer."""
        return frozenset(cidr for user in self.sftp.users for cidr in user.source_cidrs)
