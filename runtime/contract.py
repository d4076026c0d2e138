"""The vocabulary that the program, the functions, the clients and the tools share. Standard library only.

Everything here is visible from outside the product: the names of regions, the layout of keys in a
customer's bucket, the grammar of the discovery TXT record, the kinds of facts in the tracker. Nothing here
does I/O.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import assert_never

# --- Regions -------------------------------------------------------------------------------------

EAST, WEST, PRIMARY = "east", "west", "primary"
SIDES = (EAST, WEST)
ENDPOINTS = (EAST, WEST, PRIMARY)

#: The two GovCloud regions, by the word that stands for a side in DNS, bucket names and the registry.
#: https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/govcloud-differences.html
REGION_OF = {EAST: "us-gov-east-1", WEST: "us-gov-west-1"}
SIDE_OF = {region: side for side, region in REGION_OF.items()}
PARTITION = "aws-us-gov"


def peer_of(side: str) -> str:
    """Return the other side: `east` for `west`, `west` for `east`; KeyError for anything else."""
    return {EAST: WEST, WEST: EAST}[side]


# --- Buckets -------------------------------------------------------------------------------------


def stem(namespace: str, cell: str) -> str:
    """Return what the names of the customers' buckets and topics of a cell begin with.

    It is the namespace for the first cell. The further cells of an account have one each, so that a rule and
    a policy can match what is theirs, and a customer can have buckets in two cells while it moves.
    """
    return namespace if cell == "1" else f"{namespace}-cell{cell}"


def customer_of(bucket: str, stem: str, side: str) -> str:
    """Return the id of the customer that owns a bucket of `side`, named `{stem}-{id}-{side}`.

    Raises ValueError for any other bucket. Ids contain no hyphen, so the answer is unambiguous.
    """
    head, tail = f"{stem}-", f"-{side}"
    customer = bucket[len(head) : -len(tail)]
    if not (bucket.startswith(head) and bucket.endswith(tail)) or not customer.isalnum():
        raise ValueError(f"{bucket!r} is not a customer's bucket of {stem!r} in {side}")
    return customer


def bucket_of(customer: str, stem: str, side: str) -> str:
    """Return the name of a customer's bucket of `side`."""
    return f"{stem}-{customer}-{side}"


# --- Keys in a customer's bucket -----------------------------------------------------------------

INBOUND = "inbound/"
INBOUND_SDK = "inbound/sdk/"
INBOUND_SFTP = "inbound/sftp/"


def sftp_home(user: str) -> str:
    """Return the key prefix, ending in `/`, below which the files of one SFTP user land."""
    return f"{INBOUND_SFTP}{user}/"


def below_inbound(key: str) -> str:
    """Return `key` without `inbound/`, the text that the `match` of a route is compared with.

    Raises ValueError for a key outside `inbound/`.
    """
    if not key.startswith(INBOUND) or key == INBOUND:
        raise ValueError(f"{key!r} is not below {INBOUND}")
    return key[len(INBOUND) :]


# --- Discovery TXT record ------------------------------------------------------------------------

_TXT = re.compile(r"v=mft1;bucket=([a-z0-9][a-z0-9.-]{1,61}[a-z0-9]);region=([a-z0-9-]+)")


@dataclass(frozen=True, kw_only=True)
class BucketRecord:
    """The content of an endpoint's TXT record: the bucket to upload to, and the region to sign for."""

    bucket: str
    region: str

    @staticmethod
    def name(endpoint: str, customer: str, zone: str) -> str:
        """Return the DNS name of the record for a customer's endpoint."""
        return f"_bucket.{endpoint}.{customer}.{zone}"

    def render(self) -> str:
        """Return the record's value without DNS quotes: `v=mft1;bucket=b;region=us-gov-west-1`."""
        return f"v=mft1;bucket={self.bucket};region={self.region}"

    @classmethod
    def parse(cls, text: str) -> BucketRecord:
        """Return the record that `text`, without DNS quotes, represents; ValueError for any other text."""
        found = _TXT.fullmatch(text)
        if not found:
            raise ValueError(f"not an mft1 bucket record: {text!r}")
        return cls(bucket=found[1], region=found[2])


# --- Identity of files and transfers -------------------------------------------------------------


def file_id(customer: str, key: str) -> str:
    """Return the partition key of a file in the tracker: the SHA-256 (hex) of customer and key.

    It is the same in both regions, because a customer's keys are the same in both buckets.
    """
    return hashlib.sha256(f"{customer}\n{key}".encode()).hexdigest()


def transfer_id(file: str, version_id: str, last_modified: datetime) -> str:
    """Return the id of one submitted version of a file: its time, then a digest of file and version.

    S3 replicas keep the version id and the creation time of their source, so both regions give a
    version the same id (https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication.html).
    Ids of one file sort by time. An id has 37 characters, all allowed in a Step Functions execution name.
    """
    stamp = last_modified.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(f"{file}\n{version_id}".encode()).hexdigest()[:20]
    return f"{stamp}-{digest}"


