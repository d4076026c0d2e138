"""A caching resolver, with which a client finds cells and buckets by name."""

from __future__ import annotations

import time

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdata
import dns.ttl
from dns.rdtypes.ANY.TXT import TXT


class NotInDnsError(LookupError):
    """A name has no record of the type that was asked for, or the name server fails to answer."""


class Resolver:
    """Queries one name server, and caches answers, negative ones too, for their TTL x `ttl_scale` seconds.

    The cache belongs to one client: as on the Internet, others may hold an answer for longer.
    """

    def __init__(self, address: str, port: int, *, ttl_scale: float = 1.0, timeout: float = 2.0) -> None:
        self._address, self._port = address, port
        self._ttl_scale = ttl_scale
        self._timeout = timeout
        self._cache: dict[tuple[str, str], tuple[float, list[str]]] = {}

    def lookup(self, name: str) -> str:
        """Return the first address of a name, following CNAMEs.

        Raises NotInDnsError, or OSError if no answer arrives.
        """
        return self._first(name, "A")

    def txt(self, name: str) -> str:
        """Return the first text of a name, its strings joined.

        Raises NotInDnsError, or OSError if no answer arrives.
        """
        return self._first(name, "TXT")

    def forget(self) -> None:
        """Empty the cache, as a restart of the client does."""
        self._cache.clear()

    def _first(self, name: str, type: str) -> str:
        key = name.rstrip(".").lower(), type
        until, values = self._cache.get(key, (0.0, []))
        if time.monotonic() >= until:
            ttl, values = self._ask(name, type)
            self._cache[key] = (time.monotonic() + ttl * self._ttl_scale, values)
        if not values:
            raise NotInDnsError(f"{name} has no {type} record")
        return values[0]

    def _ask(self, name: str, type: str) -> tuple[int, list[str]]:
        """Return the values of a name, and the seconds for which they, or their absence, may be cached."""
        query = dns.message.make_query(name, type, use_edns=0)
        try:
            reply, _ = dns.query.udp_with_fallback(query, self._address, self._timeout, self._port)
        except dns.exception.Timeout:
            raise TimeoutError(f"no answer from {self._address}:{self._port} about {name}") from None
        if reply.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            raise NotInDnsError(f"{name}: the name server answers {dns.rcode.to_text(reply.rcode())}")
        assert isinstance(reply, dns.message.QueryMessage)
        chain = reply.resolve_chaining()
        if chain.answer is None and chain.minimum_ttl == dns.ttl.MAX_TTL:
            return 0, []  # without an SOA, nothing says how long (RFC 2308, 5)
        return chain.minimum_ttl, [_text(record) for record in chain.answer or ()]


def _text(record: dns.rdata.Rdata) -> str:
    if isinstance(record, TXT):
        return b"".join(record.strings).decode()
    return record.to_text()
