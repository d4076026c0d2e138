"""Both cells as the real program makes them, with functions that do nothing: what `ready` compares.

One emulated AWS, one name server and two SSH servers for the tests of a module; each mends what it broke.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import asyncssh
import boto3
import pulumi
import pytest
import yaml
from typer.testing import CliRunner

import ops.__main__
from components import bundle
from components.settings import CANARY_KEY, HOST_KEYS
from local import program
from local.aws.emulator import Emulator
from local.aws.ministack.controls import DNS_AGENT
from local.aws.provision import Provisioner
from local.dns.server import DnsServer
from local.preview.recording_aws import echo
from local.program import Resource
from ops import environment
from ops.dns.name_servers import ENV_NAME_SERVERS
from ops.health.served_keys import ENV_SFTP_PORT
from runtime.contract import EAST, REGION_OF, WEST, Position, switch_parameter
from tests.ops.conftest import Clients, CommandResult
from tests.program.conftest import RUNTIME

ZONE = "mft.example.gov"
ADDRESSES = {WEST: "127.0.0.2", EAST: "127.0.0.3"}
#: Resources that would call functions, or send notifications: `ready` reads none of them.
_ECHOED = (
    "aws:cloudwatch/event",
    "aws:lambda/eventSourceMapping",
    "aws:lambda/permission",
    "aws:s3/bucketNotification",
    "aws:sns/topicSubscription",
)


class SshServers:
    """SSH servers on loopback, each with host keys that a test can change."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._servers: dict[str, asyncssh.SSHAcceptor] = {}
        self.port = _free_port()

    def _do(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)

    def serve(self, address: str, keys: list[str]) -> None:
        self.stop(address)
        loaded = [asyncssh.import_private_key(key) for key in keys]

        async def listen() -> asyncssh.SSHAcceptor:
            return await asyncssh.listen(address, self.port, server_host_keys=loaded, reuse_address=True)

        self._servers[address] = self._do(listen())

    def stop(self, address: str) -> None:
        if server := self._servers.pop(address, None):
            server.close()
            self._do(server.wait_closed())

    def close(self) -> None:
        for address in list(self._servers):
            self.stop(address)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _free_port() -> int:
    for _ in range(100):
        with contextlib.ExitStack() as probes, contextlib.suppress(OSError):
            port = 0
            for address in ADDRESSES.values():
                probe = probes.enter_context(socket.socket())
                probe.bind((address, port))
                port = probe.getsockname()[1]
            return port
    raise AssertionError


@dataclass
class Twins:
    """The two cells, and what an operator types about them."""

    aws: Emulator
    root: Path
    ssh: SshServers
    keys: list[str]
    zone_id: str = ""
    server: DnsServer | None = None
    graphs: dict[str, program.Graph] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    """The calls of the tools: service and operation."""

    def client(self, service: str, side: str = WEST) -> Any:
        return self.aws.client(service, REGION_OF[side])

    def one(self, side: str, type: str, name: str) -> Resource:
        return self.graphs[side].one(type, name)

    @property
    def namespace(self) -> str:
        return str(program.stack_config("gov-west")["mft:namespace"])

    def bucket(self, id: str, side: str) -> str:
        return f"{self.namespace}-{id}-{side}"

    def switch(self, side: str, position: Position) -> None:
        """Put a side's switch to a position, as its peer keeps it."""
        peer = EAST if side == WEST else WEST
        which = switch_parameter(self.namespace, "1", side)
        self.client("ssm", peer).put_parameter(
            Name=which, Value=position.value, Type="String", Overwrite=True
        )

    def change(self, *changes: tuple[str, Mapping[str, Any]]) -> None:
        """Change records in Route 53, and wait for the name server."""
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": each} for action, each in changes]}
        self.client("route53").change_resource_record_sets(HostedZoneId=self.zone_id, ChangeBatch=batch)
        self.server.refresh()

    def record(self, name: str, type: str, side: str) -> dict[str, Any]:
        pages = self.client("route53").get_paginator("list_resource_record_sets")
        return next(
            each
            for page in pages.paginate(HostedZoneId=self.zone_id)
            for each in page["ResourceRecordSets"]
            if (each["Name"], each["Type"], each.get("SetIdentifier")) == (f"{name}.", type, side)
        )

    def ops(self, *words: str) -> CommandResult:
        done = CliRunner().invoke(ops.__main__.app, [*words, "--root", str(self.root)])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return CommandResult(code=done.exit_code, out=done.stdout, err=done.stderr)

    def differences(self, *ids: str) -> list[str]:
        """Return the differences that `ready` finds; its last line and its exit code agree."""
        result = self.ops("ready", *ids)
        assert not result.err
        *lines, summary = result.out.splitlines()
        assert result.code == (1 if lines else 0)
        assert summary.startswith(f"NOT READY: {len(lines)} difference" if lines else "ready: ")
        return lines

    @contextlib.contextmanager
    def dead(self, side: str) -> Iterator[None]:
        """Kill a region, its endpoint and, with West, the control planes."""
        self.ssh.stop(ADDRESSES[side])
        self.aws.region_down(REGION_OF[side], control_planes=side == WEST)
        try:
            yield
        finally:
            self.aws.region_up(REGION_OF[side])
            self.ssh.serve(ADDRESSES[side], self.keys)


