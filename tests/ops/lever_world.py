"""Both regions' levers as the program makes them, in every state that two regions can be in.

The health checks, alarms, parameters and records are those of the recorded program, made in the emulated AWS;
what a region publishes each minute is published by the code of its function. Time is set by the test.
"""

from __future__ import annotations

import http.server
import itertools
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

import ops.switches
from components import bundle
from customers import names
from local import program
from local.aws.provision import Provisioner
from local.dns.server import DnsServer
from local.program import Resource
from ops.dns.name_servers import ENV_NAME_SERVERS
from ops.recovery.gaps import Counts
from ops.recovery.regions import Regions
from runtime import contract
from runtime.contract import EAST, ENDPOINTS, PRIMARY, REGION_OF, SIDES, WEST, BucketRecord, peer_of
from runtime.force import Force
from runtime.metric_names import METRIC_ADDRESSES, METRIC_CANARY, METRICS, SwitchKind, cell_dimensions
from runtime.switch import ObjectSwitch, Switch
from tests.ops.conftest import Clients, Place, shell
from tests.program.conftest import RUNTIME, SECRETS, ask, spelled

ZONE = "mft.example.gov"
MINUTE = 60.0
#: At home in West, and in East, in the sample registry.
HOMES = {WEST: "c7k2m", EAST: "h4t9q"}
_MADE = ("aws:route53/", "aws:cloudwatch/metricAlarm:MetricAlarm", "aws:ssm/parameter:Parameter")
_numbers = itertools.count(1)


class _NoGaps:
    """The report of regions without files: only who is silent is in it."""

    def __init__(self, regions: Regions, *_: object, **__: object) -> None:
        self.counts = Counts(silent={REGION_OF[side]: why for side, why in regions.silent.items()})

    def lines(self) -> Iterator[object]:
        return iter(())


@dataclass(frozen=True, kw_only=True)
class Region:
    """The state of a region: what its keeper has written of it, whether it answers, and its own word.

    `is_heard` is False for a region whose CloudWatch is dead, or its S3 where that says who is out. `force`
    is `yes`, `no`, or `before` for a word that was given before its switch was moved.
    """

    position: str = "in"
    is_alive: bool = True
    is_heard: bool = True
    force: str = "no"


class _Down:
    """A client of a service that is down."""

    def __getattr__(self, name: str) -> Any:
        raise EndpointConnectionError(endpoint_url="http://down")


class _AtTime:
    """A client of CloudWatch whose datapoints are of the world's time."""

    def __init__(self, client: Any, world: LeverWorld) -> None:
        self._client, self._world = client, world

    def put_metric_data(self, *, MetricData: list[dict[str, Any]], **where: Any) -> None:
        at = datetime.fromtimestamp(self._world.now, UTC)
        self._client.put_metric_data(MetricData=[{**each, "Timestamp": at} for each in MetricData], **where)


