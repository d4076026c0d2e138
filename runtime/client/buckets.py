"""Which bucket takes a customer's files now: what the TXT record of an endpoint says, while its TTL lasts."""

from __future__ import annotations

import time
from collections.abc import Callable

import dns.exception
import dns.resolver

from runtime.contract import PRIMARY, BucketRecord


class NotFoundError(LookupError):
    """Nobody says where to upload; the message names the record and what its name servers answered."""


class Buckets:
    """The buckets of one customer's endpoints. An answer is kept for its TTL and not a second longer.

    A record that cannot be read again is an error and never what it was: it may be a lost region's.
    """

    def __init__(
        self,
        customer: str,
        zone: str,
        *,
        resolver: dns.resolver.Resolver | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`resolver` asks the name servers that this machine is set to, unless another is given."""
        self._customer, self._zone, self._clock = customer, zone, clock
        self._resolver = resolver or dns.resolver.Resolver()
        self._kept: dict[str, tuple[float, BucketRecord]] = {}

    def find(self, endpoint: str = PRIMARY) -> BucketRecord:
        """Return the bucket of an endpoint (`east`, `west`, `primary`); NotFoundError when none is told."""
        until, record = self._kept.get(endpoint, (0.0, None))
        if record is None or self._clock() >= until:
            asked = self._clock()
            ttl, record = self._ask(BucketRecord.name(endpoint, self._customer, self._zone))
            self._kept[endpoint] = asked + ttl, record
        return record

    def forget(self) -> None:
        """Ask again at the next look: what was answered did not do."""
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
                continue  # a TXT record of something else
        if len(records) != 1:
            raise NotFoundError(f"{name}: {len(records)} of its texts say where to upload, not one: {texts}")
        return answer.chaining_result.minimum_ttl, records[0]
