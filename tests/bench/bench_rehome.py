"""Rehoming a thousand customers on the emulated Route 53: `python -m tests.bench.bench_rehome [CUSTOMERS]`.

Budgets: 1,000 customers rehomed in at most 20 batches and 5 s of Route 53's pace; 200 shifted in at most 6.
Seconds are of this machine with the emulator on it; the pace is what Route 53's token bucket would add. Only
the halves that are changed are in the zone: all twelve of a thousand customers are more than a zone holds.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from customers import dns, names
from customers.registry import load
from local.aws.emulator import Emulator
from local.dns.server import DnsServer
from ops.dns.dns_changes import CAPACITY, RATE, HostedZone, _fields, batches
from ops.dns.name_servers import ENV_NAME_SERVERS
from ops.environment import Environment
from ops.failover.rehome import Rehome
from ops.failover.shift import Shifting
from runtime.contract import REGION_OF, SIDES, check_reference, switch_parameter

NAMESPACE, ZONE, CELL = "bench-mft", "mft.example.gov", "1"
SHIFTED = 200
#: There are records here, and no cells behind them.
OVERRIDE = f"{REGION_OF['east']} is not ready"


class Place(Environment):
    """An environment whose clients are the emulator's."""

    aws: Emulator

    def client(self, service: str, side: str) -> Any:
        return self.aws.client(service, REGION_OF[side])


class Counted(HostedZone):
    """A zone that counts its requests, and does not wait for the token bucket."""

    def __init__(self, place: Place) -> None:
        super().__init__(place, clock=lambda: 0.0, sleep=lambda _: None)
        self.requests = 0

    def _ask(self, operation: str, **request: Any) -> Any:
        self.requests += 1
        return super()._ask(operation, **request)

    @property
    def pace(self) -> float:
        """Seconds that Route 53's token bucket adds, full at first."""
        return max(0, self.requests - CAPACITY) / RATE


def _write(root: Path, count: int) -> None:
    (root / "customers").mkdir()
    for number in range(count):
        document = {
            "id": f"c{number:04}",
            "name": f"Agency {number}",
            "lifecycle": "active",
            "primary": "west",
            "failover": {"health_check": "cell"},
            "sdk": {"principals": [f"arn:aws-us-gov:iam::123456789012:role/uploader-{number}"]},
            "destinations": {"landing": {"kind": "s3", "bucket": f"partner-{number}"}},
            "routes": [{"match": "sdk/**", "to": ["landing"]}],
        }
        path = root / "customers" / f"agency-{number:04}.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False))


def _deploy(route53: Any, zone_id: str, root: Path) -> None:
    def check(side: str, name: str, **config: Any) -> str:
        reference = check_reference(NAMESPACE, CELL, side, name)
        made = route53.create_health_check(CallerReference=f"{reference}-1", HealthCheckConfig=config)
        return str(made["HealthCheck"]["Id"])

    leaf = check("east", "leaf", Type="TCP", IPAddress="203.0.113.9", Port=22, Disabled=True)
    over = {"Type": "CALCULATED", "ChildHealthChecks": [leaf]}
    changes = []
    for side in SIDES:
        check(side, "out", HealthThreshold=2, **over)
        cell = check(side, "cell", HealthThreshold=1, **over)
        for number, customer in enumerate(load(root / "customers").customers):
            hosts = {names.endpoint_host("primary", customer.id, ZONE)}
            hosts.add(names.bucket_record("primary", customer.id, ZONE))
            for half in dns.halves(customer, side, NAMESPACE, ZONE):
                if half.name in hosts or number < SHIFTED:
                    record = _fields(dns.record(half, health_check=cell))
                    changes.append({"Action": "CREATE", "ResourceRecordSet": record})
    for start in range(0, len(changes), 300):
        batch = {"Changes": changes[start : start + 300]}
        route53.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch=batch)


def _size(groups: Iterable[Any]) -> int:
    return len(list(batches(groups)))


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as folder, Emulator() as aws:
        root = Path(folder)
        _write(root, count)
        route53 = aws.client("route53", REGION_OF["west"])
        made = route53.create_hosted_zone(Name=ZONE, CallerReference="bench")
        zone_id = made["HostedZone"]["Id"].rpartition("/")[2]
        _deploy(route53, zone_id, root)
        for side in SIDES:
            parameter = switch_parameter(NAMESPACE, CELL, side)
            for region in REGION_OF.values():
                aws.client("ssm", region).put_parameter(Name=parameter, Type="String", Value="in")
            audit = names.cell_bucket(NAMESPACE, CELL, "audit", side)
            where = {"LocationConstraint": REGION_OF[side]}
            aws.client("s3", REGION_OF[side]).create_bucket(Bucket=audit, CreateBucketConfiguration=where)
        Place.aws = aws
        place = Place(namespace=NAMESPACE, cell=CELL, zone=ZONE, zone_id=zone_id, account="123456789012")
        _shift(place, root)
        # It reads the whole zone at every look, in this process: seldom, or that is what would be measured.
        with DnsServer(aws.client, zone_id, ZONE, {}, every=10) as server:
            os.environ[ENV_NAME_SERVERS] = f"{server.address}:{server.port}"
            _rehome(place, root)


def _shift(place: Place, root: Path) -> None:
    zone, began = Counted(place), time.perf_counter()
    shifting = Shifting(place, root, zone)
    plan = shifting.plan([f"c{number:04}" for number in range(SHIFTED)], "west", override=OVERRIDE)
    size = _size(each.changes for each in plan.shifts)
    shifting.apply(plan, why="bench", shifted=lambda _: None)
    seconds = time.perf_counter() - began
    print(
        f"shift of {len(plan.shifts)}: {size} batches (at most 6), {zone.requests} requests,"
        f" {zone.pace:.1f} s of Route 53's pace; {seconds:.1f} s here"
    )


def _rehome(place: Place, root: Path) -> None:
    zone, began = Counted(place), time.perf_counter()
    rehome = Rehome(place, root, zone)
    plan = rehome.plan(None, "east", override=OVERRIDE)
    planned = time.perf_counter() - began
    split = [
        move.customer
        for move in plan.moves
        if sum(set(move.changes) <= set(batch) for batch in batches(m.changes for m in plan.moves)) != 1
    ]
    began = time.perf_counter()
    rehome.apply(plan, why="bench", moved=lambda _: None)
    seconds, requests, pace = time.perf_counter() - began, zone.requests, zone.pace
    left = len(Rehome(place, root, HostedZone(place)).plan(None, "east", override=OVERRIDE).left)
    print(
        f"rehome of {len(plan.moves):,}: {plan.batches} batches (at most 20), {len(split)} customers split,"
        f" {requests} requests, {pace:.1f} s of Route 53's pace (at most 5);"
        f" here {planned:.1f} s to plan and {seconds:.1f} s to do and verify; {left} left"
    )


if __name__ == "__main__":
    main()
