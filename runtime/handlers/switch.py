"""Every timing.SWITCH_MINUTES minutes: publish the peer's switch, and this region's own word if given."""

from __future__ import annotations

from typing import Any

from runtime.handlers import wiring


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return the `position` of the peer, and whether this region is `forced` in."""
    position = wiring.peer_switch().publish()
    wiring.metrics().peer(position)
    return {"position": position, "forced": wiring.own_force().repeat(wiring.own_switch())}
