"""The times that a failover is made of, as the program deploys them. Standard library only.

What is committed for the loss of a region is computed from these (docs/disaster-recovery.md).
"""

from __future__ import annotations

#: Seconds that resolvers may keep an answer, at most. For records with a health check Route 53 recommends no
#: more: https://docs.aws.amazon.com/Route53/latest/APIReference/API_ResourceRecordSet.html
TTL_LIMIT = 60

#: What the switch's alarm judges: so many periods of so many seconds, the shortest that a health check can
#: watch. https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html
SWITCH_PERIOD, SWITCH_PERIODS = 60, 1

#: Where an object says it: seconds between two looks of a health checker, and how many of them decide.
SWITCH_INTERVAL, SWITCH_LOOKS = 10, 1

#: Minutes between two looks of a cell at its peer's switch: it is published, and a lost peer taken over from.
SWITCH_MINUTES = 1

#: Minutes within which S3 promises a copy in the other region, the only value that it takes:
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-time-control.html
REPLICATION_MINUTES = 15

#: Seconds within which a fact is in the other region, usually; nothing promises it. More alarms.
FACTS_SECONDS = 60

#: Most seconds from the end of one delivery attempt to the end of the next one: the state machine's longest
#: pause and the function's timeout, with a margin.
ATTEMPT_SECONDS = 1900

#: Minutes between two exports of a region's facts to its audit bucket.
AUDIT_MINUTES = 15
#: Days for which nobody, the account's root included, can remove an audit record: 12 months at hand and 18
#: more, as OMB memorandum M-21-31 asks of logs.
AUDIT_DAYS = 913