def _maker(provisioner: Provisioner, code: Path) -> program.Make:
    """Return a maker of a stack's resources: its functions do nothing, and nothing calls them."""

    def make(resource: Resource) -> tuple[str, Mapping[str, Any]]:
        if resource.type.startswith(_ECHOED):
            return echo(resource)
        if resource.type == "aws:lambda/function:Function":
            inputs = {**resource.inputs, "code": pulumi.FileArchive(str(code))}
            resource = replace(resource, inputs=inputs)
        return provisioner.make(resource)

    return make


@pytest.fixture(scope="module")
def twin_cells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    bundle.install(RUNTIME)
    root = tmp_path_factory.mktemp("twins")
    shutil.copytree(program.ROOT / "customers", root / "customers", ignore=shutil.ignore_patterns("*.py"))
    code = root / "nothing.zip"
    with zipfile.ZipFile(code, "w") as file:
        file.writestr("runtime/handlers/nothing.py", "")
    sorts = (("ssh-rsa", {"key_size": 2048}), ("ecdsa-sha2-nistp256", {}))
    keys = [asyncssh.generate_private_key(name, **more).export_private_key().decode() for name, more in sorts]
    with Emulator() as aws:
        twins = Twins(aws=aws, root=root, ssh=SshServers(), keys=keys)
        zone = twins.client("route53").create_hosted_zone(Name=ZONE, CallerReference="twins")
        twins.zone_id = zone["HostedZone"]["Id"].rpartition("/")[2]
        _deploy(twins, code)
        addresses = {
            address.outputs["publicIp"]: ADDRESSES[side]
            for side, graph in twins.graphs.items()
            for address in graph.of("aws:ec2/eip:Eip")
        }
        made: list[Any] = []

        def client(service: str, region: str) -> Any:
            made.append(aws.new_client(service, region, user_agent_extra=DNS_AGENT))
            return made[-1]

        with DnsServer(_cached(client), twins.zone_id, ZONE, addresses) as twins.server:
            for address in ADDRESSES.values():
                twins.ssh.serve(address, keys)
            yield twins
        for each in made:
            each.close()
        twins.ssh.close()


def _cached(make: Callable[[str, str], Any]) -> Callable[[str, str], Any]:
    known: dict[tuple[str, str], Any] = {}
    lock = threading.Lock()

    def client(service: str, region: str) -> Any:
        with lock:
            return known.setdefault((service, region), known.get((service, region)) or make(service, region))

    return client


def _deploy(twins: Twins, code: Path) -> None:
    """Run both stacks as a new environment does, and wait until the functions are there."""
    provisioners = {side: Provisioner(twins.aws, region=REGION_OF[side]) for side in REGION_OF}
    for side, peer in ((WEST, "absent"), (EAST, "present"), (WEST, "present")):
        config = program.stack_config(f"gov-{side}") | {"mft:zoneId": twins.zone_id}
        (twins.root / f"Pulumi.gov-{side}.yaml").write_text(yaml.safe_dump({"config": dict(config)}))
        twins.graphs[side] = program.run(
            f"gov-{side}",
            make=_maker(provisioners[side], code),
            ask=provisioners[side].ask,
            config={**config, "mft:peer": peer, "mft:lambdaRuntime": RUNTIME},
            secrets={
                f"mft:{name}": key
                for name, key in zip((*HOST_KEYS, CANARY_KEY), (*twins.keys, twins.keys[-1]), strict=True)
            },
            root=twins.root,
        )
    give_up = time.monotonic() + 60
    for side in REGION_OF:
        pages = twins.client("lambda", side).get_paginator("list_functions")
        while any(f["State"] == "Pending" for page in pages.paginate() for f in page["Functions"]):
            assert time.monotonic() < give_up
            time.sleep(0.1)


@pytest.fixture
def twins(twin_cells: Twins, clients: Clients, monkeypatch: pytest.MonkeyPatch) -> Iterator[Twins]:
    """The cells, with the environment of an operator's shell."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "MFT_"))]:
        monkeypatch.delenv(name)
    server = twin_cells.server
    for name, value in {
        "AWS_ENDPOINT_URL": twin_cells.aws.endpoint,
        "AWS_ACCESS_KEY_ID": twin_cells.aws.account,
        "AWS_SECRET_ACCESS_KEY": "local",
        ENV_NAME_SERVERS: f"{server.address}:{server.port}",
        ENV_SFTP_PORT: str(twin_cells.ssh.port),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the credentials that it saw first

    def note(model: Any, **_: Any) -> None:
        twin_cells.calls.append((str(model.service_model.service_name), model.name))

    def client(service: str, **how: Any) -> Any:
        made = clients.client(service, **how)
        made.meta.events.register("before-call", note, unique_id="twins")
        return made

    twin_cells.calls.clear()
    monkeypatch.setattr(boto3, "client", client)
    environment._client.cache_clear()
    yield twin_cells
    environment._client.cache_clear()
    clients.rest()
