"""The TXT record by which clients of the S3 API find the bucket to upload to."""

from __future__ import annotations

import re
from dataclasses import dataclass

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
