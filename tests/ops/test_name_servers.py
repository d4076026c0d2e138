"""Finding the zone's name servers by ordinary DNS, without Route 53's API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import dns.resolver
import pytest
from dnslib import CNAME, NS, QTYPE, RR, A, DNSLabel

from customers.route53 import Record
from local.dns.wire import Listener
from local.dns.zone import Answer
from ops.dns import name_servers
from ops.dns.name_servers import ENV_NAME_SERVERS, NameServers
from ops.plan import RefusedError

ZONE = "mft.example.gov"
SERVERS = ("ns-1.awsdns-01.us-gov.example.", "ns-2.awsdns-02.us-gov.example.")


class Internet:
    """What the resolver answers: a delegation to servers that are, or are not, on this machine."""

    def __init__(self) -> None:
        self.addresses = dict(zip(SERVERS, ("127.0.0.2", "127.0.0.3"), strict=True))
        self.queries: list[str] = []

    def answer(self, name: DNSLabel, type: str) -> Answer:
        self.queries.append(f"{name} {type}")
        if type == "NS" and name == DNSLabel(ZONE):
            rows = [RR(name, QTYPE.NS, ttl=60, rdata=NS(server)) for server in SERVERS]
        elif type == "A" and str(name) in self.addresses:
            rows = [RR(name, QTYPE.A, ttl=60, rdata=A(self.addresses[str(name)]))]
        else:
            return Answer(status="NXDOMAIN")
        return Answer(answer=rows)


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch) -> Iterator[Internet]:
    """A resolver's answers, and the servers' own, which know the zone."""
    monkeypatch.delenv(ENV_NAME_SERVERS, raising=False)
    made = Internet()
    listener = Listener("127.0.0.1", 0, made.answer)
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], listener.port
    monkeypatch.setattr(dns.resolver, "default_resolver", resolver)
    monkeypatch.setattr(name_servers, "_problem", lambda server, zone: None)  # nobody has port 53 here
    yield made
    listener.close()


def test_name_servers_are_those_of_the_zones_ns_records(internet):
    found = NameServers.of(ZONE)
    assert sorted(found.servers) == [("127.0.0.2", 53), ("127.0.0.3", 53)]
    assert set(internet.queries) == {f"{ZONE}. NS", *(f"{server} A" for server in SERVERS)}


def test_a_record_has_moved_only_when_every_name_server_has_it():
    def answering(value: str) -> Listener:
        return Listener(
            "127.0.0.1",
            0,
            lambda name, type: Answer(answer=[RR(name, QTYPE.CNAME, ttl=60, rdata=CNAME(value))]),
        )

    def record(value: str) -> Record:
        return Record(name=f"a.{ZONE}.", type="CNAME", ttl=60, values=(value,))

    with closing(answering("east.example.")) as one, closing(answering("west.example.")) as other:
        servers = NameServers([("127.0.0.1", each.port) for each in (one, other)])
        assert servers.unseen([record("east.example.")], within=0) == [
            f"a.{ZONE}. CNAME at 127.0.0.1: answers west.example., not east.example."
        ]
        assert len(servers.unseen([record("west.example.")], within=0)) == 1
        assert len(servers.unseen([record("elsewhere.example.")], within=0)) == 2


def test_a_name_server_without_an_address_is_left_out(internet):
    del internet.addresses[SERVERS[0]]
    assert NameServers.of(ZONE).servers == (("127.0.0.3", 53),)


def test_without_name_servers_the_error_says_what_to_set(internet):
    internet.addresses.clear()
    with pytest.raises(
        RefusedError, match=f"the name servers of {ZONE} cannot be found: .*{ENV_NAME_SERVERS}"
    ):
        NameServers.of(ZONE)
    with pytest.raises(RefusedError, match=r"the name servers of other\.example\.gov cannot be found"):
        NameServers.of("other.example.gov")


def test_configured_name_servers_come_first(internet, monkeypatch):
    monkeypatch.setenv(ENV_NAME_SERVERS, "127.0.0.9:5353")
    assert NameServers.of(ZONE).servers == (("127.0.0.9", 5353),)
    assert internet.queries == []
