"""The names and dimensions of the metrics that a cell publishes. Standard library only."""

from __future__ import annotations

from runtime.contract import REGION_OF

#: The metric that a cell's `switch` health check watches, in the peer region. 1: the region is out.
SWITCH_NAMESPACE = "mft/switch"
SWITCH_METRIC = "Out"

#: Namespace of every metric that a cell publishes about itself; no customer is ever a dimension.
METRICS = "mft/cell"
#: How many of the SFTP endpoint's public addresses answer; its maximum is what the `endpoint` check watches.
METRIC_ADDRESSES = "AddressesAnswering"
#: 1 when the last synthetic transfer was delivered in time, 0 when not; what the `canary` check watches.
METRIC_CANARY = "CanaryDelivered"
#: How long that one took, in seconds, from its upload until its copy was read back.
METRIC_CANARY_SECONDS = "CanarySeconds"
#: 1 while an operator has declared the peer region out, 0 while it is in.
METRIC_PEER_OUT = "PeerOut"
#: Seconds from a file's submission until its customer was told that it was delivered.
METRIC_DELIVERY_SECONDS = "DeliverySeconds"
#: Counts of files whose receipt said so.
METRIC_FAILED, METRIC_HELD, METRIC_REJECTED = "Failed", "Held", "Rejected"
#: Count of intake events that found no object.
METRIC_OBJECT_GONE = "ObjectGone"
#: Counts of objects of which S3 says that it did not copy them to the peer as promised: not at all, not
#: within 15 minutes, later than that, nobody knows.
METRIC_REPLICATION_FAILED = "ReplicationFailed"
METRIC_REPLICATION_MISSED = "ReplicationMissed"
METRIC_REPLICATION_LATE = "ReplicationLate"
METRIC_REPLICATION_UNTRACKED = "ReplicationUntracked"


def cell_dimensions(namespace: str, cell: str) -> dict[str, str]:
    """Return the dimensions of a cell's own metrics: no other cell of the region has them."""
    return {"Namespace": namespace, "Cell": cell}


def switch_dimensions(namespace: str, cell: str, side: str) -> dict[str, str]:
    """Return the dimensions of a side's switch metric: no other pair of stacks in the account has them."""
    return {"Namespace": namespace, "Cell": cell, "Region": REGION_OF[side]}
