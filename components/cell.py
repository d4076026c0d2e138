"""A cell: everything that exists once per region, complete and independent of the other region."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pulumi

from components.endpoint import Endpoint
from components.failover import Failover
from components.functions import Functions
from components.health import Health
from components.intake import Intake
from components.network import Network
from components.settings import Settings
from components.storage import Storage
from components.tracker import Tracker
from components.workflow import Workflow
from customers.model import Customer
from customers.registry import source_cidrs


class Cell(pulumi.ComponentResource):
    """One region's storage, tracker, network, endpoint, workflow, intake and health checks."""

    settings: Settings
    storage: Storage
    endpoint: Endpoint
    health: Health

    def __init__(
        self,
        *,
        settings: Settings,
        customers: Sequence[Customer],
        bundle: Path,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`customers` are those of this cell: their networks are let in, their files' retention is kept."""
        name = f"cell{settings.cell}"
        super().__init__("mft:cell:Cell", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.settings = settings
        self.storage = Storage(
            f"{name}-storage",
            settings=settings,
            archive_days={customer.id: customer.retention.archive_days for customer in customers},
            opts=child,
        )
        self.tracker = Tracker(f"{name}-tracker", settings=settings, key_arn=self.storage.key_arn, opts=child)
        self.network = Network(
            f"{name}-network", settings=settings, source_cidrs=source_cidrs(customers), opts=child
        )
        self.endpoint = Endpoint(
            f"{name}-endpoint",
            settings=settings,
            network=self.network,
            key_arn=self.storage.key_arn,
            opts=child,
        )
        functions = Functions(
            settings=settings,
            storage=self.storage,
            tracker=self.tracker,
            code=pulumi.FileArchive(str(bundle)),
        )
        self.workflow = Workflow(f"{name}-workflow", functions=functions, opts=child)
        self.intake = Intake(
            f"{name}-intake",
            functions=functions,
            state_machine_arn=self.workflow.state_machine_arn,
            opts=child,
        )
        self.failover = Failover(
            f"{name}-failover",
            functions=functions,
            state_machine_arn=self.workflow.state_machine_arn,
            opts=child,
        )
        self.health = Health(f"{name}-health", settings=settings, opts=child)
        self.register_outputs({})
