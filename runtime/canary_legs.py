"""The ways of the canary's files through a cell: where they are put, and where they are delivered.

Standard library only. The program, the functions and the tools share it, as they do `runtime.contract`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

from runtime.contract import CANARY, INBOUND_SDK, canary, sftp_home

#: The secret of a canary, below its own path as a customer's: the private key of its two SFTP logins.
KEY_NAME = "login"


class Leg(StrEnum):
    """A way through a cell: by SFTP to a server, or by the S3 API to a bucket."""

    SFTP = "sftp"
    S3 = "s3"


def partner(cell: str) -> str:
    """Return the SFTP login of the partner to whom a cell's synthetic transfers are delivered."""
    return f"{canary(cell)}-partner"


def inbound(cell: str, leg: Leg) -> str:
    """Return the prefix, in a canary's own bucket, of the files that it sends."""
    match leg:
        case Leg.SFTP:
            return sftp_home(canary(cell))
        case Leg.S3:
            return f"{INBOUND_SDK}{CANARY}/"
        case _:
            assert_never(leg)


def delivered(leg: Leg) -> str:
    """Return the prefix, in a canary's own bucket, of the copies that are delivered to it."""
    return f"delivered/{leg}/"
