"""A pair of stacks with a customer who has transfers: both cells, as the runtime sees them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from customers import names
from local.aws.emulator import Emulator
from runtime import contract
from runtime.contract import EAST, WEST
from runtime.decision import Action
from runtime.executions import first
from runtime.transfer import Transfer
from tests.runtime import cells
from tests.runtime.cells import NAMESPACE, ROLE, Cell, eventually

if TYPE_CHECKING:
    from tests.ops.conftest import Place

#: Days for which facts are kept: few, for every day is looked at.
TRACKER_DAYS = 35

_numbers = itertools.count(500)  # below are the cells of other tests


@dataclass
class Side(Cell):
    """One side of a customer, its cell's buckets named as the program names them."""

    cell: str = ""

    @property
    def stem(self) -> str:
        return contract.stem(NAMESPACE, self.cell)

    @property
    def config_bucket(self) -> str:
        return names.cell_bucket(NAMESPACE, self.cell, "config", self.side)

    @property
    def archive_bucket(self) -> str:
        return names.cell_bucket(NAMESPACE, self.cell, "archive", self.side)

    @property
    def audit_bucket(self) -> str:
        return names.cell_bucket(NAMESPACE, self.cell, "audit", self.side)

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest that the program writes of a cell; only the state machine exists."""
        return {
            "server": "s-1",
            "addresses": [],
            "queue": "queue",
            "dead_letters": {},
            "state_machine": self.state_machine,
            "functions": {},
            "alerts": "topic",
        }

    def make(self) -> Side:
        super().make()
        s3 = self.client("s3")
        where = {"LocationConstraint": self.region}
        s3.create_bucket(Bucket=self.audit_bucket, CreateBucketConfiguration=where)
        s3.put_bucket_versioning(Bucket=self.audit_bucket, VersioningConfiguration={"Status": "Enabled"})
        role = names.replication_job_role(NAMESPACE, self.cell, self.side)
        self.client("iam").create_role(RoleName=role, AssumeRolePolicyDocument="{}")
        self.client("ssm").put_parameter(
            Name=contract.cell_parameter(NAMESPACE, self.cell, "parts"),
            Value=json.dumps(self.manifest),
            Type="String",
        )
        return self

    def register(self, **instead: Any) -> None:
        retention = {"inbound_days": 14, "archive_days": 365, "tracker_days": TRACKER_DAYS}
        super().register(**{"retention": retention, **instead})


@dataclass
class Estate:
    """Both sides of a customer, and what an operator types about it."""

    place: Place
    west: Side
    east: Side
    dead: list[str] = field(default_factory=list)

    @property
    def customer(self) -> str:
        return self.west.customer

    def lose(self, side: str) -> None:
        """Kill a region until the test ends."""
        self.dead.append(contract.REGION_OF[side])
        self.place.aws.region_down(self.dead[-1])

    def ops(self, *words: str) -> Any:
        return self.place.ops(*words)

    def json(self, *words: str) -> tuple[int, dict[str, Any]]:
        return self.place.json(*words)


@pytest.fixture
def estate(aws: Emulator, place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Estate]:
    """A customer with transfers in West and East, of a cell of its own."""
    cell = str(next(_numbers))
    customer, table = f"ct{cell}", names.tracker_table(cell)
    cells._global_table(aws, table)
    west, east = (Side(aws, side, customer, table, cell=cell).make() for side in (WEST, EAST))
    place.cell = cell
    for side in (WEST, EAST):
        place.write(side, namespace=NAMESPACE)
        which = contract.switch_parameter(NAMESPACE, cell, side)
        place.keeper(side).put_parameter(Name=which, Value="in", Type="String")
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint)
    made = Estate(place=place, west=west, east=east)
    yield made
    for region in made.dead:
        aws.region_up(region)


def replicate(estate: Estate) -> None:
    """Replicate objects to the other region, as the program configures it."""
    for side, peer in ((estate.west, estate.east), (estate.east, estate.west)):
        for bucket, copy in ((side.bucket, peer.bucket), (side.archive_bucket, peer.archive_bucket)):
            s3 = side.client("s3")
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
            peer.client("s3").put_bucket_versioning(
                Bucket=copy, VersioningConfiguration={"Status": "Enabled"}
            )
            rule = {"ID": "to-peer", "Status": "Enabled", "Priority": 1, "Filter": {"Prefix": ""}}
            rule |= {"DeleteMarkerReplication": {"Status": "Disabled"}}
            rule |= {"Destination": {"Bucket": f"arn:aws-us-gov:s3:::{copy}"}}
            s3.put_bucket_replication(Bucket=bucket, ReplicationConfiguration={"Role": ROLE, "Rules": [rule]})


def deliver(side: Side, content: bytes = b"abc", key: str = "inbound/sdk/a.csv") -> Transfer:
    """Carry a file from its upload to its receipt, and wait until its execution has ended as well."""
    transfer = side.receive(content, key)
    owner = first(transfer.id)
    if side.workflow.claim(transfer, owner=owner).action is Action.COMPARE:
        side.workflow.compare(transfer, side.source(transfer), owner=owner)
    side.attempt(transfer)
    side.archive.store(transfer, owner=owner)
    side.workflow.complete(transfer, [], owner=owner)
    eventually(lambda: side.has_ended(owner))
    return transfer


def other_customer(estate: Estate) -> str:
    """Register one more customer, with buckets of its own."""
    name = f"{estate.customer}b"
    for side in (estate.west, estate.east):
        s3 = side.client("s3")
        document = s3.get_object(Bucket=side.config_bucket, Key=contract.config_key(estate.customer))
        body = json.dumps(json.loads(document["Body"].read()) | {"id": name})
        s3.put_object(Bucket=side.config_bucket, Key=contract.config_key(name), Body=body)
        s3.create_bucket(
            Bucket=contract.bucket_of(name, side.stem, side.side),
            CreateBucketConfiguration={"LocationConstraint": side.region},
        )
    return name
