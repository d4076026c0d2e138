"""The probe: which of the SFTP endpoint's public addresses answer, as seen by a client on the internet.

There is one in each zone of the cell, which leaves through the zone's own NAT gateway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from runtime.metric_names import METRIC_ADDRESSES, METRICS, cell_dimensions, unit_of, zone_dimensions

#: Seconds within which an address has to accept a connection and send its SSH identification.
PATIENCE = 5.0

#: Most lines that are read. A server may send others before its identification (RFC 4253, section 4.2).
_LINES = 50


class Probe:
    """Connects to all addresses at once and publishes how many answer. `addresses` are `host:port`.

    The number is published for the cell, where the probes of the other zones add theirs, and for this zone.
    """

    def __init__(
        self,
        *,
        addresses: Sequence[str],
        namespace: str,
        cell: str,
        zone: str,
        metrics: Any,
        patience: float = PATIENCE,
    ) -> None:
        """`metrics` is a CloudWatch client; `patience` is in seconds."""
        self._addresses, self._metrics, self._patience = addresses, metrics, patience
        self._dimensions = [cell_dimensions(namespace, cell), zone_dimensions(namespace, cell, zone)]

    def publish(self) -> dict[str, str]:
        """Publish the number of addresses that answer; return the others, each with the reason."""
        reasons = asyncio.run(self._refusals())
        data = [
            {
                "MetricName": METRIC_ADDRESSES,
                "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
                "Value": float(reasons.count(None)),
                "Unit": unit_of(METRIC_ADDRESSES),
            }
            for dimensions in self._dimensions
        ]
        self._metrics.put_metric_data(Namespace=METRICS, MetricData=data)
        return {address: reason for address, reason in zip(self._addresses, reasons, strict=True) if reason}

    async def _refusals(self) -> list[str | None]:
        return await asyncio.gather(*(self._refusal(address) for address in self._addresses))

    async def _refusal(self, address: str) -> str | None:
        """Return why an address does not answer like an SSH server, or None if it does."""
        try:
            async with asyncio.timeout(self._patience):
                return await _greeting(address)
        except TimeoutError:
            return f"no SSH server answered within {self._patience:g} s"
        except (OSError, ValueError) as error:
            return f"{type(error).__name__}: {error}"


async def _greeting(address: str) -> str | None:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        for _ in range(_LINES):
            line = await reader.readline()
            if line.startswith(b"SSH-"):
                return None
            if not line:
                return "the connection was closed before an SSH identification came"
        return f"no SSH identification in the first {_LINES} lines"
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
