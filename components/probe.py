"""The probe: functions that connect to the SFTP endpoint's public addresses, like an outside client."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi

from components.functions import Functions
from components.network import Placement
from runtime.environment import ENV_ADDRESSES, ENV_ZONE
from runtime.metric_names import METRICS

#: Minutes between two probes of the endpoint.
PROBE_MINUTES = 1


class Probe(pulumi.ComponentResource):
    """In each zone a scheduled function that counts how many of the endpoint's addresses answer.

    Each is in the subnet of its zone only, so that nothing but that zone and its way out can silence it.
    """

    def __init__(
        self,
        name: str,
        *,
        functions: Functions,
        addresses: pulumi.Input[str],
        placements: Mapping[str, Placement],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`addresses` are `host:port`, separated by commas; `placements` are by zone."""
        super().__init__("mft:probe:Probe", name, None, opts)
        for zone, placement in placements.items():
            functions.make(
                f"{name}-{zone}",
                "probe",
                [functions.publish_metrics(METRICS)],
                role=f"probe-{zone}",
                parent=self,
                memory=256,
                environment={ENV_ADDRESSES: addresses, ENV_ZONE: zone},
                placement=placement,
                every=PROBE_MINUTES,
            )
        self.register_outputs({})
