"""What all makers use: clients of a region, and the spelling of AWS's request fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Made = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Clients:
    """Clients of the emulated AWS: `clients("s3")` in the resource's region, or in another that is given."""

    region: str
    account: str
    make: Callable[[str, str], Any]

    def __call__(self, service: str, region: str | None = None) -> Any:
        """Return the boto3 client of a service."""
        return self.make(service, region or self.region)


_SPELLED = {"id": "ID", "replicaKmsKeyId": "ReplicaKmsKeyID"}


def pascal(value: Any) -> Any:
    """Return provider inputs in S3's spelling: `noncurrentDays` becomes `NoncurrentDays`."""
    if isinstance(value, Mapping):
        return {
            _SPELLED.get(name, name[0].upper() + name[1:]): pascal(inner) for name, inner in value.items()
        }
    if isinstance(value, list):
        return [pascal(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
