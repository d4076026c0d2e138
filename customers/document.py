"""What the functions need to know of a customer at run time. No human name and no secret is in it."""

from __future__ import annotations

from typing import Any

from customers.model import Customer

#: Endings that SFTP clients give to an upload that is still going on.
TEMPORARY_NAMES = ("*.filepart", "*.tmp", "*.part")
VERSION = 1


def routing_document(customer: Customer) -> dict[str, Any]:
    """Return the document, ready for JSON, that the program writes under `contract.config_key`.

    The same in both regions. Keys are only ever added; a change of meaning is a new `schema`.
    """
    return {
        "schema": VERSION,
        "id": customer.id,
        "lifecycle": customer.lifecycle,
        "routes": [route.model_dump(mode="json") for route in customer.routes],
        "destinations": {
            name: to.model_dump(mode="json") for name, to in sorted(customer.destinations.items())
        },
        "temporary_names": list(dict.fromkeys((*TEMPORARY_NAMES, *customer.temporary_names))),
        "duplicates": {"policy": customer.duplicates.policy, "window_seconds": customer.window_seconds},
        "retention": customer.retention.model_dump(mode="json"),
    }
