"""What Route 53 takes and what it refuses, in its own words. Pure.

Each sentence of Route 53 names where it was seen. "Not established" marks a rule that is documented but
whose sentence is ours. Where it is not established what Route 53 takes, it is refused here. Failover routing
and the values of CNAME and TXT are judged; other routing policies and the values of other types are not.
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
