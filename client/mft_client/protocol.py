"""What clients and the platform have agreed on: DNS records, keys, ids and outcomes. Standard library only.

A client that was installed years ago talks to the platform of today, so it has a definition of its own and
does not import the platform's, which is `runtime/contract.py`. The project's tests compare the two.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

#: The endpoints of a customer, each with a TXT record that names a bucket.
PRIMARY: Final = "primary"
ENDPOINTS = ("east", "west", PRIMARY)

#: https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/govcloud-differences.html
REGIONS = ("us-gov-east-1", "us-gov-west-1")
PARTITION = "aws-us-gov"

#: What the keys of the files begin with that clients upload.
INBOUND_SDK = "inbound/sdk/"

#: The `outcome` of a notice; every other message of the receipt topic is a receipt.
NOTICE = "notice"

_TXT = re.compile(r"v=mft1;bucket=([a-z0-9][a-z0-9.-]{1,61}[a-z0-9]);region=([a-z0-9-]+)")


class Outcome(StrEnum):
    """How a transfer ended, as its receipt states it."""

    DELIVERED = "delivered"
    DUPLICATE = "duplicate"
    FAILED = "failed"
    HELD = "held"
    REJECTED = "rejected"


@dataclass(frozen=True, kw_only=True)
class BucketRecord:
    """The content of an endpoint's TXT record: the bucket to upload to, and the region to sign for."""

    bucket: str
    region: str

    @staticmethod
    def name(endpoint: str, customer: str, zone: str) -> str:
        """Return the DNS name of the record for a customer's endpoint."""
        return f"_bucket.{endpoint}.{customer}.{zone}"

    @classmethod
    def parse(cls, text: str) -> BucketRecord:
        """Return the record that `text`, without DNS quotes, represents; ValueError for any other text."""
        found = _TXT.fullmatch(text)
        if not found:
            raise ValueError(f"not an mft1 bucket record: {text!r}")
        return cls(bucket=found[1], region=found[2])


def is_transfer_of(transfer: str, customer: str, key: str, version_id: str) -> bool:
    """Return whether a transfer's id is that of one version of a file.

    An id is the time of the version in S3, which a client does not know, a hyphen, and a digest.
    """
    file = hashlib.sha256(f"{customer}\n{key}".encode()).hexdigest()
    digest = hashlib.sha256(f"{file}\n{version_id}".encode()).hexdigest()[:20]
    return transfer.partition("-")[2] == digest
