"""How many of a cell's functions may run at a time: what each has for itself, and never more.

Every function of a cell reserves its concurrency, so that neither deliveries nor another application of the
account can keep the cell from taking files in, from publishing its peer's switch, or from taking over.
Reserved concurrency is a guarantee and a cap: https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
"""

from __future__ import annotations

from collections.abc import Mapping

#: Deliveries of a cell at a time. Five customers' shares (`runtime.shares`) fit in.
DELIVERIES = 200

#: Batches of the ingest queue, and of the queue about late copies, at a time.
INGEST_BATCHES, REPLICATION_BATCHES = 20, 2

#: By handler. Scheduled functions have one more than runs at a time, for a run that takes long; but two
#: passes of a takeover would use twice their share of Step Functions' rates.
RESERVED: Mapping[str, int] = {
    "probe": 2,
    "switch": 2,
    "takeover": 1,
    "audit": 2,
    "sweep": 2,
    "canary": 2,
    "replication": REPLICATION_BATCHES,
    "ingest": INGEST_BATCHES,
    "claim": 50,
    "compare": 25,
    "deliver": DELIVERIES,
    "complete": 50,
    "archive": 50,
}

#: A cell has a probe in each of three zones, and one of everything else.
PROBES_OF_CELL = 3

#: What a cell reserves in each region.
OF_CELL = sum(RESERVED.values()) + (PROBES_OF_CELL - 1) * RESERVED["probe"]

#: What AWS keeps in each region of an account for functions that reserve nothing.
UNRESERVED = 100
