"""What the functions need to know about a customer at run time. It contains no human name and no secret."""

from __future__ import annotations

from typing import Any

from customers import names
from customers.model import Customer
from customers.route_checks import client_names
from runtime import canary_legs, contract, temporary_names
from runtime.canary_legs import Leg

VERSION = 1

#: Days for which the files of synthetic transfers are kept. Facts about them are kept twice as long.
CANARY_DAYS = 1


def routing_document(customer: Customer) -> dict[str, Any]:
    """Return the document, ready for JSON, that the program writes under `contract.config_key`.

    It is the same in both regions. Keys are only ever added; a change of meaning needs a new `schema`.
    """
    return {
        "schema": VERSION,
        "id": customer.id,
        "lifecycle": customer.stage,
        "waits": customer.waits,
        "routes": [route.model_dump(mode="json") for route in customer.routes],
        "destinations": {
            # A partner's key is a matter of the role that delivers.
            name: to.model_dump(mode="json", exclude={"kms_key"})
            for name, to in sorted(customer.destinations.items())
        },
        "temporary_names": list(
            dict.fromkeys((*client_names(customer.incoming.client), *customer.temporary_names))
        ),
        "duplicates": {"policy": customer.duplicates.policy, "window_seconds": customer.window_seconds},
        "retention": customer.retention.model_dump(mode="json"),
        "limits": customer.limits.model_dump(mode="json"),
    }


def canary_document(namespace: str, cell: str, side: str, *, host: str, host_key: str) -> dict[str, Any]:
    """Return the routing document, as above, of the sender of a cell's synthetic transfers.

    Its bucket of `side` is also its destination: by S3 itself, and by SFTP behind the cell's own endpoint,
    whose name is `host`, and one of whose keys is `host_key` (an OpenSSH public key).
    """
    destinations: dict[Leg, dict[str, Any]] = {
        Leg.SFTP: {
            "kind": "sftp",
            "host": host,
            "port": 22,
            "user": canary_legs.partner(cell),
            "host_key": host_key,
            "secret": canary_legs.KEY_NAME,
            "directory": "/",
            "temporary_name": ".*.part",
            "publish": "rename",
            "verify": "size",
            "fsync": True,
        },
        Leg.S3: {
            "kind": "s3",
            "bucket": names.canary_bucket(namespace, cell, side),
            "region": contract.REGION_OF[side],
            "prefix": canary_legs.delivered(Leg.S3),
            "account": None,
        },
    }
    return {
        "schema": VERSION,
        "id": contract.canary(cell),
        "lifecycle": "active",
        "waits": False,
        "routes": [
            {
                "match": f"{contract.below_inbound(canary_legs.inbound(cell, leg))}**",
                "to": [str(leg)],
                "on_unknown": "deliver",
            }
            for leg in Leg
        ],
        "destinations": {str(leg): destinations[leg] for leg in Leg},
        "temporary_names": list(temporary_names.ANY),
        "duplicates": {"policy": "content", "window_seconds": 3600},
        "retention": {
            "inbound_days": CANARY_DAYS,
            "archive_days": CANARY_DAYS,
            "tracker_days": 2 * CANARY_DAYS,
        },
        "limits": {"files_per_hour": None},
    }
