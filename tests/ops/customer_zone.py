"""Customers as the program leaves them: files of the registry, records in the emulated Route 53, checks."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml

from customers import dns, names
from customers.model import Customer
from customers.registry import load
from local.aws.emulator import ROOT
from local.dns.server import DnsServer
from ops.dns import dns_changes
from ops.dns.name_servers import ENV_NAME_SERVERS
from runtime.contract import REGION_OF, SIDES, check_reference
from tests.ops.conftest import NAMESPACE, WESTERN, Place

ZONE = "mft.example.gov"
_numbers = itertools.count(1)


@dataclass
class Estate:
    """A place with customers in it, and a name server that answers for them."""

    place: Place
    zone_id: str
    route53: Any
    checks: dict[tuple[str, str], str] = field(default_factory=dict)
    leaves: list[str] = field(default_factory=list)
    #: The checks of the regions' switches, by side, where there are any.
    switches: dict[str, str] = field(default_factory=dict)

    def registry(self, *customers: dict[str, Any]) -> None:
        """Write customers' files, with a comment on their `primary`."""
        folder = self.place.root / "customers"
        folder.mkdir(exist_ok=True)
        for customer in customers:
            document = {"name": f"Agency {customer['id']}", "lifecycle": "active", "primary": "west"}
            document |= {"cell": self.place.cell, **customer}
            document["sdk"] = {"principals": ["arn:aws-us-gov:iam::123456789012:role/uploader"]}
            document["destinations"] = {"landing": {"kind": "s3", "bucket": f"{customer['id']}-landing"}}
            document["routes"] = [{"match": "sdk/**", "to": ["landing"]}]
            text = yaml.safe_dump(document, sort_keys=False)
            text = text.replace("\nprimary: west\n", "\nprimary: west # nearest to them: west of all\n")
            (folder / f"agency-{customer['id']}.yaml").write_text(text)

    def customers(self) -> dict[str, Customer]:
        found = load(self.place.root / "customers", namespace=NAMESPACE, zone=ZONE)
        return {each.id: each for each in found.customers}

    def text(self, id: str) -> str:
        return (self.place.root / "customers" / f"agency-{id}.yaml").read_text()

    def check(self, side: str, name: str, threshold: int = 1) -> str:
        """Return the id of a check like the program's: always healthy, or never for `out`."""
        if (side, name) not in self.checks:
            reference = check_reference(NAMESPACE, self.place.cell, side, name)
            children = [*self.leaves[:1], *(id for its, id in self.switches.items() if its == side)]
            self.checks[side, name] = self.make_check(
                f"{reference}-{next(_numbers)}",
                Type="CALCULATED",
                ChildHealthChecks=children,
                HealthThreshold=len(children) + (name == "out"),
            )
        return self.checks[side, name]

    def make_check(self, reference: str, **config: Any) -> str:
        made = self.route53.create_health_check(CallerReference=reference, HealthCheckConfig=config)
        return made["HealthCheck"]["Id"]

    def deploy(self) -> None:
        """Create the records of the customers in service, as both stacks do."""
        for side in SIDES:
            self.check(side, "out")
        changes = []
        for customer in self.customers().values():
            if not customer.is_in_service:
                continue
            own = customer.failover.health_check == "customer"
            for side in SIDES:
                check = self.check(side, f"customer/{customer.id}" if own else "cell")
                for half in dns.halves(customer, side, NAMESPACE, ZONE):
                    record = dns.record(half, health_check=check)
                    fields = dns_changes._fields(record)
                    changes.append({"Action": "CREATE", "ResourceRecordSet": fields})
        for start in range(0, len(changes), 200):
            batch = {"Changes": changes[start : start + 200]}
            self.route53.change_resource_record_sets(HostedZoneId=self.zone_id, ChangeBatch=batch)

    def records(self) -> dict[tuple[str, str, str], tuple[Any, ...]]:
        """Return role, TTL, values and check of every failover record."""
        pages = self.route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=self.zone_id)
        return {
            (each["Name"].rstrip("."), each["Type"], each["SetIdentifier"]): (
                each["Failover"],
                each["TTL"],
                [value["Value"] for value in each["ResourceRecords"]],
                each["HealthCheckId"],
            )
            for page in pages
            for each in page["ResourceRecordSets"]
            if "SetIdentifier" in each
        }

    def bucket(self, role: str, side: str) -> str:
        return names.cell_bucket(NAMESPACE, self.place.cell, role, side)

    def recorded(self, side: str) -> dict[str, Any]:
        """Return what the audit bucket of a region holds, by key."""
        s3, bucket = self.place.aws.client("s3", REGION_OF[side]), self.bucket("audit", side)
        listed = s3.list_objects_v2(Bucket=bucket).get("Contents", ())
        return {
            each["Key"]: json.loads(s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read())
            for each in listed
        }

    def primaries(self, *ids: str) -> dict[str, set[str]]:
        """Return, by customer, the sides that are PRIMARY of `primary.`: one if CNAME and TXT agree."""
        return {
            id: {
                side
                for (name, _, side), (role, *_) in self.records().items()
                if role == "PRIMARY" and name.removeprefix("_bucket.") == f"primary.{id}.{ZONE}"
            }
            for id in ids
        }

    def wanted(self) -> dict[tuple[str, str, str], tuple[str, int, str]]:
        """Return role, TTL and value of every half as the program now makes it."""
        return {
            (half.name, half.type, half.set_identifier): (half.failover, half.ttl, half.value)
            for customer in self.customers().values()
            if customer.is_in_service
            for side in SIDES
            for half in dns.halves(customer, side, NAMESPACE, ZONE)
        }

    def as_the_program_has_them(self) -> dict[tuple[str, str, str], tuple[str, int, str]]:
        return {
            key: (role, ttl, values[0].strip('"')) for key, (role, ttl, values, _) in self.records().items()
        }


