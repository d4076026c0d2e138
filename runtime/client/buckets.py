"""The bucket that accepts a customer's files now: the TXT record of an endpoint, cached for its TTL."""

from __future__ import annotations

import time
from collections.abc import Callable

import dns.exception
import dns.resolver

from runtime.contract import PRIMARY, BucketRecord


class NotFoundError(LookupError):
    """The bucket to upload to is unknown; the message names the record and quotes the DNS response."""


class Buckets:
    """The buckets of one customer's endpoints. A response is kept for its TTL and not a second longer.

    If a record cannot be read again, that is an error. The old record is never used: it may name a lost
    region.
    """

    def __init__(
        self,
        customer: str,
        zone: str,
        *,
        resolver: dns.resolver.Resolver | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`resolver` is by default one with this machine's own DNS configuration."""
        self._customer, self._zone, self._clock = customer, zone, clock
        self._resolver = resolver or dns.resolver.Resolver()
        self._kept: dict[str, tuple[float, BucketRecord]] = {}

    def find(self, endpoint: str = PRIMARY) -> BucketRecord:
        """Return the bucket of an endpoint (`east`, `west`, `primary`); NotFoundError if it has no record."""
        until, record = self._kept.get(endpoint, (0.0, None))
        if record is None or self._clock() >= until:
            asked = self._clock()
            ttl, record = self._ask(BucketRecord.name(endpoint, self._customer, self._zone))
            self._kept[endpoint] = asked + ttl, record
        return record

    def forget(self) -> None:
        """Discard all cached responses, so that the next `find` asks again."""
        self._kept.clear()

    def _ask(self, name: str) -> tuple[int, BucketRecord]:
        try:
            answer = self._resolver.resolve(f"{name}.", "TXT")
        except dns.exception.DNSException as error:
            raise NotFoundError(f"{name}: {error}") from error
        texts = [b"".join(each.strings).decode(errors="replace") for each in answer]
        records = []
        for text in texts:
            try:
                records.append(BucketRecord.parse(text))
            except ValueError:
                continue  # a TXT record with another purpose
        if len(records) != 1:
            raise NotFoundError(f"{name}: {len(records)} of its texts are bucket records, not one: {texts}")
        return answer.chaining_result.minimum_ttl, records[0]
