"""How each kind of client fares when a name moves: with a real name server and simulated storage."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from inspect import isabstract
from pathlib import Path
from typing import Any

import pytest
from dnslib import CNAME, QTYPE, RR, TXT, A, DNSLabel

from customers.model import Customer
from local.dns.resolver import Resolver
from local.dns.wire import Listener
from local.dns.zone import Answer
from local.drill.client_kinds import (
    BY_SDK,
    BY_SFTP,
    ByName,
    ByRecord,
    CustomerClient,
    ForEver,
    HardCoded,
    Staying,
)
from local.drill.measures import Timeline
from local.drill.population import Population
from local.drill.sender import Sender
from local.program import ROOT
from local.sftp.clients import UploadError
from local.world import World
from mft_client import Client, Discovery, Settings
from runtime.contract import EAST, REGION_OF, WEST, BucketRecord
from tests.local.conftest import eventually

ADDRESSES = {WEST: "127.0.0.2", EAST: "127.0.0.3"}
HOST, RECORD = "west.c.mft.example.gov", "_bucket.west.c.mft.example.gov"
TTL = 1


class Platform:
    """Two regions behind a name server: names point to `answered`, and the sides in `dead` accept nothing."""

    def __init__(self) -> None:
        self.answered, self.dead = WEST, set[str]()
        self.stored: list[tuple[str, str]] = []
        self.sessions: set[str] = set()

    def answer(self, name: DNSLabel, type: str) -> Answer:
        bucket = BucketRecord(bucket=f"bucket-{self.answered}", region=REGION_OF[self.answered])
        if type == "TXT":
            return Answer(answer=[RR(name, QTYPE.TXT, ttl=TTL, rdata=TXT(bucket.render()))])
        cell = f"sftp.{self.answered}1.mft.example.gov."
        address = RR(cell, QTYPE.A, ttl=TTL, rdata=A(ADDRESSES[self.answered]))
        return Answer(answer=[RR(name, QTYPE.CNAME, ttl=TTL, rdata=CNAME(cell)), address])

    def take(self, side: str, name: str) -> None:
        if side in self.dead:
            raise UploadError(f"{side} is dead")
        self.stored.append((side, name))

    def sftp(self, address: str) -> tuple[str, Any]:
        side = next(side for side, its in ADDRESSES.items() if its == address)
        return side, Connection(self, side)

    def s3(self, region: str) -> Any:
        return Connection(self, next(side for side, its in REGION_OF.items() if its == region))


class Connection:
    """The SFTP client, the session and the S3 client of one side."""

    def __init__(self, platform: Platform, side: str) -> None:
        self._platform, self._side = platform, side

    def upload(self, name: str, content: bytes) -> None:
        self._platform.take(self._side, name)

    def session(self) -> Connection:
        self._platform.take(self._side, "session")
        return self

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **_more: str) -> dict[str, str]:
        assert f"bucket-{self._side}" == Bucket
        self._platform.take(self._side, Key)
        return {"VersionId": str(len(self._platform.stored))}

    def close(self) -> None:
        """End it."""


@pytest.fixture(scope="module")
def customer() -> Customer:
    return World(ROOT / "customers").customers()[0]


@pytest.fixture
def platform() -> Platform:
    return Platform()


@pytest.fixture
def resolver(platform: Platform) -> Iterator[Any]:
    listener = Listener("127.0.0.1", 0, platform.answer)
    yield lambda: Resolver("127.0.0.1", listener.port, ttl_scale=0.5)
    listener.close()


@pytest.fixture
def clients(
    platform: Platform, resolver: Any, customer: Customer, tmp_path: Path
) -> Iterator[dict[type[CustomerClient], CustomerClient]]:
    sender = Sender(customer=customer, folder="inbound/sdk/", user="u")
    settings = Settings(
        customer=customer.id,
        zone="mft.example.gov",
        account="123456789012",
        buckets={region: (f"bucket-{side}",) for side, region in REGION_OF.items()},
        resolvers=((resolver()._address, resolver()._port),),
        journal=tmp_path / "mft.journal",
    )

    def start() -> Client:
        discovery = Discovery(settings, clock=lambda: 2 * time.monotonic())
        return Client(settings, discovery=discovery, aws=lambda _, region: platform.s3(region), pauses=())

    made: list[CustomerClient] = [
        *(kind(sender, HOST, resolver(), platform.sftp) for kind in (ByName, ForEver, Staying)),
        HardCoded(sender, RECORD, resolver(), platform.s3),
        ByRecord(sender, WEST, start),
    ]
    yield {type(client): client for client in made}
    made[-1].close()


NOTICE = {"bucket": "bucket-east", "region": REGION_OF[EAST]}


def test_clients_that_look_up_names_arrive_after_the_ttl_and_others_after_the_notice(
    clients: dict[type[CustomerClient], CustomerClient], platform: Platform
) -> None:
    assert {client.send("a", b"") for client in clients.values()} == {WEST}
    platform.answered = EAST
    at_once = {kind: client.send("b", b"") for kind, client in clients.items()}
    assert set(at_once.values()) == {WEST}  # the answer is kept for its TTL, by everybody
    eventually(lambda: clients[ByName].send("c", b"") == EAST)
    eventually(lambda: clients[ByRecord].send("c", b"") == EAST)
    stay = (ForEver, Staying, HardCoded)
    assert {clients[kind].send("d", b"") for kind in stay} == {WEST}
    for kind in stay:
        clients[kind].read_notice(NOTICE)
    assert {clients[kind].send("e", b"") for kind in stay} == {EAST}


def test_a_session_that_broke_is_looked_up_again_and_an_address_that_is_kept_is_not(
    clients: dict[type[CustomerClient], CustomerClient], platform: Platform
) -> None:
    for kind in (Staying, ForEver):
        clients[kind].send("a", b"")
    platform.answered, platform.dead = EAST, {WEST}
    for kind in (Staying, ForEver):
        with pytest.raises(UploadError):
            clients[kind].send("b", b"")
    eventually(lambda: _sends(clients[Staying]))
    with pytest.raises(UploadError):
        clients[ForEver].send("c", b"")


def _sends(client: CustomerClient) -> bool:
    try:
        return client.send("c", b"") == EAST
    except UploadError:
        return False


def test_a_population_counts_its_uploads_by_the_region_they_went_to(
    clients: dict[type[CustomerClient], CustomerClient], platform: Platform
) -> None:
    noted: list[str] = []
    behind = threading.Event()
    behind.set()
    kinds = [clients[ByName], clients[ForEver]]
    timeline = Timeline()
    population = Population(
        kinds,
        side=WEST,
        prefix="p",
        timeline=timeline,
        note=lambda file: noted.append(f"{file.side} {file.name}"),
        is_behind=lambda: behind.is_set(),
        every=0.05,
        again=0.05,
    )
    population.start()
    threading.Event().wait(0.3)
    assert platform.stored == [], "somebody sent while the machine was behind"
    behind.clear()
    eventually(lambda: all(each.acknowledged for each in population.counts(None)))
    population.pause()
    stored = len(platform.stored)
    platform.answered, platform.dead = EAST, {WEST}
    decided = timeline.began
    threading.Event().wait(0.3)
    assert len(platform.stored) == stored, "somebody sent while all were to be quiet"
    assert not population.cannot_send([ForEver.kind])
    population.resume()
    eventually(lambda: population.reached([ByName.kind]) and population.cannot_send([ForEver.kind]))
    assert not population.cannot_send([ByName.kind, ForEver.kind]), "one of them has arrived"
    assert not population.reached([ForEver.kind])
    population.read_notice({**NOTICE, "customer": kinds[0].sender.customer.id})
    eventually(population.reached)
    population.stop()
    by_name, for_ever = population.counts(decided)
    assert by_name.asked == by_name.failed + by_name.acknowledged
    assert set(by_name.by_side) == {WEST, EAST}
    assert for_ever.failed > 0
    assert for_ever.reached_survivor_after > by_name.reached_survivor_after > 0
    assert len(noted) == len(set(noted)) == by_name.acknowledged + for_ever.acknowledged


def kinds_below(kind: type[CustomerClient]) -> set[type[CustomerClient]]:
    """Return the concrete subclasses of a class of clients."""
    below = kind.__subclasses__()
    return {each for each in below if not isabstract(each)}.union(*map(kinds_below, below))


def test_every_kind_of_client_is_in_the_population() -> None:
    assert kinds_below(CustomerClient) == {*BY_SFTP, *BY_SDK}
