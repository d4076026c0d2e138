"""Every minute, in each zone: publish the number of the SFTP endpoint's addresses that answer."""

from __future__ import annotations

from typing import Any

from runtime.environment import ENV_ADDRESSES, ENV_CELL, ENV_NAMESPACE, ENV_ZONE
from runtime.handlers import wiring
from runtime.probe import Probe


def handler(event: dict[str, Any], context: Any) -> dict[str, dict[str, str]]:
    """Return the `silent` addresses, each with the reason."""
    probe = Probe(
        addresses=wiring.env(ENV_ADDRESSES).split(","),
        namespace=wiring.env(ENV_NAMESPACE),
        cell=wiring.env(ENV_CELL),
        zone=wiring.env(ENV_ZONE),
        metrics=wiring.client("cloudwatch"),
    )
    silent = probe.publish()
    if silent:
        wiring.logger.warning("probe", silent=silent)
    return {"silent": silent}