class LeverWorld:
    """The levers of one place, with a name server."""

    def __init__(self, place: Place, switch: SwitchKind, *, automatic: bool = False) -> None:
        self.place, self.switch = place, switch
        self.namespace, self._checks = f"levers{next(_numbers)}-mft", list[str]()
        self.now = datetime.now(UTC).timestamp() // MINUTE * MINUTE - 86400 - 30
        self._dead: set[tuple[str, str]] = set()
        self._open = ExitStack()
        route53 = place.aws.client("route53", REGION_OF[WEST])
        made = route53.create_hosted_zone(Name=ZONE, CallerReference=self.namespace)
        self._zone_id = made["HostedZone"]["Id"].rpartition("/")[2]
        for side in SIDES:
            place.write(side, namespace=self.namespace, cell="1", zoneId=self._zone_id, switch=switch.value)
            self._buckets(side)
        ports = {side: self._object_port(side) for side in SIDES}
        bundle.install(RUNTIME)
        facts = {"mft:namespace": self.namespace, "mft:zoneId": self._zone_id, "mft:lambdaRuntime": RUNTIME}
        facts |= {"mft:switch": switch.value, "mft:automaticFailover": str(automatic).lower()}
        for side in SIDES:
            self._deploy(side, facts, ports[peer_of(side)])
        self.server = self._open.enter_context(
            DnsServer(self.client, self._zone_id, ZONE, {}, every=3600, clock=lambda: self.now)
        )

    def close(self) -> None:
        route53 = self.place.aws.client("route53", REGION_OF[WEST])
        self._open.close()
        for check in self._checks:  # the emulator holds no more of them than an account may have
            route53.delete_health_check(HealthCheckId=check)

    def client(self, service: str, region: str) -> Any:
        """Return a client as the name server and the functions use it: down where the region is."""
        if (service, region) in self._dead or ("*", region) in self._dead:
            return _Down()
        return self.place.aws.client(service, region)

    def bucket(self, role: str, side: str) -> str:
        return names.cell_bucket(self.namespace, "1", role, side)

    def register(self) -> None:
        """Put the sample registry beside the stack files."""
        ignore = shutil.ignore_patterns("*.py")
        shutil.copytree(program.ROOT / "customers", self.place.root / "customers", ignore=ignore)

    def is_forced(self, side: str) -> bool:
        return self._force(side).standing().is_on

    def revive(self) -> None:
        """Let everything that is dead live again."""
        self._dead.clear()
        self.place.relay.open()

    def _buckets(self, side: str) -> None:
        s3 = self.place.aws.client("s3", REGION_OF[side])
        for role in ("config", "audit", "switch"):
            bucket = self.bucket(role, side)
            where = {"LocationConstraint": REGION_OF[side]}
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
            if role == "config":
                for id in HOMES.values():
                    s3.put_object(Bucket=bucket, Key=contract.config_key(id), Body=b"{}")

    def _deploy(self, side: str, facts: Mapping[str, str], port: int) -> None:
        """Run the program; an HTTPS check asks for the same path on loopback, without TLS."""
        provisioner = Provisioner(self.place.aws, region=REGION_OF[side])
        echo = spelled(f"gov-{side}")

        def make(resource: Resource) -> tuple[str, Mapping[str, Any]]:
            if not resource.type.startswith(_MADE):
                return echo(resource)
            if resource.inputs.get("type") == "HTTPS":
                made: tuple[str, Mapping[str, Any]] = self._without_tls(resource.inputs, port), {}
            else:
                made = provisioner.make(resource)
            if resource.type.endswith(":HealthCheck"):
                self._checks.append(made[0])
            return made

        stack = f"gov-{side}"
        config = {**program.stack_config(stack), **facts}
        program.run(stack, make=make, ask=ask, config=config, secrets=SECRETS)

    def _without_tls(self, inputs: Mapping[str, Any], port: int) -> str:
        """Make the check of an object, without TLS on loopback; return its id."""
        made = self.place.aws.client("route53", REGION_OF[WEST]).create_health_check(
            CallerReference=f"{self.namespace}-{port}",
            HealthCheckConfig={
                "Type": "HTTP",
                "FullyQualifiedDomainName": "127.0.0.1",
                "Port": port,
                "ResourcePath": inputs["resourcePath"],
                "FailureThreshold": int(inputs["failureThreshold"]),
                "Inverted": inputs["invertHealthcheck"],
            },
        )
        return str(made["HealthCheck"]["Id"])

    def _object_port(self, side: str) -> int:
        """Serve the objects in a region's bucket for switches, as S3 does to checkers; return the port."""
        world, bucket = self, self.bucket("switch", side)

        class S3(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                try:
                    world.client("s3", REGION_OF[side]).head_object(Bucket=bucket, Key=self.path[1:])
                    self.send_response(200)
                except ClientError:
                    self.send_response(403)
                except BotoCoreError:
                    return  # as a dead host
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), S3)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self._open.callback(server.server_close)
        self._open.callback(server.shutdown)
        return int(server.server_port)

    # --- What the regions say ---

    def _switch(self, side: str, *, heeds_force: bool) -> Switch:
        keeper = REGION_OF[peer_of(side)]
        which = {"namespace": self.namespace, "cell": "1", "side": side}
        force = Force(**which, parameters=self.client("ssm", REGION_OF[side])) if heeds_force else None
        which |= {"parameters": self.client("ssm", keeper), "force": force}
        if self.switch is SwitchKind.ENDPOINT:
            bucket = self.bucket("switch", peer_of(side))
            return ObjectSwitch(**which, objects=self.client("s3", keeper), bucket=bucket)
        return Switch(**which, metrics=_AtTime(self.client("cloudwatch", keeper), self))

    def _force(self, side: str) -> Force:
        region = REGION_OF[side]
        which = {"namespace": self.namespace, "cell": "1", "side": side}
        metrics = _AtTime(self.client("cloudwatch", region), self)
        return Force(**which, parameters=self.client("ssm", region), metrics=metrics)

    def _well(self, side: str) -> None:
        """Publish that a region's endpoint answers and its canary arrives, for the checks that may decide."""
        dimensions = [{"Name": n, "Value": v} for n, v in cell_dimensions(self.namespace, "1").items()]
        metrics = _AtTime(self.client("cloudwatch", REGION_OF[side]), self)
        for name in (METRIC_ADDRESSES, METRIC_CANARY):
            datum = {"MetricName": name, "Dimensions": dimensions, "Value": 1.0}
            metrics.put_metric_data(Namespace=METRICS, MetricData=[datum])

    def minute(self) -> None:
        """Let each region that is alive publish what its function publishes, and Route 53 look."""
        for side in SIDES:
            try:
                self._well(side)
                self._switch(peer_of(side), heeds_force=True).publish()
                self._force(side).repeat(self._switch(side, heeds_force=False))
            except BotoCoreError:
                continue
        self.server.refresh()

    @contextmanager
    def state(self, regions: Mapping[str, Region], *, is_controlled: bool = True) -> Iterator[None]:
        """Bring both regions into these states: first everything is said, then what is dead dies."""
        for side in SIDES:
            was = {"no": [("force", False)], "yes": [("force", True)], "before": [("force", True)]}
            told = was[regions[side].force]
            move = ("switch", contract.Position(regions[side].position))
            for what, value in [move, *told] if regions[side].force == "yes" else [*told, move]:
                if what == "force":
                    self._force(side).move(is_on=value)
                else:
                    self._switch(side, heeds_force=False).move(value)
        self.server.refresh()
        self.minute()
        self.now += 20 * MINUTE
        gone = [("route53", REGION_OF[WEST])] if not is_controlled else []
        for side, region in regions.items():
            if not region.is_alive:
                gone.append(("*", REGION_OF[side]))
            elif not region.is_heard:
                speaks = {SwitchKind.ALARM: "cloudwatch", SwitchKind.ENDPOINT: "s3"}[self.switch]
                gone.append((speaks, REGION_OF[side]))
        self._dead.update(gone)
        calls = {"cloudwatch": " monitoring "}
        self.place.relay.closed = {
            f"{region} " if service == "*" else f"{region}{calls.get(service, f' {service} ')}"
            for service, region in gone
        } | (set() if is_controlled else {" route53 ", " iam "})
        try:
            self.minute()
            yield
        finally:
            self.revive()
            self.now += 20 * MINUTE

    def answers(self) -> str:
        """Return `own` if each name answers with its own region, or the side that all answer with."""
        found = {(id, endpoint): self._side(endpoint, id) for id in HOMES.values() for endpoint in ENDPOINTS}
        own = {
            (id, endpoint): home if endpoint == PRIMARY else endpoint
            for home, id in HOMES.items()
            for endpoint in ENDPOINTS
        }
        if found == own:
            return "own"
        (only,) = set(found.values())
        return only

    def _side(self, endpoint: str, id: str) -> str:
        (host,) = self.server.answer(names.endpoint_host(endpoint, id, ZONE), "CNAME").values
        (text,) = self.server.answer(names.bucket_record(endpoint, id, ZONE), "TXT").values
        (side,) = (each for each in SIDES if names.cell_host(each, "1", ZONE) == host.rstrip("."))
        assert BucketRecord.parse(text).region == REGION_OF[side]
        return side


@contextmanager
def typed_at(levers: LeverWorld, clients: Clients, monkeypatch: pytest.MonkeyPatch) -> Iterator[LeverWorld]:
    """Let what is typed in this process reach the levers; cells that answer are well, and have no gaps."""
    monkeypatch.setattr("ops.health.cell_health.problems", lambda cell: [])
    monkeypatch.setattr("ops.failover.restoration.GapReport", _NoGaps)
    monkeypatch.setattr(ops.switches, "UNHEARD_AFTER", timedelta(days=2))  # the test's time is another
    monkeypatch.setenv(ENV_NAME_SERVERS, f"{levers.server.address}:{levers.server.port}")
    with shell(levers.place, clients, monkeypatch):
        yield levers
