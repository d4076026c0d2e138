"""What the simulation does not guess."""

from __future__ import annotations


class NotSimulatedError(RuntimeError):
    """AWS or a partner is asked for something that the simulation does not know; no handler catches this."""
