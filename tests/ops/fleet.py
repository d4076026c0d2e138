"""Customers whose records follow the switches, and both cells' buckets: what moving a whole region needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from customers import names
from customers.document import routing_document
from ops.failover import switching
from runtime import contract
from runtime.contract import ENDPOINTS, REGION_OF, SIDES, BucketRecord, Kind, Outcome, peer_of
from runtime.metric_names import SWITCH_METRIC, SWITCH_NAMESPACE, switch_dimensions
from runtime.tracker import Tracker
from runtime.transfer import Transfer
from tests.ops.conftest import NAMESPACE, CommandResult, Place
from tests.ops.customer_zone import ZONE, Estate, zone  # noqa: F401 - a fixture
from tests.runtime.cells import _global_table

WHY = ("--reason", "West does not answer")
#: At home in West, and in East.
WESTERNER, EASTERNER = "c7k2m", "h4t9q"
#: Has no records any more.
DRAINING = "z9z9z"


@dataclass
class Fleet:
    """Two customers in service, and one who is draining."""

    estate: Estate

    @property
    def place(self) -> Place:
        return self.estate.place

    def bucket(self, role: str, side: str) -> str:
        return self.estate.bucket(role, side)

    def client(self, service: str, side: str) -> Any:
        return self.place.aws.client(service, REGION_OF[side])

    def make(self) -> Fleet:
        for side in SIDES:
            self._switch(side)
        self.estate.registry(
            {"id": WESTERNER},
            {"id": EASTERNER, "primary": "east", "failover": {"health_check": "cell"}},
            {"id": DRAINING, "lifecycle": "draining"},
        )
        self.estate.deploy()
        _global_table(self.place.aws, names.tracker_table(self.place.cell))
        customers = self.estate.customers().values()
        for side in SIDES:
            buckets = [self.bucket(role, side) for role in ("config", "archive")]
            buckets += [
                names.bucket(contract.stem(NAMESPACE, self.place.cell), customer.id, side)
                for customer in customers
            ]
            s3 = self.client("s3", side)
            for bucket in buckets:
                s3.create_bucket(
                    Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION_OF[side]}
                )
            canary = contract.config_key(contract.canary(self.place.cell))
            s3.put_object(Bucket=self.bucket("config", side), Key=canary, Body=b"{}")
            for customer in customers:
                document = routing_document(customer) | {"receipts_topic": "arn:aws-us-gov:sns:::none"}
                key = contract.config_key(customer.id)
                s3.put_object(Bucket=self.bucket("config", side), Key=key, Body=json.dumps(document))
        self.estate.server.refresh()
        return self

    def clear(self) -> None:
        """Delete the buckets: their names are global, and the next fleet needs them."""
        for side in SIDES:
            s3 = self.client("s3", side)
            for id in (WESTERNER, EASTERNER, DRAINING):
                s3.delete_bucket(Bucket=names.bucket(contract.stem(NAMESPACE, self.place.cell), id, side))

    def _switch(self, side: str) -> None:
        """Make a region's switch a health check, as the program does: by an alarm in its peer."""
        alarm = f"switch-{self.place.cell}-{side}"
        dimensions = switch_dimensions(NAMESPACE, self.place.cell, side)
        self.client("cloudwatch", peer_of(side)).put_metric_alarm(
            AlarmName=alarm,
            Namespace=SWITCH_NAMESPACE,
            MetricName=SWITCH_METRIC,
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
            Statistic="Maximum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="missing",
        )
        self.estate.switches[side] = self.estate.make_check(
            alarm,
            Type="CLOUDWATCH_METRIC",
            AlarmIdentifier={"Region": REGION_OF[peer_of(side)], "Name": alarm},
            InsufficientDataHealthStatus="LastKnownStatus",
        )

    # --- What operators do and see ---

    def plan(self, verb: str, region: str, *words: str) -> dict[str, Any]:
        code, document = self.place.json(verb, region, *words)
        assert code == 0, document
        return document

    def apply(self, verb: str, region: str, *words: str, digest: str | None = None) -> tuple[int, dict]:
        digest = digest or self.plan(verb, region, *words)["digest"]
        return self.place.json(verb, region, *words, *WHY, "--apply", "--digest", digest)

    def apply_as_text(self, verb: str, region: str, *words: str, digest: str | None = None) -> CommandResult:
        """Apply, and return the output as text."""
        digest = digest or self.plan(verb, region, *words)["digest"]
        return self.place.ops(verb, region, *words, *WHY, "--apply", "--digest", digest)

    def answers(self) -> dict[str, dict[str, str]]:
        """Return, by customer and endpoint, the side that the name server answers for both CNAME and TXT."""
        self.estate.server.refresh()
        return {
            id: {endpoint: self._side(endpoint, id) for endpoint in ENDPOINTS}
            for id in (WESTERNER, EASTERNER)
        }

    def _side(self, endpoint: str, id: str) -> str:
        server = self.estate.server
        (host,) = server.answer(names.endpoint_host(endpoint, id, ZONE), "CNAME").values
        (text,) = server.answer(names.bucket_record(endpoint, id, ZONE), "TXT").values
        (side,) = (side for side in SIDES if names.cell_host(side, self.place.cell, ZONE) == host.rstrip("."))
        assert BucketRecord.parse(text).region == REGION_OF[side]
        return side

    def shift_out(self, id: str, side: str) -> None:
        """Shift a customer out of a region, as `ops shift` leaves it."""
        out = self.estate.check(side, "out")
        pages = self.estate.route53.list_resource_record_sets(HostedZoneId=self.estate.zone_id)
        halves = [
            each | {"HealthCheckId": out}
            for each in pages["ResourceRecordSets"]
            if f".{id}." in each["Name"] and each.get("SetIdentifier") == side
        ]
        batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": each} for each in halves]}
        self.estate.route53.change_resource_record_sets(HostedZoneId=self.estate.zone_id, ChangeBatch=batch)
        self.estate.server.refresh()

    def recorded(self, side: str) -> dict[str, Any]:
        return self.estate.recorded(side)

    def fail(
        self,
        side: str,
        kind: Kind = Kind.FAILED,
        *,
        told: Outcome | None = None,
        key: str = "inbound/sdk/a.csv",
        age: timedelta = timedelta(minutes=5),
    ) -> None:
        """Receive a transfer in a region, `age` ago, that fails or is held; no bucket has its objects.

        Without `told`, its customer got no receipt.
        """
        at = datetime.now(UTC) - age
        file = contract.file_id(WESTERNER, key)
        transfer = Transfer(
            id=contract.transfer_id(file, "1", at),
            file=file,
            customer=WESTERNER,
            bucket=names.bucket(contract.stem(NAMESPACE, self.place.cell), WESTERNER, side),
            key=key,
            version_id="1",
            size=3,
            etag="e",
            destinations=("landing",),
            expires=int((at + timedelta(days=90)).timestamp()),
        )
        tracker = self._tracker(side)
        what = {"bucket": transfer.bucket, "version_id": "1", "size": 3, "etag": "e"}
        received = transfer.fact(Kind.RECEIVED, side=side, writer="w", destinations=["landing"], **what)
        about = {"destination": "landing", "reason": "x", "error": "x"}
        tracker.record(received)
        tracker.record(transfer.fact(kind, side=side, writer="w", **about))
        if told is not None:
            tracker.record(transfer.fact(Kind.RECEIPT, side=side, writer="w", outcome=told.value))

    def _tracker(self, side: str) -> Tracker:
        table = names.tracker_table(self.place.cell)
        return Tracker(table=table, side=side, client=self.client("dynamodb", side))


@pytest.fixture
def fleet(zone: Estate, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:  # noqa: F811
    """Two customers in two cells, with waiting times that suit a test."""
    monkeypatch.setattr(switching, "GIVE_UP", 60.0)
    made = Fleet(zone).make()
    yield made
    made.clear()
