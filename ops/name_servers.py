"""The name servers of the zone, asked themselves: what they answer, past every cache."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

from customers.route53 import Record, absolute
from ops.dns_changes import HostedZone
from ops.plan import RefusedError

#: Names instead of the zone's own, `host:port` with spaces between: where the zone is on one machine.
ENV_NAME_SERVERS = "MFT_NAME_SERVERS"
_AT_ONCE, _TIMEOUT, _PAUSE = 16, 3.0, 1.0


class NameServers:
    """The servers of a zone, by address and port."""

    def __init__(self, servers: Iterable[tuple[str, int]]) -> None:
        self._servers = tuple(servers)

    @classmethod
    def of(cls, zone: HostedZone) -> NameServers:
        """Return those that Route 53 names, or those of MFT_NAME_SERVERS; RefusedError when none is found."""
        if given := os.environ.get(ENV_NAME_SERVERS, "").split():
            return cls((host, int(port)) for host, _, port in (each.rpartition(":") for each in given))
        hosts, found = zone.name_servers(), []
        for host in hosts:
            try:
                found.append((socket.getaddrinfo(host, 53, socket.AF_INET)[0][4][0], 53))
            except OSError:
                continue
        if not found:
            raise RefusedError(
                f"the changes are made, and none of {', '.join(hosts)} can be found to verify it from here;"
                " run this again where they can be"
            )
        return cls(found)

    def unseen(self, wanted: Iterable[Record], *, within: float) -> list[str]:
        """Ask every server for every record, again for `within` seconds; return what was not answered."""
        give_up = time.monotonic() + within
        left = [(server, record) for record in wanted for server in self._servers]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            while True:
                answers = list(pool.map(lambda each: _ask(*each), left))
                found = [(pair, said) for pair, said in zip(left, answers, strict=True) if said]
                if not found or time.monotonic() > give_up:
                    return [said for _, said in found]
                left = [pair for pair, _ in found]
                time.sleep(_PAUSE)


def _ask(server: tuple[str, int], record: Record) -> str | None:
    """Return what a server answers instead of this record; None when it answers that."""
    query = dns.message.make_query(record.host, record.type)
    asked = f"{record.host} {record.type} at {server[0]}"
    try:
        answer, _ = dns.query.udp_with_fallback(query, server[0], timeout=_TIMEOUT, port=server[1])
        if answer.rcode() != dns.rcode.NOERROR:
            return f"{asked}: answers {dns.rcode.to_text(answer.rcode())}"
        type = dns.rdatatype.from_text(record.type)
        found = {each.to_text() for rrset in answer.answer for each in rrset if rrset.rdtype == type}
    except (dns.exception.DNSException, OSError) as error:
        return f"{asked}: no answer that makes sense: {str(error) or type(error).__name__}"
    if record.type == "CNAME":
        found, values = {absolute(each) for each in found}, {absolute(each) for each in record.values}
    else:
        values = set(record.values)
    if found == values:
        return None
    return f"{asked}: answers {', '.join(sorted(found)) or 'nothing'}, not {', '.join(sorted(values))}"
