"""What Route 53 accepts and what it refuses, in its own words. Pure.

A comment at each of its messages names where it was seen. "Not established" marks a rule that is documented,
but whose message is ours. What Route 53 is not established to accept is refused here. Failover routing and
the values of CNAME and TXT are checked; other routing policies and the values of other types are not.
"""

from customers.route53.batch import (
    BatchRefusedError,
    RecordChange,
    apply,
    check_children,
    check_new_health_check,
    refusals,
)
from customers.route53.record import ROLES, Record, absolute, quoted
from customers.route53.zone import Zone, violations

__all__ = [
    "ROLES",
    "BatchRefusedError",
    "Record",
    "RecordChange",
    "Zone",
    "absolute",
    "apply",
    "check_children",
    "check_new_health_check",
    "quoted",
    "refusals",
    "violations",
]
