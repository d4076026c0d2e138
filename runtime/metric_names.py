"""The names and dimensions of the metrics that a cell publishes. Standard library only."""

from __future__ import annotations

from enum import StrEnum

from runtime.contract import REGION_OF


class SwitchKind(StrEnum):
    """What shows health checkers that a region is out of DNS."""

    #: An alarm in the peer region.
    ALARM = "alarm"
    #: An object in a bucket of the peer region, where alarms cannot feed health checks.
    ENDPOINT = "endpoint"


#: The metric in the peer region that a cell's `switch` health check watches: 1 while the region is out.
SWITCH_NAMESPACE = "mft/switch"
SWITCH_METRIC = "Out"
#: The metric in a cell's own region that its `forced` health check watches: 1 while the region is forced in;
#: otherwise nothing is published. An alarm of the cell watches it, too.
FORCE_METRIC = "ForcedIn"

#: The namespace of every metric that a cell publishes about itself. A customer is never a dimension.
METRICS = "mft/cell"
#: How many of the SFTP endpoint's public addresses answer, published by the probe of each zone: for the zone,
#: and for the cell, whose maximum the `endpoint` check watches.
METRIC_ADDRESSES = "AddressesAnswering"
#: 1 when the last synthetic transfers were delivered in time, otherwise 0: for each leg, and for the cell the
#: least of both, which the `canary` check watches.
METRIC_CANARY = "CanaryDelivered"
#: Seconds that the last synthetic transfers took, each from its upload until its copy was read back: for each
#: leg, and for the cell the most.
METRIC_CANARY_SECONDS = "CanarySeconds"
#: 1 while an operator has taken the peer region out of DNS, 0 while it is in.
METRIC_PEER_OUT = "PeerOut"
#: Seconds from the submission of a file to the receipt that states its delivery.
METRIC_DELIVERY_SECONDS = "DeliverySeconds"
#: Count of files whose receipt says that they failed.
METRIC_FAILED = "Failed"
#: Count of files whose receipt says that they are held.
METRIC_HELD = "Held"
#: Count of files that were rejected at intake.
METRIC_REJECTED = "Rejected"
#: Count of transfers of a lost region that a pass of the takeover could not start.
METRIC_NOT_TAKEN_OVER = "NotTakenOver"
#: How many files are held at present, according to the tracker. It is published while it is 0, too.
METRIC_HELD_NOW = "FilesHeld"
#: Count of intake events that found no object.
METRIC_OBJECT_GONE = "ObjectGone"
#: Count of the uploads that no event had brought and that the sweep of the inbound buckets took in.
METRIC_UNKNOWN = "UnknownToTracker"
#: Count of the uploads that the sweep found and left, for a reason that is new.
METRIC_UNPROVEN = "UploadsUnproven"
#: The greatest age, in seconds, of a bucket's last completed pass of the sweep.
METRIC_SWEEP_AGE = "SweepAge"
#: Count of transfers under way that no execution carried and that were started again.
METRIC_RESTARTED = "TransfersRestarted"
#: Count of transfers that were started again many times in vain.
METRIC_STALLED = "TransfersStalled"
SWEEP_COUNTS = (METRIC_UNKNOWN, METRIC_UNPROVEN, METRIC_RESTARTED, METRIC_STALLED)
#: Count of objects that S3 could not copy to the peer.
METRIC_REPLICATION_FAILED = "ReplicationFailed"
#: Count of objects that S3 did not copy to the peer within the promised time.
METRIC_REPLICATION_MISSED = "ReplicationMissed"
#: Count of objects that S3 copied to the peer after the promised time.
METRIC_REPLICATION_LATE = "ReplicationLate"
#: Count of objects whose copying S3 no longer tracks.
METRIC_REPLICATION_UNTRACKED = "ReplicationUntracked"

#: The units of what is not a count: a 0 or 1 has none.
_UNITS = {
    SWITCH_METRIC: "None",
    FORCE_METRIC: "None",
    METRIC_CANARY: "None",
    METRIC_CANARY_SECONDS: "Seconds",
    METRIC_DELIVERY_SECONDS: "Seconds",
    METRIC_SWEEP_AGE: "Seconds",
}


def unit_of(metric: str) -> str:
    """Return the unit in which a metric is published, as CloudWatch names it."""
    return _UNITS.get(metric, "Count")


def cell_dimensions(namespace: str, cell: str) -> dict[str, str]:
    """Return the dimensions of a cell's own metrics, which no other cell of the region shares."""
    return {"Namespace": namespace, "Cell": cell}


def leg_dimensions(namespace: str, cell: str, leg: str) -> dict[str, str]:
    """Return the dimensions of what the canary publishes about one way through a cell, a `Leg`."""
    return {**cell_dimensions(namespace, cell), "Leg": str(leg)}


def zone_dimensions(namespace: str, cell: str, zone: str) -> dict[str, str]:
    """Return the dimensions of what the probe in one zone of a cell publishes; `zone` is a letter."""
    return {**cell_dimensions(namespace, cell), "Zone": zone}


def switch_dimensions(namespace: str, cell: str, side: str) -> dict[str, str]:
    """Return the dimensions of a side's switch metric, which no other pair of stacks shares."""
    return {"Namespace": namespace, "Cell": cell, "Region": REGION_OF[side]}
