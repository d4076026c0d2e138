"""The times that determine how long a failover takes, as the program deploys them. Standard library only.

The commitments for the loss of a region are computed from these (docs/disaster-recovery.md).
"""

from __future__ import annotations

#: Most seconds that resolvers may cache an answer. Route 53 recommends no more for records with a health
#: check: https://docs.aws.amazon.com/Route53/latest/APIReference/API_ResourceRecordSet.html
TTL_LIMIT = 60

#: The evaluation of the switch's alarm: the length of a period in seconds, and the number of periods. A
#: health check cannot watch a shorter period:
#: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html
SWITCH_PERIOD, SWITCH_PERIODS = 60, 1

#: Where the switch is an object: seconds between two requests of a health checker, and how many of them
#: decide.
SWITCH_INTERVAL, SWITCH_LOOKS = 10, 1

#: Minutes between two runs in which a cell publishes its peer's switch and takes over from a lost peer.
SWITCH_MINUTES = 1

#: Minutes within which S3 promises a copy in the other region. S3 accepts no other value:
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-time-control.html
REPLICATION_MINUTES = 15

#: Seconds within which a fact usually reaches the other region. AWS does not promise it; more raises an
#: alarm.
FACTS_SECONDS = 60

#: Most seconds from the end of one delivery attempt to the end of the next one: the state machine's longest
#: pause and the function's timeout, with a margin.
ATTEMPT_SECONDS = 1900

#: Minutes between two exports of a region's facts to its audit bucket.
AUDIT_MINUTES = 15

#: Minutes between two runs of the sweep, which takes in what no event has brought.
SWEEP_MINUTES = 15
