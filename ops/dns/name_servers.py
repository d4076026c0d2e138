"""The answers of the zone's own name servers, asked directly and without any cache.

They are found by ordinary DNS: Route 53's API, which also lists them, may be down with us-gov-west-1.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver

from customers.route53 import Record, absolute
from ops.plan import RefusedError

#: Servers to ask instead of the zone's own, as `host:port` separated by spaces: for a zone on one machine.
ENV_NAME_SERVERS = "MFT_NAME_SERVERS"
_AT_ONCE, _TIMEOUT, _PAUSE = 32, 3.0, 1.0
#: Seconds in which the servers must be found, whatever this machine's resolvers do.
_FOUND_WITHIN = 5.0

#: An address and a port.
Server = tuple[str, int]
_T = TypeVar("_T")
_R = TypeVar("_R")


class NoAnswerError(Exception):
    """No server gives a usable answer; the message says what each one answered."""


class NameServers:
    """The servers that answer for a zone. `silent` says what the others do instead."""

    def __init__(self, servers: Iterable[Server], silent: Iterable[str] = ()) -> None:
        self.servers, self.silent = tuple(servers), tuple(silent)

    @classmethod
    def of(cls, zone: str) -> NameServers:
        """Return the servers in the zone's NS records, or those in MFT_NAME_SERVERS.

        Raises RefusedError if there is none, or none answers for the zone.
        """
        found = _given() or _named(zone)
        problems = _each(lambda server: _problem(server, zone), found)
        silent = [
            f"{server[0]} {problem}" for server, problem in zip(found, problems, strict=True) if problem
        ]
        well = [server for server, problem in zip(found, problems, strict=True) if not problem]
        if not well:
            reasons = "; ".join(silent)
            raise RefusedError(f"no name server of {zone} can be asked: {reasons}; {_REMEDY}")
        return cls(well, silent)

    def values(self, host: str, type: str) -> frozenset[str]:
        """Return the values that the first server to answer gives; an empty set if there is no such name.

        Raises NoAnswerError if no server answers.
        """
        problems = []
        for server in self.servers:
            try:
                return _values(server, absolute(host), type)
            except NoAnswerError as error:
                problems.append(f"{server[0]} {error}")
        raise NoAnswerError("; ".join(problems))

    def all_values(self, questions: Sequence[tuple[str, str]]) -> list[frozenset[str] | NoAnswerError]:
        """Return the result of `values` for each host and type, many at once, or the error in its place."""

        def ask(question: tuple[str, str]) -> frozenset[str] | NoAnswerError:
            try:
                return self.values(*question)
            except NoAnswerError as error:
                return error

        return _each(ask, questions)

    def unseen(
        self, wanted: Iterable[Record], *, within: float, seen: Callable[[int], None] = lambda count: None
    ) -> list[str]:
        """Ask every server for every record, repeatedly for `within` seconds; return what still differs.

        `seen` is called with the number of further answers that are as they should be.
        """
        give_up = time.monotonic() + within
        left = [(server, record) for record in wanted for server in self.servers]
        while True:
            began = time.monotonic()
            answers = _each(lambda each: _difference(*each), left)
            found = [(pair, said) for pair, said in zip(left, answers, strict=True) if said]
            seen(len(left) - len(found))
            if not found or time.monotonic() > give_up:
                return [said for _, said in found]
            left = [pair for pair, _ in found]
            time.sleep(max(_PAUSE, time.monotonic() - began))


_REMEDY = f"to ask others, set {ENV_NAME_SERVERS} to their addresses, as `192.0.2.1:53 192.0.2.2:53`"


def _each(do: Callable[[_T], _R], things: Sequence[_T]) -> list[_R]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(do, things))


def _given() -> list[Server]:
    found = []
    for each in os.environ.get(ENV_NAME_SERVERS, "").split():
        host, _, port = each.rpartition(":")
        if not (host and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise RefusedError(f"{ENV_NAME_SERVERS}: {each!r} is not an address and port; {_REMEDY}")
        found.append((host, int(port)))
    return found


def _named(zone: str) -> list[Server]:
    """Return the servers of the zone's NS records, found by this machine's resolvers."""
    found: list[Server] = []
    try:
        hosts = [each.target for each in dns.resolver.resolve(absolute(zone), "NS", lifetime=_FOUND_WITHIN)]
    except (dns.exception.DNSException, OSError) as error:
        raise RefusedError(f"the name servers of {zone} cannot be found: {error}; {_REMEDY}") from error
    problems = []
    for host in hosts:
        try:
            answer = dns.resolver.resolve(host, "A", lifetime=_FOUND_WITHIN)
            found.append((answer[0].to_text(), 53))
        except (dns.exception.DNSException, OSError) as error:
            problems.append(str(error))
    if not found:
        raise RefusedError(f"the name servers of {zone} cannot be found: {'; '.join(problems)}; {_REMEDY}")
    return found


def _problem(server: Server, zone: str) -> str | None:
    """Return why a server cannot be asked about the zone, or None."""
    try:
        return None if _values(server, absolute(zone), "SOA") else "does not know the zone"
    except NoAnswerError as error:
        return str(error)


def _values(server: Server, host: str, type: str) -> frozenset[str]:
    """Return the values of an answer, names with their final dot; an empty set if there is no such name."""
    query = dns.message.make_query(host, type)
    try:
        answer, _ = dns.query.udp_with_fallback(query, server[0], timeout=_TIMEOUT, port=server[1])
        if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            raise NoAnswerError(f"answers {dns.rcode.to_text(answer.rcode())}")
        asked = dns.rdatatype.from_text(type)
        return frozenset(
            absolute(each.to_text()) if type == "CNAME" else each.to_text()
            for rrset in answer.answer
            if rrset.rdtype == asked
            for each in rrset
        )
    except (dns.exception.DNSException, OSError, ValueError) as error:
        reason = str(error) or error.__class__.__name__
        raise NoAnswerError(f"gives no usable answer: {reason}") from error


def _difference(server: Server, record: Record) -> str | None:
    """Return how a server's answer differs from this record; None if it does not."""
    asked = f"{record.host} {record.type} at {server[0]}"
    try:
        found = _values(server, record.host, record.type)
    except NoAnswerError as error:
        return f"{asked}: {error}"
    values = {absolute(each) for each in record.values} if record.type == "CNAME" else set(record.values)
    if found == values:
        return None
    return f"{asked}: answers {', '.join(sorted(found)) or 'nothing'}, not {', '.join(sorted(values))}"
