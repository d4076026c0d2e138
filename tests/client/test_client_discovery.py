"""Where a client sends to: real name servers over UDP and TCP, good, bad, silent and poisoned."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.resolver
import pytest
from dnslib import QTYPE, RR, TXT, DNSLabel

from local.dns.wire import Listener
from local.dns.zone import Answer
from mft_client import Discovery, NoRecordError, RecordRefusedError, Settings
from mft_client.discovery import resolvers_of
from tests.client.conftest import CUSTOMER, EAST, WEST, Place

#: Makes a name server that answers everything with these texts, or with a status; returns its resolver.
Server = Callable[..., dns.resolver.Resolver]

SETTINGS = Settings(
    customer=CUSTOMER,
    zone="mft.example.gov",
    account="123456789012",
    buckets={WEST: ("mft-c7k2m-west",)},
    journal=Path("unused"),
)
GOOD = f"v=mft1;bucket=mft-c7k2m-west;region={WEST}"


@pytest.fixture
def server() -> Iterator[Server]:
    with ExitStack() as servers:

        def serve(*texts: str, status: str = "NOERROR") -> dns.resolver.Resolver:
            def answer(name: DNSLabel, type: str) -> Answer:
                records = [RR(name, QTYPE.TXT, ttl=86400, rdata=TXT([text.encode()])) for text in texts]
                return Answer(status=status, answer=records, authoritative=True)

            listener = Listener("127.0.0.1", 0, answer)
            servers.callback(listener.close)
            return resolver_at(listener.port)

        yield serve


def resolver_at(port: int, lifetime: float = 5.0) -> dns.resolver.Resolver:
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port, resolver.lifetime = ["127.0.0.1"], port, lifetime
    return resolver


def test_the_record_is_kept_for_its_ttl_and_not_a_second_longer(place: Place) -> None:
    discovery = place.discovery()
    assert discovery.find() == place.record(WEST)
    place.points_to(EAST)
    place.ticks = 59.9
    assert discovery.find().region == WEST
    place.ticks = 60.0
    assert discovery.find() == place.record(EAST)
    place.points_to(WEST)
    discovery.forget()
    assert discovery.find().region == WEST


def test_a_record_that_cannot_be_read_again_is_an_error_and_its_old_value_is_not_used(place: Place) -> None:
    discovery = place.discovery()
    discovery.find()
    place.says("v=mft2;somewhere")
    place.ticks = 61.0
    with pytest.raises(NoRecordError, match=rf"_bucket.primary.{CUSTOMER}.*0 of its 1 texts.*mft2"):
        discovery.find()
    with pytest.raises(NoRecordError, match=rf"_bucket.east.{CUSTOMER}.*does not exist"):
        discovery.find("east")


def test_other_texts_at_the_name_do_not_matter_and_two_buckets_do(place: Place) -> None:
    west, east = (f"v=mft1;bucket={place.bucket(each)};region={each}" for each in (WEST, EAST))
    place.says("hello", west[:20] + '" "' + west[20:], endpoint="west")  # in two strings
    assert place.discovery().find("west") == place.record(WEST)
    place.says(west, east, endpoint="west")
    with pytest.raises(NoRecordError, match="2 of its 2 texts"):
        place.discovery().find("west")


def test_an_answer_that_is_truncated_over_udp_is_asked_for_over_tcp(place: Place) -> None:
    padding = [f"{number} " + "x" * 240 for number in range(20)]
    place.says(*padding, f"v=mft1;bucket={place.bucket(EAST)};region={EAST}")
    query = dns.message.make_query(f"_bucket.primary.{CUSTOMER}.{place.estate.zone}", "TXT")
    reply = dns.query.udp(query, place.server.address, timeout=5, port=place.server.port)
    assert reply.flags & dns.flags.TC
    assert place.discovery().find() == place.record(EAST)


@pytest.mark.parametrize(
    "text",
    [
        "v=mft1;bucket={other};region=us-gov-west-1",  # somebody else's bucket
        "v=mft1;bucket={west};region=us-gov-east-1",  # the right bucket, signed for elsewhere
        "v=mft1;bucket={west};region=us-east-1",
    ],
)
def test_a_record_that_names_what_the_settings_do_not_is_refused(
    place: Place, server: Server, text: str
) -> None:
    text = text.format(other="attackers-bucket", west=place.bucket(WEST))
    poisoned = server(text)
    with pytest.raises(
        RecordRefusedError, match=r"127\.0\.0\.1 names .* not one of the buckets in the settings"
    ):
        place.discovery(poisoned).find()
    with pytest.raises(RecordRefusedError):
        place.client(discovery=place.discovery(poisoned)).send(place.source, "a.csv")
    assert (place.slept, place.versions(WEST), place.versions(EAST)) == ([], [], [])
    # A resolver that is not poisoned is enough.
    assert place.discovery(poisoned, place.resolver()).find() == place.record(WEST)


@pytest.mark.parametrize(
    "texts",
    [
        (),
        ("",),
        ("v=mft1",),
        ("v=mft1;bucket=;region=us-gov-west-1",),
        ("v=mft1;region=us-gov-west-1;bucket=b-1",),
        ("v=mft1;bucket=b-1;region=us-gov-west-1;",),
        (" v=mft1;bucket=b-1;region=us-gov-west-1",),
        ("v=mft1;bucket=../b;region=us-gov-west-1",),
        ("v=mft1;bucket=b-1;region=us-gov-west-1\n",),
        ("v=mft1;bucket=b\u0441-1;region=us-gov-west-1",),
    ],
    ids=ascii,
)
def test_a_malformed_record_is_no_record(server: Server, texts: tuple[str, ...]) -> None:
    with pytest.raises(NoRecordError) as raised:
        Discovery(SETTINGS, resolvers=[server(*texts)]).find()
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("status", ["SERVFAIL", "REFUSED", "NXDOMAIN"])
def test_a_resolver_that_fails_is_followed_by_the_next(server: Server, status: str) -> None:
    failing = server(status=status)
    with pytest.raises(NoRecordError):
        Discovery(SETTINGS, resolvers=[failing]).find()
    assert Discovery(SETTINGS, resolvers=[failing, server(GOOD)]).find().region == WEST


def test_a_silent_resolver_is_followed_by_the_next(server: Server) -> None:
    with closing(socket.socket(type=socket.SOCK_DGRAM)) as silent:
        silent.bind(("127.0.0.1", 0))
        resolver = resolver_at(silent.getsockname()[1], lifetime=0.2)
        with pytest.raises(NoRecordError, match=r"lifetime|timed out"):
            Discovery(SETTINGS, resolvers=[resolver]).find()
        assert Discovery(SETTINGS, resolvers=[resolver, server(GOOD)]).find().region == WEST


def test_the_resolvers_of_the_settings_are_asked_in_their_order(server: Server) -> None:
    made = resolvers_of(replace(SETTINGS, resolvers=(("10.0.0.2", 53), ("fd00::2", 5353))))
    assert [([*each.nameservers], each.port) for each in made] == [(["10.0.0.2"], 53), (["fd00::2"], 5353)]
    port = server(GOOD).port
    assert Discovery(replace(SETTINGS, resolvers=(("127.0.0.1", port),))).find().region == WEST


def test_without_resolvers_in_the_settings_those_of_the_machine_are_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def configured(self: dns.resolver.Resolver) -> None:
        self.nameservers = ["192.0.2.1", "192.0.2.2"]

    monkeypatch.setattr(dns.resolver.Resolver, "read_resolv_conf", lambda self, _: configured(self))
    assert [[*each.nameservers] for each in resolvers_of(SETTINGS)] == [
        ["192.0.2.1"],
        ["192.0.2.2"],
    ]
