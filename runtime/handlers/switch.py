"""Every timing.SWITCH_MINUTES minutes: publish the position of the peer region's switch."""

from __future__ import annotations

from typing import Any

from runtime.handlers import wiring


def handler(event: dict[str, Any], context: Any) -> dict[str, str]:
    """Return the `position` that was published."""
    position = wiring.peer_switch().publish()
    wiring.metrics().peer(position)
    return {"position": position}
