"""The revision of the registry that a stack has deployed, recorded after everything else."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from components.settings import Settings
from components.tenant import Tenant
from customers.registry import revision
from runtime import contract


class Deployed(pulumi.ComponentResource):
    """One parameter in the cell's own region, which `ops ready` compares with the registry of a checkout."""

    def __init__(
        self,
        name: str,
        *,
        settings: Settings,
        tenants: Sequence[Tenant],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mft:deployed:Deployed", name, None, opts)
        aws.ssm.Parameter(
            name,
            name=contract.cell_parameter(settings.namespace, settings.cell, "registry"),
            type="String",
            value=revision(tenant.customer for tenant in tenants),
            description="The revision of the registry that this stack has deployed",
            # It comes last, because a run that stopped midway has not deployed the registry.
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(tenants)),
        )
        self.register_outputs({})
