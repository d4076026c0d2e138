"""The cell's manifest: the names that AWS chose for its resources, where operators' tools can read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from components import jsontext
from components.alarm import Watched
from components.settings import Settings
from runtime import contract


class ManifestParameter(pulumi.ComponentResource):
    """One parameter in the cell's own region, which `ops.cell_manifest` reads."""

    def __init__(
        self,
        name: str,
        *,
        settings: Settings,
        watched: Watched,
        server_id: pulumi.Input[str],
        addresses: Sequence[pulumi.Input[str]],
        alerts_arn: pulumi.Input[str],
        queue_url: pulumi.Input[str],
        dead_letters: dict[str, pulumi.Input[str]],
        canary: Mapping[str, pulumi.Input[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`dead_letters` are URLs of queues, by what their messages were meant for.

        `canary` is what `Canary` says of its synthetic customer.
        """
        super().__init__("mft:parts:Parts", name, None, opts)
        aws.ssm.Parameter(
            name,
            name=contract.cell_parameter(settings.namespace, settings.cell, "parts"),
            type="String",
            value=jsontext.render(
                {
                    "server": server_id,
                    "addresses": addresses,
                    "queue": queue_url,
                    "dead_letters": dead_letters,
                    "state_machine": watched.state_machine_arn,
                    "functions": watched.functions,
                    "alerts": alerts_arn,
                    "canary": canary,
                },
                sort_keys=True,
            ),
            description="What this cell is made of, for those who look after it",
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
