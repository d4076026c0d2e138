"""A cell: everything that exists once per region, complete and independent of the other region."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, assert_never

import pulumi
import pulumi_aws as aws

from components import destinations
from components.alarm import Watched
from components.audit import Audit
from components.canary import Canary
from components.cell_manifest import ManifestParameter
from components.dashboard import Dashboard
from components.dead_letters import DeadLetters
from components.endpoint import Endpoint
from components.failover import PeerSwitch
from components.firewall import SFTP, Firewall
from components.functions import Functions
from components.health import Health
from components.intake import Intake
from components.key import DataKey
from components.monitoring import Monitoring
from components.network import ZONES, Network
from components.probe import Probe
from components.publication import Publication
from components.replication import ReplicationEvents
from components.services import Gateways, Interfaces
from components.settings import Settings
from components.storage import Storage
from components.sweep import Sweep
from components.tracker import Tracker
from components.workflow import Workflow
from customers.document import CANARY_DAYS
from customers.model import Customer
from customers.registry import partner_ports, source_cidrs
from runtime import contract
from runtime.metric_names import SwitchKind


class Cell(pulumi.ComponentResource):
    """One region's data, network, endpoint, workflow, intake, failover, health checks and monitoring."""

    settings: Settings
    storage: Storage
    endpoint: Endpoint
    intake: Intake
    health: Health
    exports: dict[str, Any]

    def __init__(
        self,
        *,
        settings: Settings,
        customers: Sequence[Customer],
        bundle: Path,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`customers` are those of this cell: their networks are let in, their retention is configured."""
        name = f"cell{settings.cell}"
        super().__init__("mft:cell:Cell", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        senders = [customer for customer in customers if customer.takes_files]
        served = [customer for customer in customers if not customer.is_retired]
        self.settings = settings
        key_arn = DataKey(
            f"{name}-key",
            settings=settings,
            sender_accounts=frozenset[str]().union(*(each.sender_accounts for each in senders)),
            opts=child,
        ).arn
        self.replication = ReplicationEvents(
            f"{name}-replication", settings=settings, key_arn=key_arn, opts=child
        )
        self.storage = Storage(
            f"{name}-storage",
            settings=settings,
            key_arn=key_arn,
            archive_days={
                contract.canary(settings.cell): CANARY_DAYS,
                **{customer.id: customer.retention.archive_days for customer in customers},
            },
            replication_events=self.replication.events,
            opts=child,
        )
        self.tracker = Tracker(f"{name}-tracker", settings=settings, key_arn=key_arn, opts=child)
        self.network = Network(f"{name}-network", settings=settings, key_arn=key_arn, opts=child)
        gateways = Gateways(
            f"{name}-gateways", settings=settings, network=self.network, tracker=self.tracker, opts=child
        )
        firewall = Firewall(
            f"{name}-firewall",
            network=self.network,
            source_cidrs=source_cidrs(senders),
            group_rule_quota=settings.group_rule_quota,
            partner_ports=partner_ports(served, settings.region),
            gateway_lists=gateways.lists,
            opts=child,
        )
        Interfaces(
            f"{name}-interfaces",
            settings=settings,
            network=self.network,
            group_id=firewall.services_group_id,
            opts=child,
        )
        self.endpoint = Endpoint(
            f"{name}-endpoint",
            settings=settings,
            network=self.network,
            group_ids=firewall.endpoint_group_ids,
            key_arn=key_arn,
            opts=child,
        )
        self.dead_letters = DeadLetters(name, settings=settings, opts=child)
        functions = Functions(
            settings=settings,
            storage=self.storage,
            tracker=self.tracker,
            dead_letters=self.dead_letters,
            code=pulumi.FileArchive(str(bundle)),
        )
        self.replication.watch(functions)
        self.workflow = Workflow(
            f"{name}-workflow",
            functions=functions,
            delivery=firewall.delivery,
            buckets=destinations.of(served),
            opts=child,
        )
        machine = self.workflow.state_machine_arn
        self.intake = Intake(
            f"{name}-intake",
            functions=functions,
            state_machine_arn=machine,
            server_id=self.endpoint.server_id,
            opts=child,
        )
        Sweep(
            f"{name}-sweep",
            functions=functions,
            endpoint=self.endpoint,
            state_machine_arn=machine,
            opts=child,
        )
        publication: Publication | None
        match settings.switch:
            case SwitchKind.ALARM:
                publication = None
            case SwitchKind.ENDPOINT:
                publication = Publication(f"{name}-publication", settings=settings, opts=child)
            case _:
                assert_never(settings.switch)
        self.failover = PeerSwitch(
            f"{name}-failover",
            functions=functions,
            publication=publication,
            state_machine_arn=machine,
            opts=child,
        )
        self.health = Health(f"{name}-health", settings=settings, publication=publication, opts=child)
        probed = pulumi.Output.all(*(each.public_ip for each in self.network.endpoint_addresses)).apply(
            lambda known: ",".join(f"{address}:{SFTP}" for address in known)
        )
        canary = Canary(
            f"{name}-canary",
            functions=functions,
            endpoint=self.endpoint,
            addresses=probed,
            placement=firewall.canary,
            # Before the rules know its partner, what is delivered to it would be taken in.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self.intake]),
        )
        Audit(f"{name}-audit", functions=functions, opts=child)
        Probe(
            f"{name}-probe",
            functions=functions,
            addresses=probed,
            placements=firewall.probes,
            opts=child,
        )
        watched = self._watched(functions)
        monitoring = Monitoring(
            f"{name}-monitoring", settings=settings, watched=watched, key_arn=key_arn, opts=child
        )
        Dashboard(
            f"{name}-dashboard",
            settings=settings,
            watched=watched,
            alarm_arns=monitoring.alarm_arns,
            server_id=self.endpoint.server_id,
            health_check_id=self.health.cell_check_id,
            opts=child,
        )
        ManifestParameter(
            f"{name}-parts",
            settings=settings,
            watched=watched,
            server_id=self.endpoint.server_id,
            addresses=[address.public_ip for address in self.network.endpoint_addresses],
            alerts_arn=monitoring.topic_arn,
            queue_url=self.intake.queue.url,
            dead_letters={what: queue.url for what, queue in self._dead_letters().items()},
            canary=canary.manifest,
            opts=child,
        )
        self.exports = {
            "host": self.endpoint.host,
            "addresses": [address.public_ip for address in self.network.endpoint_addresses],
            "egressAddresses": [address.public_ip for address in self.network.egress_addresses],
            "server": self.endpoint.server_id,
            "deliverRole": self.workflow.deliver_role_arn,
            "alerts": monitoring.topic_arn,
            "archive": self.storage.archive_bucket,
            "tracker": self.tracker.table,
            "stateMachine": machine,
            "ingestQueue": self.intake.queue.url,
            "deadLetters": self.intake.dead_letters.url,
        }
        self.register_outputs(self.exports)

    def _dead_letters(self) -> dict[str, aws.sqs.Queue]:
        """Return the dead-letter queues, by what their messages were meant for."""
        return {
            "ingest": self.intake.dead_letters,
            "replication": self.replication.dead_letters,
            contract.EVENTS: self.dead_letters.events.queue,
            contract.INVOCATIONS: self.dead_letters.invocations.queue,
        }

    def _watched(self, functions: Functions) -> Watched:
        """Return the resources that the alarms and the dashboard watch."""
        return Watched(
            functions={role: each.function.name for role, each in functions.made.items()},
            ingest_queue=self.intake.queue.name,
            dead_letters={what: queue.name for what, queue in self._dead_letters().items()},
            rules={rule: made.name for rule, made in (*self.intake.rules.items(), *functions.rules.items())},
            state_machine_arn=self.workflow.state_machine_arn,
            table=self.tracker.table,
            nat_gateways=dict(zip(ZONES, self.network.nat_gateway_ids, strict=True)),
            addresses=len(self.network.endpoint_addresses),
        )
