"""An emulated AWS, a name server, and a sender's machine with clocks that stand still."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dns.resolver
import pytest

import mft_client
from local.aws.emulator import ACCOUNT, Emulator
from local.dns.server import DnsServer
from mft_client import Client, Discovery, Settings
from mft_client.protocol import PRIMARY, BucketRecord
from tests.local.dns_estate import EAST, WEST, Estate

CUSTOMER = "c7k2m"
#: The folder of the distribution, from which other processes import it.
DISTRIBUTION = Path(mft_client.__file__).parents[1]
KEY = "inbound/sdk/daily/report.csv"
START = datetime(2026, 3, 2, 12, tzinfo=UTC)
_numbers = itertools.count(1)


class Aws:
    """The emulator, as `Estate` calls it."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator

    def __call__(self, service: str, region: str = WEST) -> Any:
        return self.emulator.client(service, region)


@pytest.fixture(scope="session")
def aws() -> Iterator[Aws]:
    with Emulator(lambdas=1) as emulator:
        yield Aws(emulator)


class Place:
    """A customer's zone and buckets, and the client's machine, with clocks that stand still."""

    def __init__(self, estate: Estate, server: DnsServer, folder: Path) -> None:
        self.estate, self.server, self.folder = estate, server, folder
        self.number = next(_numbers)
        self.ticks, self.now, self.slept = 0.0, START, list[float]()
        self.source = folder / "report.csv"
        self.source.write_bytes(b"a,b\n1,2\n")
        self.queue = estate.aws("sqs", EAST).create_queue(QueueName=f"receipts-{self.number}")["QueueUrl"]
        for region in (WEST, EAST):
            self._make(self.bucket(region), region)
        self.points_to(WEST)

    def _make(self, name: str, region: str) -> None:
        s3 = self.estate.aws("s3", region)
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})

    def bucket(self, region: str) -> str:
        return f"sdk{self.number}-{CUSTOMER}-{'west' if region == WEST else 'east'}"

    def settings(self, **instead: Any) -> Settings:
        usual = {
            "customer": CUSTOMER,
            "zone": self.estate.zone,
            "account": ACCOUNT,
            "buckets": {region: (self.bucket(region),) for region in (WEST, EAST)},
            "journal": self.folder / "mft.journal",
            "queues": {EAST: (self.queue,)},
            "resolvers": ((self.server.address, self.server.port),),
        }
        return Settings(**usual | instead)

    def points_to(self, region: str, endpoint: str = PRIMARY, ttl: int = 60) -> None:
        """Point the TXT record of an endpoint to a region's bucket, as an evacuation does."""
        self.says(f"v=mft1;bucket={self.bucket(region)};region={region}", endpoint=endpoint, ttl=ttl)

    def says(self, *texts: str, endpoint: str = PRIMARY, ttl: int = 60) -> None:
        """Let the TXT record of an endpoint consist of these texts."""
        values = [f'"{text}"' for text in texts]
        self.estate.put(f"_bucket.{endpoint}.{CUSTOMER}", "TXT", *values, ttl=ttl)
        self.server.refresh()

    def record(self, region: str) -> BucketRecord:
        return BucketRecord(bucket=self.bucket(region), region=region)

    def resolver(self, port: int | None = None) -> dns.resolver.Resolver:
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = [self.server.address], port or self.server.port
        resolver.lifetime = 5.0
        return resolver

    def discovery(self, *resolvers: dns.resolver.Resolver) -> Discovery:
        return Discovery(self.settings(), resolvers=resolvers or [self.resolver()], clock=lambda: self.ticks)

    def client(self, *, s3: Any = None, settings: Settings | None = None, **instead: Any) -> Client:
        """Return the client of a program that has just started; `s3` may stand for a region's S3."""

        def aws(service: str, region: str) -> Any:
            return s3(region) if s3 and service == "s3" else self.estate.aws(service, region)

        usual = {
            "discovery": self.discovery(),
            "aws": aws,
            "sleep": self.slept.append,
            "now": lambda: self.now,
        }
        return Client(settings or self.settings(), **usual | instead)

    def versions(self, region: str) -> list[dict[str, Any]]:
        found = self.estate.aws("s3", region).list_object_versions(Bucket=self.bucket(region))
        return list(found.get("Versions", ()))

    def held(self, region: str, key: str = KEY) -> list[bytes]:
        """Return the contents of a key's versions, oldest first."""
        s3 = self.estate.aws("s3", region)
        listed = s3.list_object_versions(Bucket=self.bucket(region), Prefix=key).get("Versions", [])
        which = [
            {"Bucket": self.bucket(region), "Key": key, "VersionId": each["VersionId"]} for each in listed
        ]
        return [s3.get_object(**each)["Body"].read() for each in reversed(which)]

    def settings_file(self, **instead: Any) -> Path:
        """Write the settings of a sender into a file, as its operators would; None leaves an entry out."""
        settings = self.settings()
        entries: dict[str, Any] = {
            "customer": settings.customer,
            "zone": settings.zone,
            "account": settings.account,
            "journal": settings.journal.name,
            "buckets": {region: list(names) for region, names in settings.buckets.items()},
            "receipts": {"queues": {EAST: self.queue}},
            "dns": {"resolvers": [f"{self.server.address}:{self.server.port}"]},
        }
        return write_settings(self.folder / "mft.toml", entries | instead)

    def environment(self) -> dict[str, str]:
        """Return the variables by which AWS's tools find the emulated AWS."""
        return {
            "AWS_ENDPOINT_URL": self.estate.aws.emulator.endpoint,
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "local",
        }

    def tell(self, *documents: Any) -> None:
        """Put messages into the customer's queue."""
        for each in documents:
            body = each if isinstance(each, str) else json.dumps(each)
            self.estate.aws("sqs", EAST).send_message(QueueUrl=self.queue, MessageBody=body)

    def told(self) -> int:
        """Return how many messages are in the customer's queue, seen or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.estate.aws("sqs", EAST).get_queue_attributes(QueueUrl=self.queue, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def unfinished(self, region: str) -> list[dict[str, Any]]:
        """Return the multipart uploads that are open in a region's bucket."""
        found = self.estate.aws("s3", region).list_multipart_uploads(Bucket=self.bucket(region))
        return list(found.get("Uploads", ()))


def write_settings(path: Path, entries: dict[str, Any]) -> Path:
    """Write a file of settings; None leaves an entry out."""
    lines = []
    for name, value in sorted(entries.items(), key=lambda each: isinstance(each[1], dict)):
        if isinstance(value, dict):
            lines += [f"[{name}]", *(f"{key} = {_toml(each)}" for key, each in value.items())]
        elif value is not None:
            lines.append(f"{name} = {_toml(value)}")
    path.write_text("\n".join(lines) + "\n")
    return path


def _toml(value: Any) -> str:
    """Return a value as TOML writes it, which for texts, numbers and lists is as JSON does, or in {}."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + "}"
    return json.dumps(value)


@pytest.fixture
def place(aws: Aws, tmp_path: Path) -> Iterator[Place]:
    estate = Estate(aws)
    with estate.serve() as server:
        yield Place(estate, server, tmp_path)
    estate.close()