#: The real program, in a process of its own: prints the records of stacks.
PROGRAM = """
import json, sys
from pathlib import Path
from components import bundle
from tests.program.conftest import RUNTIME, record

root, config, *stacks = sys.argv[1:]
bundle.install(RUNTIME)
graphs = [record(stack, root=Path(root), config=json.loads(config)) for stack in stacks]
found = [each for graph in graphs for each in graph.of("aws:route53/record:Record")]
records = [each for each in found if "setIdentifier" in each.inputs]
assert all(each.ignore_changes == ("healthCheckId",) for each in records)
print(json.dumps([each.inputs for each in records]))
"""


def programs_records(estate: Estate, *sides: str) -> dict:
    """Return role, TTL and value of every half that these sides' stacks now make from the registry."""
    made = {}
    config = json.dumps(estate.place.facts | {"mft:zoneId": estate.zone_id, "mft:peer": "present"})
    stacks = [f"gov-{side}" for side in sides]
    command = [sys.executable, "-c", PROGRAM, str(estate.place.root), config, *stacks]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for each in json.loads(done.stdout.splitlines()[-1]):
        (policy,) = each["failoverRoutingPolicies"]
        key = (each["name"], each["type"], each["setIdentifier"])
        made[key] = (policy["type"], int(each["ttl"]), each["records"][0])
    return made


@pytest.fixture
def zone(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Estate]:
    """An empty estate of two cells that are well; its customers are written and deployed by the test."""
    route53 = place.aws.client("route53", WESTERN)
    made = route53.create_hosted_zone(Name=ZONE, CallerReference=f"estate-{next(_numbers)}-{place.cell}")
    zone_id = made["HostedZone"]["Id"].rpartition("/")[2]
    estate = Estate(place, zone_id, route53)
    monkeypatch.setattr("ops.health.cell_health.problems", lambda cell: [])
    monkeypatch.setattr("ops.dns.name_servers._PAUSE", 0.1)
    monkeypatch.setattr("ops.dns.dns_changes.LOOK", 0.1)
    for side in SIDES:
        place.write(side, zoneId=zone_id)
        where = {"LocationConstraint": REGION_OF[side]}
        s3 = place.aws.client("s3", REGION_OF[side])
        s3.create_bucket(Bucket=estate.bucket("audit", side), CreateBucketConfiguration=where)
    config = {"Type": "TCP", "IPAddress": "203.0.113.9", "Port": 22, "Disabled": True}
    estate.leaves.append(estate.make_check(f"leaf-{next(_numbers)}", **config))
    with DnsServer(place.aws.client, zone_id, ZONE, {}, every=0.3, period_scale=1 / 60) as server:
        monkeypatch.setenv(ENV_NAME_SERVERS, f"{server.address}:{server.port}")
        estate.server = server
        yield estate
    for id in (*estate.checks.values(), *estate.switches.values(), *estate.leaves):
        route53.delete_health_check(HealthCheckId=id)
