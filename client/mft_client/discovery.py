"""The bucket that accepts a customer's files now: the TXT record of an endpoint, cached for its TTL."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import dns.exception
import dns.resolver

from mft_client.errors import NoRecordError, RecordRefusedError
from mft_client.protocol import PRIMARY, BucketRecord
from mft_client.settings import Settings

#: Seconds for which one resolver is asked, over UDP and, if its answer is truncated, over TCP.
_PATIENCE = 5.0


class Discovery:
    """The buckets of one customer's endpoints. An answer is kept for its TTL and not a second longer.

    If a record cannot be read again, that is an error. The old record is never used: it may name a lost
    region. Only the buckets that the settings name are ever returned.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        resolvers: Sequence[dns.resolver.Resolver] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`resolvers` are asked in this order until one names a bucket; by default, those of the settings."""
        self._settings, self._clock = settings, clock
        self._resolvers = list(resolvers or resolvers_of(settings))
        self._kept: dict[str, tuple[float, BucketRecord]] = {}

    def find(self, endpoint: str = PRIMARY) -> BucketRecord:
        """Return the bucket of an endpoint (`east`, `west`, `primary`).

        Raises RecordRefusedError if a resolver names a bucket that the settings do not, and no other resolver
        names one that they do; NoRecordError if no resolver names any.
        """
        until, record = self._kept.get(endpoint, (0.0, None))
        if record is None or self._clock() >= until:
            asked = self._clock()
            ttl, record = self._ask(BucketRecord.name(endpoint, self._settings.customer, self._settings.zone))
            self._kept[endpoint] = asked + ttl, record
        return record

    def forget(self) -> None:
        """Discard all cached answers, so that the next `find` asks again."""
        self._kept.clear()

    def _ask(self, name: str) -> tuple[int, BucketRecord]:
        problems, strangers = [], []
        for resolver in self._resolvers:
            try:
                ttl, record = _answer(resolver, name)
            except NoRecordError as error:
                problems.append(str(error))
                continue
            if self._settings.names(record):
                return ttl, record
            strangers.append(f"{_place(resolver)} names {record.bucket} in {record.region}")
        if strangers:
            raise RecordRefusedError(
                f"{name}: {'; '.join(strangers)}, which is not one of the buckets in the settings, so nothing"
                " is sent there; ask the platform's operators whether your buckets have changed"
            )
        raise NoRecordError(f"{name}: {'; '.join(problems)}")


def resolvers_of(settings: Settings) -> list[dns.resolver.Resolver]:
    """Return a resolver for each name server of the settings, or else of this machine.

    Raises NoRecordError if this machine has none.
    """
    try:
        machine = dns.resolver.Resolver(configure=not settings.resolvers)
    except dns.resolver.NoResolverConfiguration as error:
        raise NoRecordError(
            f"this machine has no name server: {error}; name some in the settings, as dns.resolvers"
        ) from error
    servers = settings.resolvers or tuple((str(each), machine.port) for each in machine.nameservers)
    return [_resolver(address, port) for address, port in servers]


def _resolver(address: str, port: int) -> dns.resolver.Resolver:
    made = dns.resolver.Resolver(configure=False)
    made.nameservers, made.port, made.lifetime = [address], port, _PATIENCE
    made.retry_servfail = False
    return made


def _place(resolver: dns.resolver.Resolver) -> str:
    return ", ".join(str(each) for each in resolver.nameservers)


def _answer(resolver: dns.resolver.Resolver, name: str) -> tuple[int, BucketRecord]:
    """Return the TTL and the record that one resolver gives; NoRecordError if it gives not exactly one."""
    try:
        answer = resolver.resolve(f"{name}.", "TXT")
    except dns.exception.DNSException as error:
        raise NoRecordError(f"{_place(resolver)}: {error}") from error
    texts = [b"".join(each.strings).decode(errors="replace") for each in answer]
    records = []
    for text in texts:
        try:
            records.append(BucketRecord.parse(text))
        except ValueError:
            continue  # a TXT record with another purpose
    if len(records) != 1:
        shown = ", ".join(f"{text[:80]!a}" for text in texts[:4])
        found = f"{len(records)} of its {len(texts)} texts are bucket records, not one"
        raise NoRecordError(f"{_place(resolver)}: {found}: {shown}")
    return answer.chaining_result.minimum_ttl, records[0]