def archive_key(customer: str, transfer: str, key: str) -> str:
    """Return the key of a transfer's archive object; it is deterministic, so a repeat changes nothing."""
    return f"{customer}/{transfer}/{below_inbound(key)}"


def config_key(customer: str) -> str:
    """Return the key of a customer's routing document in a cell's config bucket."""
    return f"customers/{customer}.json"


#: The prefix, in a cell's config bucket, of the lists and reports of the jobs that replicate files again.
REPAIRS = "repairs/"


def secret_name(namespace: str, customer: str, secret: str) -> str:
    """Return the full name in Secrets Manager of a secret that a customer's registry file names.

    The secrets of each customer are below a path of its own, so no file can name another customer's secret.
    """
    return f"{namespace}/{customer}/{secret}"


# --- Facts and receipts ----------------------------------------------------------------------------


class Kind(StrEnum):
    """What a fact in the tracker states about a transfer. CLAIM is the lease, the only item that changes."""

    RECEIVED = "RECEIVED"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    DUPLICATE = "DUPLICATE"
    REJECTED = "REJECTED"
    ARCHIVED = "ARCHIVED"
    HELD = "HELD"
    REPLAYED = "REPLAYED"
    CONFLICT = "CONFLICT"
    RECEIPT = "RECEIPT"
    CLAIM = "CLAIM"


class UnknownKind(str):
    """The name of a fact's kind that only a newer version of the platform knows."""

    __slots__ = ()


def kind_of(name: str) -> Kind | UnknownKind:
    """Return the kind with this name."""
    try:
        return Kind(name)
    except ValueError:
        return UnknownKind(name)


class Outcome(StrEnum):
    """How a transfer ended, as its receipt states it."""

    DELIVERED = "delivered"
    DUPLICATE = "duplicate"
    FAILED = "failed"
    HELD = "held"
    REJECTED = "rejected"


#: Attribute names of the tracker table and its index.
TRACKER_PK = "file"
TRACKER_SK = "fact"
TRACKER_TTL = "expires"
TRACKER_INDEX = "by-customer-day"
TRACKER_INDEX_PK = "customer_day"
TRACKER_INDEX_SK = "fact"
#: The beginning of the partition keys of the sweep's notes, which are not facts.
SWEEP_NOTES = "sweep#"

# --- The switch: which region is out --------------------------------------------------------------


class Position(StrEnum):
    """The position of a region's switch: `in` DNS, `out` of DNS, or out and declared `lost`.

    A healthy region that is out finishes its own transfers. The peer takes them over only when the region has
    been declared lost.
    """

    IN = "in"
    OUT = "out"
    LOST = "lost"

    @property
    def is_out(self) -> bool:
        """Whether the region's records answer with the other region."""
        match self:
            case Position.IN:
                return False
            case Position.OUT | Position.LOST:
                return True
            case _:
                assert_never(self)

    @property
    def is_lost(self) -> bool:
        """Whether an operator has declared the region lost, so that its peer takes over its transfers."""
        match self:
            case Position.LOST:
                return True
            case Position.IN | Position.OUT:
                return False
            case _:
                assert_never(self)


def switch_parameter(namespace: str, cell: str, side: str) -> str:
    """Return the name of the parameter that holds the position of a side's switch.

    The parameter is in the other region, so that a region can be taken out of DNS while it is down.
    """
    return f"/{namespace}/cell{cell}/switch/{side}"


#: What the parameter of a region that is not forced in, or that is, holds.
UNFORCED, FORCED = "no", "yes"


def force_parameter(namespace: str, cell: str) -> str:
    """Return the name of the parameter in which a region says of itself that it is in (runtime/force.py)."""
    return cell_parameter(namespace, cell, "forced-in")


def switch_object(side: str) -> str:
    """Return the key of the object that means that a side is out, where no metric feeds health checks."""
    return f"switch/{side}"


def check_reference(namespace: str, cell: str, side: str, check: str) -> str:
    """Return the start of the caller reference of a side's health check, by which the check can be found.

    `check` is `out`, `cell` or `customer/<id>`. It is hashed because the AWS provider takes 27 characters.
    """
    return f"mft-{hashlib.sha256('/'.join((namespace, cell, side, check)).encode()).hexdigest()[:20]}"


def cell_parameter(namespace: str, cell: str, holds: str) -> str:
    """Return the name of a parameter in a cell's own region; `holds` is what it holds, such as `parts`."""
    return f"/{namespace}/cell{cell}/{holds}"


#: The dead-letter queues behind EventBridge: of events of uploads, and of runs of scheduled functions.
EVENTS, INVOCATIONS = "events", "invocations"

#: The prefix of the ids of synthetic senders. No customer's id begins with it.
CANARY = "canary"


def canary(cell: str) -> str:
    """Return the sender's id of a cell's synthetic transfers, which is also its SFTP login."""
    return f"{CANARY}{cell}"


def is_canary(name: str) -> bool:
    """Return whether this is the id or the login of a synthetic sender, and not of a customer."""
    return name.startswith(CANARY)
