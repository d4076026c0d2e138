"""Errors of AWS: a part of the functions' requests is answered with HTTP 500, as happens now and then.

Of these requests, half are carried out all the same, and the caller cannot tell which. The body is empty,
which every SDK takes for an error of the service, whatever the service's protocol.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from enum import Enum

_CALLER = re.compile(rb"\bapp/(\S+)")

#: The commands of operators, which identify themselves too.
_OPERATORS = b"ops-"


class Strike(Enum):
    """What happens to a request that is answered with an error."""

    NOT_DONE = "not done"
    DONE = "done"


class _ServiceErrors:
    """The share of requests, by region, that are answered with an error."""

    def __init__(self) -> None:
        self._shares: dict[str, float] = {}
        self._random = random.Random()  # noqa: S311 - no secret

    def set(self, region: str, share: float, seed: int) -> None:
        """Let this share of a region's requests fail, from 0 to 1."""
        self._shares[region] = share
        self._random.seed(seed)

    def strike(self, region: str | None, headers: Mapping[bytes, bytes]) -> Strike | None:
        """Return what happens to a request, None if it is answered as usual."""
        share = self._shares.get(region or "", 0)
        caller = share and _CALLER.search(headers.get(b"user-agent", b""))
        if not caller or caller[1].startswith(_OPERATORS) or self._random.random() >= share:
            return None
        return self._random.choice(list(Strike))


SERVICE_ERRORS = _ServiceErrors()
