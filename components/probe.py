"""The probe: a function that connects to the SFTP endpoint's public addresses, like an outside client."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from components.firewall import SFTP
from components.functions import Functions
from components.network import Placement
from runtime.environment import ENV_ADDRESSES
from runtime.metric_names import METRICS

#: Minutes between two probes of the endpoint.
PROBE_MINUTES = 1


class Probe(pulumi.ComponentResource):
    """The scheduled function that counts how many of the endpoint's `addresses` answer."""

    def __init__(
        self,
        name: str,
        *,
        functions: Functions,
        addresses: Sequence[pulumi.Output[str]],
        placement: Placement,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mft:probe:Probe", name, None, opts)
        hosts = pulumi.Output.all(*addresses).apply(
            lambda known: ",".join(f"{address}:{SFTP}" for address in known)
        )
        functions.make(
            name,
            "probe",
            [functions.publish_metrics(METRICS)],
            parent=self,
            memory=256,
            environment={ENV_ADDRESSES: hosts},
            placement=placement,
            every=PROBE_MINUTES,
        )
        self.register_outputs({})
