"""What every plan has: a digest that ties an action to what was reviewed, and a way to be refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

#: What AWS says of credentials that are not valid any more: services differ.
#: https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
_EXPIRED = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "RequestExpired",
        "UnrecognizedClientException",
    }
)


class RefusedError(ValueError):
    """The verb will not do this; the message says why and what to do instead."""


def digest(plan: Mapping[str, Any]) -> str:
    """Return 12 hex digits that stand for a plan's document: equal documents have equal digests."""
    canonical = json.dumps(plan, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def is_expired(error: BaseException) -> bool:
    """Return whether AWS refused because credentials are not valid any more."""
    return isinstance(error, ClientError) and error.response["Error"]["Code"] in _EXPIRED
