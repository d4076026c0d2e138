"""Delivery: one version of an S3 object to one destination, verified, under a name that appears at once.

`runtime.delivery.sftp` and `runtime.delivery.s3` do it. They are imported by name, because asyncssh takes
a fifth of a second to load and what only reads or copies objects has no use for it.
"""

from runtime.delivery.errors import (
    DeliveryError,
    DeliveryUnfinishedError,
    DeliveryUnknownError,
    PermanentDeliveryError,
    TransientDeliveryError,
)
from runtime.delivery.names import name_for
from runtime.delivery.outcome import Delivery
from runtime.delivery.source import Source

__all__ = [
    "Delivery",
    "DeliveryError",
    "DeliveryUnfinishedError",
    "DeliveryUnknownError",
    "PermanentDeliveryError",
    "Source",
    "TransientDeliveryError",
    "name_for",
]
