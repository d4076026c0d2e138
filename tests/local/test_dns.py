"""The name server's answers, worked out by hand from Route 53's documentation and the RFCs."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import threading
import time
from collections.abc import Iterator

import dns.message
import dns.opcode
import dns.query
import dns.rcode
import pytest
from botocore.exceptions import ClientError
from conftest import eventually
from dns_estate import WEST, Estate, ask, flags, rows

from local.dns.resolver import NotInDnsError, Resolver
from local.dns.server import DnsServer
from local.dns.wire import Listener
from local.dns.zone import Answer, choose, strings

HEALTHY, UNHEALTHY, NO_CHECK, ABSENT = "healthy", "unhealthy", "no check", "absent"


@pytest.fixture
def estate(aws) -> Iterator[Estate]:
    made = Estate(aws)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("primary", "secondary", "answered"),
    [
        # https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-how-route-53-chooses-records.html
        # "If Route 53 considers the primary record healthy, Route 53 returns only the primary record"
        (HEALTHY, HEALTHY, "PRIMARY"),
        (HEALTHY, UNHEALTHY, "PRIMARY"),
        (HEALTHY, NO_CHECK, "PRIMARY"),
        # "the primary record unhealthy and the secondary record healthy [...] returns the secondary record"
        (UNHEALTHY, HEALTHY, "SECONDARY"),
        # "considers both [...] records unhealthy, Route 53 returns the primary record"
        (UNHEALTHY, UNHEALTHY, "PRIMARY"),
        # "If you omit the health check for the secondary [...] always [...] by using the secondary record"
        (UNHEALTHY, NO_CHECK, "SECONDARY"),
        # "If no record is healthy, all records are healthy": so a record alone is the answer
        (HEALTHY, ABSENT, "PRIMARY"),
        (UNHEALTHY, ABSENT, "PRIMARY"),
        (ABSENT, HEALTHY, "SECONDARY"),
        (ABSENT, UNHEALTHY, "SECONDARY"),
        (ABSENT, NO_CHECK, "SECONDARY"),
    ],
)
def test_failover_answers_as_route_53_does(estate: Estate, primary: str, secondary: str, answered: str):
    for role, state in (("PRIMARY", primary), ("SECONDARY", secondary)):
        if state == ABSENT:
            continue
        fields = {"Failover": role, "SetIdentifier": role.lower()}
        if state != NO_CHECK:
            fields["HealthCheckId"] = estate.leaf(state == HEALTHY)
        estate.put("primary.a", "CNAME", f"{role.lower()}.example.org", **fields)
        estate.put("_bucket.primary.a", "TXT", f'"{role}"', **fields)
    with estate.serve() as server:
        cname = ask(server, estate.name("primary.a"), "CNAME")
        txt = ask(server, estate.name("_bucket.primary.a"), "TXT")
    assert rows(cname.answer) == [f"primary.a.{estate.zone}. 60 IN CNAME {answered.lower()}.example.org."]
    assert rows(txt.answer) == [f'_bucket.primary.a.{estate.zone}. 60 IN TXT "{answered}"']


def test_a_primary_without_a_check_is_healthy():
    """Route 53 refuses one that is not an alias, but the rule for records without a check is general."""
    primary = {"Failover": "PRIMARY", "Name": "a", "Type": "TXT"}
    secondary = {"Failover": "SECONDARY", "Name": "a", "Type": "TXT", "HealthCheckId": "x"}
    assert choose([secondary, primary], lambda id: True) is primary
    assert choose([secondary, primary], lambda id: id != "x") is primary


def test_records_of_every_type(estate: Estate):
    estate.addresses |= {"203.0.113.1": "127.0.0.2", "203.0.113.2": "127.0.0.2"}
    estate.put("cell", "A", "203.0.113.1", "203.0.113.2", "198.51.100.9", ttl=30)
    estate.put("six", "AAAA", "2001:db8::1")
    estate.put("alias", "CNAME", "elsewhere.example.org")
    estate.put("back", "PTR", "host.example.org")
    with estate.serve() as server:
        cell = ask(server, estate.name("cell"), "A")
        six = ask(server, estate.name("six"), "AAAA")
        back = ask(server, estate.name("back"), "PTR")
        apex = ask(server, estate.zone, "ANY", tcp=True)
        # Two public addresses on one loopback address are one record: a set has no member twice.
        assert rows(cell.answer) == [
            f"cell.{estate.zone}. 30 IN A {ip}" for ip in ("127.0.0.2", "198.51.100.9")
        ]
        assert rows(six.answer) == [f"six.{estate.zone}. 60 IN AAAA 2001:db8::1"]
        assert rows(back.answer) == [f"back.{estate.zone}. 60 IN PTR host.example.org."]
        assert {line.split()[3] for line in rows(apex.answer)} == {"NS", "SOA"}
        assert len(rows(apex.answer)) == 5
        assert flags(cell) == "QR AA RD"  # authoritative, and no recursion
        estate.addresses["198.51.100.9"] = "127.0.0.3"
        assert server.answer(estate.name("cell"), "A").values == ("127.0.0.2", "127.0.0.3")


def test_txt_is_read_as_route_53_stores_it(estate: Estate):
    # The examples of https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/ResourceRecordTypes.html#TXTFormat
    examples = (
        r'"This string includes \"quotation marks\"."',
        r'"The last character in this string is an accented e specified in octal format: \351"',
        '"v=spf1 ip4:192.168.0.1/16 -all"',
    )
    estate.put("t", "TXT", *examples, ttl=5)
    estate.put("long", "TXT", f'"{"a" * 255}" "{"b" * 10}"')
    with estate.serve() as server:
        reply = ask(server, estate.name("t"), "TXT")
        long = ask(server, estate.name("long"), "TXT")
        assert server.answer(estate.name("long"), "TXT").values == ("a" * 255 + "b" * 10,)
    assert [record.strings for record in reply.answer[0]] == [
        (b'This string includes "quotation marks".',),
        (b"The last character in this string is an accented e specified in octal format: \xe9",),
        (b"v=spf1 ip4:192.168.0.1/16 -all",),
    ]
    assert reply.answer[0].ttl == 5
    assert long.answer[0][0].strings == (b"a" * 255, b"b" * 10)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('"a" "b"', [b"a", b"b"]),
        ('"a""b"', [b"a", b"b"]),
        ('""', [b""]),
        (r'"a\\" "\"b"', [b"a\\", b'"b']),
        (r'"\073\1"', [b";1"]),
        ('" a; b "', [b" a; b "]),
    ],
)
def test_strings_of_a_txt_value(value: str, expected: list[bytes]):
    assert strings(value) == expected


@pytest.mark.parametrize("value", ["bare", '"open', '"a" b', "", r'"a\"'])
def test_malformed_strings_of_a_txt_value(value: str):
    with pytest.raises(ValueError, match="not the strings"):
        strings(value)


def test_cnames_are_followed_inside_the_zone(estate: Estate):
    """RFC 1034, 4.3.2, step 3a; RFC 6604 for the code and RFC 2308, 2.1 for the SOA."""
    estate.addresses["203.0.113.1"] = "127.0.0.2"
    estate.put("west.a", "CNAME", estate.name("cell"))
    estate.put("primary.a", "CNAME", estate.name("west.a"), ttl=30)
    estate.put("cell", "A", "203.0.113.1", ttl=300)
    estate.put("broken", "CNAME", estate.name("nowhere"))
    estate.put("outside", "CNAME", "host.example.org.")
    estate.put("round", "CNAME", estate.name("about"))
    estate.put("about", "CNAME", estate.name("round"))

    def got(label: str, type: str) -> tuple[str, list[str], list[str]]:
        reply = ask(server, estate.name(label), type)
        answer = [" ".join(line.split()[1:]).replace(f".{estate.zone}.", "") for line in rows(reply.answer)]
        return dns.rcode.to_text(reply.rcode()), answer, [line.split()[3] for line in rows(reply.authority)]

    chain = ["30 IN CNAME west.a", "60 IN CNAME cell"]
    with estate.serve() as server:
        assert got("primary.a", "A") == ("NOERROR", [*chain, "300 IN A 127.0.0.2"], [])
        assert got("primary.a", "CNAME") == ("NOERROR", chain[:1], [])
        assert got("primary.a", "ANY") == ("NOERROR", chain[:1], [])
        assert got("primary.a", "TXT") == ("NOERROR", chain, ["SOA"])
        assert got("primary.a", "TYPE65280") == ("NOERROR", chain, ["SOA"])
        assert got("broken", "A") == ("NXDOMAIN", ["60 IN CNAME nowhere"], ["SOA"])
        assert got("outside", "A") == ("NOERROR", ["60 IN CNAME host.example.org."], [])
        assert got("round", "A") == ("NOERROR", ["60 IN CNAME about", "60 IN CNAME round"], [])


def test_missing_names_and_missing_types(estate: Estate):
    """NXDOMAIN, no data (RFC 2308), and the empty names between others (RFC 8020)."""
    estate.put("deep.below.here", "TXT", '"x"')
    soa = (
        f"{estate.zone}. 900 IN SOA ns-1.awsdns-1.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
    )

    def got(label: str, type: str) -> tuple[str, list[str], list[str]]:
        reply = ask(server, estate.name(label), type)
        assert "AA" in flags(reply)
        return dns.rcode.to_text(reply.rcode()), rows(reply.answer), rows(reply.authority)

    with estate.serve() as server:
        assert got("missing", "TXT") == ("NXDOMAIN", [], [soa])
        assert got("x.deep.below.here", "TXT") == ("NXDOMAIN", [], [soa])
        assert got("eep.below.here", "TXT") == ("NXDOMAIN", [], [soa])
        for label in ("", "deep.below.here", "below.here", "here"):
            assert got(label, "A") == ("NOERROR", [], [soa])
            assert got(label, "TYPE65280") == ("NOERROR", [], [soa])
        estate.put("", "SOA", "ns-1.awsdns-1.com. host.example.org. 1 7200 900 1209600 20", ttl=900)
        server.refresh()
        # min(TTL of the SOA, its last field): RFC 2308, 5
        assert [line.split()[1] for line in got("missing", "A")[2]] == ["20"]
        assert rows(ask(server, estate.zone, "SOA").answer)[0].split()[1] == "900"


def test_names_match_in_any_case_and_are_returned_as_queried(estate: Estate):
    estate.put("primary.a", "CNAME", "host.example.org")
    odd = f"pRiMaRy.A.{estate.zone.upper()}."
    with estate.serve() as server:
        reply = ask(server, odd, "CNAME")
        assert reply.question[0].name.to_text() == odd
        assert rows(reply.answer) == [f"{odd} 60 IN CNAME host.example.org."]
        assert server.answer(odd.rstrip("."), "CNAME").values == ("host.example.org.",)


def test_queries_outside_the_zone_are_refused(estate: Estate):
    with estate.serve() as server:
        for name in ("example.gov.", "other.example.gov.", f"x{estate.zone}.", "."):
            reply = ask(server, name, "A")
            assert (reply.rcode(), flags(reply)) == (dns.rcode.REFUSED, "QR RD")
        assert ask(server, estate.zone, "TXT", rdclass="CH").rcode() == dns.rcode.REFUSED
        # dnspython takes a transfer for more than one message, so the plain reply is asked for.
        assert ask(server, estate.zone, "TYPE252", tcp=True).rcode() == dns.rcode.REFUSED
        notify = dns.message.make_query(estate.zone, "SOA")
        notify.set_opcode(dns.opcode.NOTIFY)
        assert dns.query.udp(notify, "127.0.0.1", 5, server.port).rcode() == dns.rcode.NOTIMP


def test_wildcards_and_delegations(estate: Estate):
    """RFC 4592, and RFC 1034, 4.3.2, step 3b. Route 53 lists the asterisk as an octal escape."""
    estate.put(r"\052.w", "TXT", '"any"')
    estate.put("own.w", "A", "192.0.2.1")
    estate.put("child", "NS", "ns1.example.org", "ns2.example.org", ttl=600)
    estate.put("below.child", "NS", "hidden.example.org")
    with estate.serve() as server:
        below = ask(server, estate.name("b.a.w"), "TXT")
        referral = ask(server, estate.name("x.below.child"), "A")
        assert rows(below.answer) == [f'b.a.w.{estate.zone}. 60 IN TXT "any"']
        assert ask(server, estate.name("a.w"), "A").rcode() == dns.rcode.NOERROR
        assert rows(ask(server, estate.name("own.w"), "TXT").answer) == []
        assert ask(server, estate.name("a.own.w"), "TXT").rcode() == dns.rcode.NXDOMAIN
        assert (flags(referral), rows(referral.answer)) == ("QR RD", [])
        assert rows(referral.authority) == [
            f"child.{estate.zone}. 600 IN NS ns{number}.example.org." for number in (1, 2)
        ]


def test_records_that_are_not_emulated_fail_loudly(estate: Estate):
    estate.put("w", "TXT", '"x"', Weight=1, SetIdentifier="w")
    estate.put("m", "MX", "10 mail.example.org")
    with estate.serve() as server:
        for label, type in (("w", "TXT"), ("m", "MX"), ("m", "ANY")):
            assert ask(server, estate.name(label), type).rcode() == dns.rcode.SERVFAIL
        assert ask(server, estate.name("m"), "A").rcode() == dns.rcode.NOERROR


def test_udp_and_tcp_give_the_same_answers(estate: Estate):
    estate.put("t", "TXT", '"x"')
    with estate.serve() as server, socket.create_connection(("127.0.0.1", server.port)) as connection:
        over_udp = ask(server, estate.name("t"), "TXT")
        for _ in range(3):  # one after another on one connection
            query = dns.message.make_query(estate.name("t"), "TXT", id=over_udp.id)
            reply = dns.query.tcp(query, "127.0.0.1", 5, server.port, sock=_unblocked(connection))
            assert reply == over_udp
            assert rows(reply.answer) == rows(over_udp.answer) != []


def _unblocked(connection: socket.socket) -> socket.socket:
    connection.setblocking(False)
    return connection


def test_an_answer_that_does_not_fit_is_truncated(estate: Estate):
    """RFC 1035, 4.2.1 for 512 bytes, RFC 6891 for more, RFC 2181, 9 for what is left."""
    estate.put("long", "TXT", *(f'"{n}{"x" * 90}"' for n in range(10)))
    name = estate.name("long")
    with estate.serve() as server:
        for edns in ({}, {"use_edns": 0, "payload": 600}, {"use_edns": 0, "payload": 100}):
            query = dns.message.make_query(name, "TXT", **edns)
            cut = dns.query.udp(query, "127.0.0.1", 5, server.port)
            assert "TC" in flags(cut)
            assert (rows(cut.answer), cut.question) == ([], query.question)
            whole, by_tcp = dns.query.udp_with_fallback(query, "127.0.0.1", 5, server.port)
            assert by_tcp
            assert len(whole.answer[0]) == 10
        large = ask(server, name, "TXT", use_edns=0, payload=1232)
        assert "TC" not in flags(large)
        assert (len(large.answer[0]), large.edns, large.payload) == (10, 0, 4096)
        small = ask(server, name, "A", use_edns=0, payload=100)
        assert ("TC" in flags(small), len(small.authority)) == (False, 1)
        assert ask(server, name, "A").edns == -1  # who does not speak of it, gets none


def test_an_unknown_edns_version_is_reported(estate: Estate):
    with estate.serve() as server:
        reply = ask(server, estate.zone, "SOA", use_edns=1)
    assert (reply.rcode(), reply.edns, rows(reply.answer)) == (dns.rcode.BADVERS, 0, [])


def answered(client: socket.socket, packet: bytes) -> bytes:
    """Return the answer to a packet; a full socket drops packets, so it is sent again."""
    for _ in range(60):
        client.send(packet)
        with contextlib.suppress(TimeoutError):
            return client.recv(4096)
    pytest.fail("no answer to any of 60 packets")


def test_malformed_packets_are_survived(estate: Estate):
    good = dns.message.make_query(estate.zone, "SOA", id=7).to_wire()
    no_question, two = good[:4] + bytes(8), good[:4] + b"\0\2" + good[6:] + good[12:]
    loop = good[:12] + b"\xc0\x0c\0\1\0\1"
    edns = dns.message.make_query(estate.zone, "SOA", use_edns=0).to_wire()
    two_edns = edns[:10] + b"\0\2" + edns[12:] + edns[-11:]
    long_name = good[:12] + (b"\x3f" + b"a" * 63) * 4 + b"\0\0\1\0\1"
    format_errors = [good[:-1], no_question, two, loop, two_edns, long_name, good[:13]]
    silent = [b"", b"\0", good[:11], bytes([good[0], good[1], 0x80]) + good[3:]]
    noise = random.Random(53)  # the same every time
    with estate.serve() as server, socket.socket(type=socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", server.port))
        client.settimeout(5)
        for packet in format_errors:
            client.send(packet)
            reply = client.recv(4096)
            assert (reply[:2], reply[2] & 0x80, reply[3] & 0xF) == (packet[:2], 0x80, dns.rcode.FORMERR)
        for packet in silent:
            client.send(packet)
        for _ in range(300):
            client.send(bytes([noise.randrange(256) | 0x80 * (n == 2) for n in range(noise.randrange(80))]))
        client.settimeout(1)
        for _ in range(100):
            bent = bytearray(edns)
            for _ in range(noise.randrange(1, 6)):
                bent[noise.randrange(12, len(bent))] = noise.randrange(256)
            assert answered(client, bytes(bent))
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as broken:
            broken.sendall(b"\xff\xff only a part")
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as reply_instead:
            reply_instead.sendall(len(silent[3]).to_bytes(2, "big") + silent[3])
            assert reply_instead.recv(1) == b""
        # Answers to what was sent twice come first.
        assert any(answered(client, good)[:2] == good[:2] for _ in range(500))
        assert rows(ask(server, estate.zone, "SOA", tcp=True).answer) != []


def test_records_are_read_again_without_being_asked_to(estate: Estate):
    with estate.serve(every=0.02) as server:
        assert server.answer(estate.name("t"), "TXT").status == "NXDOMAIN"
        estate.put("t", "TXT", '"new"')
        assert eventually(lambda: server.answer(estate.name("t"), "TXT").values == ("new",))
        estate.put("t", "TXT", '"new"', action="DELETE")
        assert eventually(lambda: server.answer(estate.name("t"), "TXT").status == "NXDOMAIN")


def test_more_records_than_a_page(estate: Estate):
    changes = [
        {
            "Action": "CREATE",
            "ResourceRecordSet": {
                "Name": estate.name(f"t{number}"),
                "Type": "TXT",
                "TTL": 60,
                "ResourceRecords": [{"Value": f'"{number}"'}],
            },
        }
        for number in range(350)
    ]
    estate.aws("route53").change_resource_record_sets(
        HostedZoneId=estate.zone_id, ChangeBatch={"Changes": changes}
    )
    with estate.serve() as server:
        assert all(server.answer(estate.name(f"t{n}"), "TXT").values == (str(n),) for n in range(350))


def test_answers_outlast_the_control_plane(estate: Estate):
    """The data plane goes on without it: aws-fault-isolation-boundaries, "Global services"."""
    estate.put("t", "TXT", '"kept"')
    with estate.serve() as server:
        estate.down.add(("route53", WEST))
        estate.put("t", "TXT", '"unseen"')
        server.refresh()
        assert server.answer(estate.name("t"), "TXT").values == ("kept",)
        estate.down.clear()
        server.refresh()
        assert server.answer(estate.name("t"), "TXT").values == ("unseen",)


def test_a_port_in_use_is_reported(estate: Estate):
    with estate.serve(address="127.0.0.4") as server:
        with pytest.raises(
            OSError, match=rf"DNS cannot use port {server.port} of 127\.0\.0\.4: Address already"
        ):
            estate.serve(address="127.0.0.4", port=server.port).start()
        with estate.serve(address="127.0.0.5", port=server.port) as beside:
            assert beside.port == server.port
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"DNS cannot use port {port} of 127"):
            estate.serve(port=port).start()


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.1", "localhost"])
def test_only_loopback_is_served(estate: Estate, address: str):
    with pytest.raises(ValueError, match=address.replace(".", r"\.")):
        estate.serve(address=address)


def test_a_server_leaves_nothing_behind(estate: Estate, capfd: pytest.CaptureFixture, caplog):
    before = set(threading.enumerate())
    estate.check(Type="TCP", IPAddress="127.0.0.1", Port=9)
    estate.leaf(True)
    server = estate.serve(every=0.01).start()
    began = set(threading.enumerate()) - before
    with socket.create_connection(("127.0.0.1", server.port)) as idle:
        ask(server, estate.zone, "SOA")
        assert len(began) == 4  # the sockets, the records, the alarms of a region, the endpoint
        assert all(thread.daemon for thread in began)
        server.close()
        server.close()
        assert idle.recv(1) == b""
    assert set(threading.enumerate()) <= before
    with estate.serve(port=server.port):
        pass
    assert (capfd.readouterr(), caplog.records) == (("", ""), [])


def test_a_missing_zone_is_reported(estate: Estate):
    server = DnsServer(estate.client, "ZNOSUCH", estate.zone, {})
    with pytest.raises(ClientError, match="NoSuchHostedZone"):
        server.start()
    with estate.serve(port=server.port):
        pass


def test_a_client_finds_its_way_by_name_alone(estate: Estate):
    estate.addresses["203.0.113.1"] = "127.0.0.2"
    estate.put("primary.a", "CNAME", estate.name("cell"))
    estate.put("cell", "A", "203.0.113.1")
    estate.put("_bucket.primary.a", "TXT", '"v=mft1;" "bucket=b"')
    with estate.serve() as server:
        resolver = Resolver(server.address, server.port)
        assert resolver.lookup(f"primary.a.{estate.zone}") == "127.0.0.2"
        assert resolver.txt(f"_bucket.primary.a.{estate.zone}") == "v=mft1;bucket=b"
        for name in (f"missing.{estate.zone}", f"a.{estate.zone}"):
            with pytest.raises(NotInDnsError, match=f"{name} has no A record"):
                resolver.lookup(name)
        with pytest.raises(NotInDnsError, match="REFUSED"):
            resolver.lookup("elsewhere.example.org")
    with pytest.raises(OSError, match=rf"no answer from 127\.0\.0\.1:{server.port} about new"):
        Resolver("127.0.0.1", server.port, timeout=0.1).lookup("new.example.gov")
    assert resolver.lookup(f"PRIMARY.a.{estate.zone}.") == "127.0.0.2"  # as long as its TTL lasts


def test_a_client_keeps_an_answer_for_its_ttl(estate: Estate):
    """The least TTL of the chain, and the SOA's for what is not there: 60 and 900 s, here a hundredth."""
    estate.put("t", "TXT", '"old"', ttl=60)
    estate.put("alias", "CNAME", estate.name("t"), ttl=300)
    with estate.serve() as server:
        resolver = Resolver(server.address, server.port, ttl_scale=0.01)
        other = Resolver(server.address, server.port, ttl_scale=0)
        began = time.monotonic()
        assert (resolver.txt(estate.name("t")), resolver.txt(estate.name("alias"))) == ("old", "old")
        with pytest.raises(NotInDnsError):
            resolver.txt(estate.name("later"))
        estate.put("t", "TXT", '"new"')
        estate.put("later", "TXT", '"there"')
        server.refresh()
        held = resolver.txt(estate.name("t")), resolver.txt(estate.name("alias"))
        assert time.monotonic() - began > 0.6 or held == ("old", "old")
        assert (other.txt(estate.name("t")), other.txt(estate.name("later"))) == ("new", "there")
        time.sleep(max(0.0, began + 0.75 - time.monotonic()))
        assert (resolver.txt(estate.name("t")), resolver.txt(estate.name("alias"))) == ("new", "new")
        with pytest.raises(NotInDnsError):
            resolver.txt(estate.name("later"))
        resolver.forget()
        assert resolver.txt(estate.name("later")) == "there"


def test_a_server_leaves_the_event_loop_of_its_maker_alone() -> None:
    mine = asyncio.new_event_loop()
    asyncio.set_event_loop(mine)
    listener = Listener("127.0.0.1", 0, lambda name, type: Answer())
    try:
        assert asyncio.get_event_loop() is mine
    finally:
        listener.close()
        asyncio.set_event_loop(None)
        mine.close()
