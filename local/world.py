"""The whole platform on one machine: two cells made by the real program, and the parties outside them.

Everything is on loopback and in one temporary folder, and is removed when the world ends.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from components import bundle
from components.settings import HOST_KEYS, PRIVATE_KEYS
from customers import stack_files
from customers.model import Customer
from customers.registry import Registry, load
from local import interrupts, leftovers, private_keys, program
from local.aws.emulator import Emulator
from local.aws.ministack.controls import DNS_AGENT, TRANSFER_AGENT
from local.aws.provision import Provisioner
from local.dns.resolver import Resolver
from local.dns.server import DnsServer
from local.external_parties import ExternalParties
from local.loopback import ADDRESSES, endpoint_in_environment, free_port
from local.loopback_resources import on_loopback
from local.program import Graph, Resource
from local.sftp.clients import SftpClient
from local.sftp.endpoint import TransferEndpoint
from local.sftp.session_log import SessionLogWriter
from ops.dns.name_servers import ENV_NAME_SERVERS
from ops.health.served_keys import ENV_SFTP_PORT
from runtime.contract import EAST, REGION_OF, WEST

#: Seconds of the real platform that pass in one second of Step Functions' waits and retries.
SPEED_UP = 600

#: The same for the periods of alarms and for TTLs: 60 s become 10 s. An evaluation of an alarm takes less.
DNS_SPEED_UP = 6

#: Seconds that an outage stands for, however short it is here: longer than a queue hides a message.
OUTAGE = 3600

#: Functions that may run at once; each is a process of 80 MB.
LAMBDAS = 12


class WorldError(RuntimeError):
    """The local world cannot start or continue; the message says what to do."""


class World:
    """Two cells and the external parties. `tell` is called with each resource when it is first made.

    `addresses` are those at which the cells' endpoints listen, by side.
    """

    #: The suffix of the names of both stacks.
    suffix = ""
    addresses: Mapping[str, str] = ADDRESSES

    def __init__(
        self,
        registry: Path,
        *,
        root: Path = program.ROOT,
        sftp_port: int = 0,
        speed_up: int = SPEED_UP,
        tell: Callable[[Resource], None] | None = None,
    ) -> None:
        """Read the registry and the stack files below `root`; RegistryError with all the registry's problems.

        `sftp_port` 0 takes a free port; `speed_up` is how much faster Step Functions' waits and retries are.
        """
        self._speed_up = speed_up
        self.root, self.registry_folder = root, registry
        self.sftp_port = sftp_port
        self.config = {side: self._settings(side) for side in (WEST, EAST)}
        west = self.config[WEST]
        self.namespace, self.zone, self.cell = (west[f"mft:{name}"] for name in ("namespace", "zone", "cell"))
        self.loopback: dict[str, str] = {}  # the loopback address for each Elastic IP
        self.registry = self._load(registry)
        self.graphs: dict[str, Graph] = {}
        self.endpoints: dict[str, TransferEndpoint] = {}
        self.provisioners: dict[str, Provisioner] = {}
        self.dns: DnsServer | None = None
        self.beside: list[World] = []  # other cells, which end with this world
        self._tell = tell
        keys = {name: private_keys.new(name) for name in PRIVATE_KEYS}
        self._private_keys = {name: private_keys.pem(key) for name, key in keys.items()}
        self._public_host_keys = [keys[name].export_public_key().decode().strip() for name in HOST_KEYS]

    def __enter__(self) -> World:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        interrupts.noticed()
        for world in self.beside:
            world.__exit__()
        if self.dns is not None:
            self.dns.close()
        for endpoint in self.endpoints.values():
            endpoint.stop()
        if hasattr(self, "external_parties"):
            self.external_parties.close()
        if hasattr(self, "aws"):
            self.aws.stop()
        if hasattr(self, "folder"):
            leftovers.remove(self.folder)

    @property
    def project(self) -> Path:
        """The folder with the stack files and `customers/`, as the program and `ops` find them."""
        return self.folder / "project"

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which AWS's tools and `ops` find this world, once its name server runs."""
        assert self.dns is not None
        return {
            "AWS_ENDPOINT_URL": self.aws.endpoint,
            "AWS_ACCESS_KEY_ID": self.aws.account,
            "AWS_SECRET_ACCESS_KEY": "local",
            ENV_NAME_SERVERS: f"{self.dns.address}:{self.dns.port}",
            ENV_SFTP_PORT: str(self.sftp_port),
        }

    def share_keys(self, world: World) -> None:
        """Use the host keys and the canary's key of another world."""
        self._private_keys, self._public_host_keys = world._private_keys, world._public_host_keys

    def client(self, service: str, side: str) -> Any:
        """Return the boto3 client of a service in the region of a side."""
        return self.aws.client(service, REGION_OF[side])

    def sftp(self, user: str, side: str) -> SftpClient:
        """Return the client of an SFTP user at one cell."""
        return self.sftp_at(user, self.addresses[side])

    def sftp_at(self, user: str, address: str) -> SftpClient:
        """Return the client of an SFTP user at an address."""
        return SftpClient(
            address,
            self.sftp_port,
            user,
            self.external_parties.keys[user],
            host_keys=self._public_host_keys,
            folder=self.folder,
        )

    def deploy(self) -> Iterator[tuple[str, float]]:
        """Run both stacks as for a new environment: West, East, West again.

        Yields the name of each step when it is done, and the seconds that it took.
        """
        for side, peer in ((WEST, "absent"), (EAST, "present"), (WEST, "present")):
            began = time.monotonic()
            self.up(side, peer=peer)
            self._listen(side)
            step = self.stack(side) + (f", peer {peer}" if side == WEST else "")
            yield step, time.monotonic() - began

    def stack(self, side: str) -> str:
        """Return the name of the stack of a side."""
        return stack_files.stack(side, self.suffix)

    @property
    def prefix(self) -> str:
        """What the names of the cells' own resources begin with in the program, such as `cell1-`."""
        return f"cell{self.cell}-"

    def up(self, side: str, *, peer: str = "present") -> Graph:
        """Run the program of one stack on the current registry; return what it registered."""
        with endpoint_in_environment(self.aws.endpoint):
            graph = program.run(
                self.stack(side),
                make=on_loopback(
                    self.provisioners[side].make, self.addresses[side], self.sftp_port, self.cell
                ),
                ask=self.provisioners[side].ask,
                config={**self.config[side], "mft:peer": peer},
                secrets={f"mft:{key}": value for key, value in self._private_keys.items()},
                root=self.project,
                main=self.root / "__main__.py",
            )
        self.graphs[side] = graph
        self.loopback |= {
            address.outputs["publicIp"]: self.addresses[side] for address in graph.of("aws:ec2/eip:Eip")
        }
        self.external_parties.watch(side, graph.exports["alerts"])
        for customer in self.customers():
            if customer.is_retired:
                continue
            topic = graph.one("aws:sns/topic:Topic", f"{customer.id}-receipts")
            self.external_parties.subscribe(customer, side, topic.outputs["arn"])
        return graph

    def lose(self, side: str, *, control_planes: bool = True) -> None:
        """Let a region die; with West, and `control_planes`, the APIs of Route 53 and IAM die too."""
        self.endpoints[side].stop()
        self.aws.region_down(REGION_OF[side], control_planes=control_planes and side == WEST)

    def find_again(self, side: str) -> None:
        """Bring a lost region back: what was held back arrives, and what was under way goes on."""
        self.aws.region_up(REGION_OF[side], passed=OUTAGE)
        self.endpoints[side].start()

    def serve_names(self) -> Resolver:
        """Start the zone's name server unless it runs; return a resolver for one client, its cache empty."""
        if self.dns is None:
            self.dns = DnsServer(
                cache(
                    lambda service, region: self.aws.new_client(service, region, user_agent_extra=DNS_AGENT)
                ),
                self.config[WEST]["mft:zoneId"],
                self.zone,
                self.loopback,
                period_scale=1 / DNS_SPEED_UP,
                report=self.aws.report_health,
            ).start()
        return Resolver(self.dns.address, self.dns.port, ttl_scale=1 / DNS_SPEED_UP)

    def add_customer(self, file: Path) -> None:
        """Add a customer's file to the registry, or replace it; the next run of the program reads it."""
        registry = self.folder / "registry"
        if registry != self.registry_folder:
            registry.mkdir()
            for path in self.registry_folder.glob("*.yaml"):
                shutil.copy(path, registry)
        shutil.copy(file, registry)
        self.read_registry(registry)

    def read_registry(self, registry: Path) -> None:
        """Take another registry; the next run of the program reads it. RegistryError if it has problems."""
        self.registry, self.registry_folder = self._load(registry), registry
        self.external_parties.stand_in(registry, self.project)

    def customers(self) -> tuple[Customer, ...]:
        """Return the customers of this cell."""
        return self.registry.of_cell(self.cell)

    def _start(self) -> None:
        self.sftp_port = free_port(self.sftp_port)
        runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
        bundle.install(runtime)
        self.folder = leftovers.folder()
        self.project.mkdir()
        account = self.config[WEST]["mft:accountId"]
        self.aws = Emulator(account=account, lambdas=LAMBDAS, wait_scale=1 / self._speed_up).start()
        zone = self.client("route53", WEST).create_hosted_zone(Name=self.zone, CallerReference="local")
        zone_id = zone["HostedZone"]["Id"].rpartition("/")[2]
        for config in self.config.values():
            config |= {"mft:zoneId": zone_id, "mft:lambdaRuntime": runtime}
        self._found()
        self.external_parties = ExternalParties(aws=self.aws, namespace=self.namespace, folder=self.folder)
        self.external_parties.stand_in(self.registry_folder, self.project)

    def _found(self) -> None:
        """Write the stack files, for the program and for ops, and prepare to make both stacks' resources."""
        for side, config in self.config.items():
            path = self.project / stack_files.file_of(self.stack(side))
            path.write_text(yaml.safe_dump({"config": dict(config)}))
            self.provisioners[side] = Provisioner(self.aws, region=REGION_OF[side], tell=self._tell)

    def _settings(self, side: str) -> dict[str, str]:
        return program.stack_config(self.stack(side), root=self.root)

    def _listen(self, side: str) -> None:
        if side in self.endpoints:
            return
        server = self.graphs[side].one("aws:transfer/server:Server", f"{self.prefix}endpoint-server")
        self.endpoints[side] = TransferEndpoint(
            server_id=server.id,
            region=REGION_OF[side],
            address=self.addresses[side],
            port=self.sftp_port,
            host_keys=[self._private_keys[name] for name in HOST_KEYS],
            security_policy=server.inputs["securityPolicyName"],
            set_stat_option=server.inputs["protocolDetails"]["setStatOption"],
            s3=self.client("s3", side),
            transfer=self.client("transfer", side),
            events=self.aws.new_client("events", REGION_OF[side], user_agent_extra=TRANSFER_AGENT),
            session_log=SessionLogWriter.of_server(
                self.client("logs", side), server.id, *server.inputs["structuredLogDestinations"]
            ),
        )
        self.endpoints[side].start()

    def _load(self, registry: Path) -> Registry:
        return load(registry, namespace=self.namespace, zone=self.zone)
