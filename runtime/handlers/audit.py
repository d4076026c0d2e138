"""Every timing.AUDIT_MINUTES minutes: append this region's new facts to the audit chains."""

from __future__ import annotations

from functools import cache
from typing import Any

from runtime.audit import Audit, ChainIndex
from runtime.environment import ENV_AUDIT_BUCKET, ENV_SIDE, ENV_TRACKER
from runtime.handlers import wiring


@cache
def _audit() -> Audit:
    table, side = wiring.env(ENV_TRACKER), wiring.env(ENV_SIDE)
    return Audit(
        tracker=wiring.tracker(),
        index=ChainIndex(table=table, side=side, client=wiring.client("dynamodb")),
        directory=wiring.directory(),
        bucket=wiring.env(ENV_AUDIT_BUCKET),
        s3=wiring.client("s3"),
    )


def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Return the number of `facts` that were new."""
    found = _audit().run()
    wiring.logger.info("audit", facts=found)
    return {"facts": found}
