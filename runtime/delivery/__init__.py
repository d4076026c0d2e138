"""Delivery: one version of an S3 object goes to one destination, is verified, and appears there complete.

`runtime.delivery.sftp` and `runtime.delivery.s3` are imported by name, because asyncssh takes a fifth of a
second to load and code that only reads or copies objects does not need it.
"""

from runtime.delivery.errors import (
    ComparisonUnfinishedError,
    DeliveryError,
    DeliveryUnfinishedError,
    DeliveryUnknownError,
    PermanentDeliveryError,
    PlatformUnavailableError,
    TransientDeliveryError,
)
from runtime.delivery.names import name_for
from runtime.delivery.outcome import Delivery
from runtime.delivery.source import Source

__all__ = [
    "ComparisonUnfinishedError",
    "Delivery",
    "DeliveryError",
    "DeliveryUnfinishedError",
    "DeliveryUnknownError",
    "PermanentDeliveryError",
    "PlatformUnavailableError",
    "Source",
    "TransientDeliveryError",
    "name_for",
]
