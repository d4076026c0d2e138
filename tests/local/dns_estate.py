"""A zone, health checks and alarms in the emulated AWS, with a name server; each test has its own."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import dns.flags
import dns.message
import dns.query
from botocore.exceptions import EndpointConnectionError

from local.dns.server import DnsServer

WEST, EAST = "us-gov-west-1", "us-gov-east-1"
NEVER = 3600.0  # seconds between looks, for tests that say themselves when to look
_numbers = itertools.count(1)


class Down:
    """A client of a region that is down."""

    def __getattr__(self, name: str) -> Any:
        raise EndpointConnectionError(endpoint_url="http://down")


class Estate:
    def __init__(self, aws: Any) -> None:
        self.aws = aws
        self.number = next(_numbers)
        self.zone = f"z{self.number}.example.gov"
        made = aws("route53").create_hosted_zone(Name=self.zone, CallerReference=f"estate-{self.number}")
        self.zone_id = made["HostedZone"]["Id"].rpartition("/")[2]
        self.now = time.time() // 60 * 60 - 30  # in the middle of a minute
        self.down: set[tuple[str, str]] = set()
        self.addresses: dict[str, str] = {}
        self.checks: list[str] = []

    def close(self) -> None:
        for id in self.checks:  # the emulator holds no more of them than an account may have
            self.aws("route53").delete_health_check(HealthCheckId=id)

    def client(self, service: str, region: str) -> Any:
        return Down() if (service, region) in self.down else self.aws(service, region)

    def name(self, label: str) -> str:
        return f"{label}.{self.zone}." if label else f"{self.zone}."

    def put(
        self, label: str, type: str, *values: str, ttl: int = 60, action: str = "UPSERT", **fields: Any
    ) -> None:
        """Put a record set at a name below the zone; TXT values in quotes, as the API has them."""
        record = {"Name": self.name(label), "Type": type, "TTL": ttl} | fields
        record["ResourceRecords"] = [{"Value": value} for value in values]
        self.aws("route53").change_resource_record_sets(
            HostedZoneId=self.zone_id,
            ChangeBatch={"Changes": [{"Action": action, "ResourceRecordSet": record}]},
        )

    def check(self, **config: Any) -> str:
        made = self.aws("route53").create_health_check(
            CallerReference=f"estate-{self.number}-{len(self.checks)}", HealthCheckConfig=config
        )
        self.checks.append(made["HealthCheck"]["Id"])
        return self.checks[-1]

    def leaf(self, healthy: bool, **config: Any) -> str:
        """Return a check that never changes, because its alarm is gone."""
        return self.watching("no-such-alarm", "Healthy" if healthy else "Unhealthy", **config)

    def over(self, threshold: int, *children: str, **config: Any) -> str:
        return self.check(
            Type="CALCULATED", HealthThreshold=threshold, ChildHealthChecks=list(children), **config
        )

    def watching(self, alarm: str, insufficient: str, region: str = EAST, **config: Any) -> str:
        return self.check(
            Type="CLOUDWATCH_METRIC",
            AlarmIdentifier={"Region": region, "Name": alarm},
            InsufficientDataHealthStatus=insufficient,
            **config,
        )

    def alarm(self, region: str = EAST, **settings: Any) -> str:
        """Put the alarm of this estate, by default one like a region's switch."""
        usual: dict[str, Any] = {
            "AlarmName": f"estate-{self.number}",
            "Namespace": "estate",
            "MetricName": "Out",
            "Dimensions": [{"Name": "Estate", "Value": str(self.number)}],
            "Statistic": "Maximum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 1.0,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        }
        self.aws("cloudwatch", region).put_metric_alarm(**(usual | settings))
        return (usual | settings)["AlarmName"]

    def publish(self, value: float, after: float = 0.0, region: str = EAST, estate: int = 0) -> None:
        """Publish a datapoint of the alarm's metric, some seconds after the estate's time."""
        datum = {
            "MetricName": "Out",
            "Dimensions": [{"Name": "Estate", "Value": str(estate or self.number)}],
            "Timestamp": datetime.fromtimestamp(self.now + after, UTC),
            "Value": value,
        }
        self.aws("cloudwatch", region).put_metric_data(Namespace="estate", MetricData=[datum])

    def serve(self, **settings: Any) -> DnsServer:
        return DnsServer(
            self.client,
            self.zone_id,
            self.zone,
            self.addresses,
            **({"every": NEVER, "clock": lambda: self.now} | settings),
        )


def ask(
    server: DnsServer, name: str, type: str | int, *, tcp: bool = False, **query: Any
) -> dns.message.Message:
    """Ask over the wire, by default without EDNS."""
    message = dns.message.make_query(name, type, **query)
    send = dns.query.tcp if tcp else dns.query.udp
    return send(message, server.address, timeout=5, port=server.port)


def rows(section: Any) -> list[str]:
    """Return the records of a section, written as in a zone file."""
    return [line for rrset in section for line in rrset.to_text().splitlines()]


def flags(message: dns.message.Message) -> str:
    return dns.flags.to_text(message.flags)


def states(server: DnsServer, names: Mapping[str, str]) -> dict[str, bool]:
    """Return the health of checks by the names that a test gives them."""
    health = server.health()
    return {name: health[id] for name, id in names.items()}
