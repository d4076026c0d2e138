"""The answers that the zone's name servers should give for customers' names, and how theirs differ."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from customers import dns, names
from customers.model import Customer
from customers.route53 import Record, quoted
from ops.dns.name_servers import NameServers
from ops.environment import Environment
from ops.finding import Finding
from runtime.contract import ENDPOINTS, PRIMARY, peer_of

DNS = "DNS"


def expected(environment: Environment, customer: Customer, out: Collection[str]) -> Iterator[Record]:
    """Yield the records that answer for a customer's six names while it is out of the sides in `out`.

    If it is out of both, Route 53 answers with the preferred one.
    """
    for endpoint in ENDPOINTS:
        preferred = customer.primary if endpoint == PRIMARY else endpoint
        is_moved = preferred in out and peer_of(preferred) not in out
        host, found = dns.values(
            customer.id,
            peer_of(preferred) if is_moved else preferred,
            cell=customer.cell,
            namespace=environment.namespace,
            zone=environment.zone,
        )
        name = names.endpoint_host(endpoint, customer.id, environment.zone)
        yield Record(name=name, type="CNAME", values=(host,))
        name = names.bucket_record(endpoint, customer.id, environment.zone)
        yield Record(name=name, type="TXT", values=(quoted(found),))


def differences(
    servers: NameServers,
    environment: Environment,
    customers: Iterable[Customer],
    out: Mapping[str, Collection[str]],
) -> Iterator[Finding]:
    """Yield the answers that differ, of any server. `out` has, by customer, the sides that it is out of."""
    for problem in servers.silent:
        yield Finding(where=DNS, what=f"the name server {problem}")
    whose = {
        record.host: (customer.id, record)
        for customer in customers
        for record in expected(environment, customer, out[customer.id])
    }
    for problem in servers.unseen([record for _, record in whose.values()], within=0):
        id, _ = whose[problem.partition(" ")[0]]
        yield Finding(
            where=DNS,
            customer=id,
            what=problem,
            remedy="a change takes a minute; if this persists, see what Route 53 holds and which checks fail",
        )
