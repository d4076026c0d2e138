"""The resources of a stack that name a cell's endpoint, which is on loopback here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from local.program import Make, Resource
from runtime.canary_legs import Leg
from runtime.contract import canary, config_key
from runtime.environment import ENV_ADDRESSES


def on_loopback(make: Make, address: str, port: int, cell: str) -> Make:
    """Return a maker that tells the canary and the probes of a cell this address and port of its endpoint."""

    def there(resource: Resource) -> tuple[str, Mapping[str, Any]]:
        inputs = dict(resource.inputs)
        environment = inputs.get("environment", {}).get("variables", {})
        if ENV_ADDRESSES in environment:
            asked = environment[ENV_ADDRESSES].split(",")
            addresses = ",".join(f"{address}:{port}" for _ in asked)
            inputs["environment"] = {"variables": {**environment, ENV_ADDRESSES: addresses}}
        if inputs.get("key") == config_key(canary(cell)):
            document = json.loads(inputs["content"])
            document["destinations"][Leg.SFTP] |= {"host": address, "port": port}
            inputs["content"] = json.dumps(document, sort_keys=True)
        return make(replace(resource, inputs=inputs))

    return there
