"""How much of AWS's quotas a registry needs, and what to do if it exceeds one. Pure.

Both stacks of every cell are counted that a customer names, or that has stacks and no customer yet. Other
resources of the account, such as the buckets that removed customers left behind, are not known here.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from customers import names
from customers.model import Customer, S3Destination
from customers.route53.zone import ZONE_LIMIT
from runtime.contract import ENDPOINTS, SIDES

_REGIONS = len(SIDES)
#: In each region: `endpoint` and `canary` twice, `switch`, `veto`, `forced`, the check over these, and `out`.
CHECKS_OF_CELL = 9 * _REGIONS
#: One in each region, for a customer in service that does not share its cell's check.
CHECKS_OF_CUSTOMER = _REGIONS
#: A CNAME and a TXT for each endpoint, each a pair of halves.
RECORDS_OF_CUSTOMER = 2 * len(ENDPOINTS) * _REGIONS
#: The address of each region's endpoint.
RECORDS_OF_CELL = _REGIONS
#: The zone's own: NS and SOA.
RECORDS_OF_ZONE = 2
#: One in each region, whatever the customer's lifecycle; a cell has one for each role and one for its canary.
BUCKETS_OF_CUSTOMER = _REGIONS
BUCKETS_OF_CELL = _REGIONS * (len(names.ROLES) + 1)

#: Security groups of a cell's endpoint that let in customers. One more lets in checkers and the probe, and
#: an interface has five by default (quota L-2AFB9258).
#: https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html
CUSTOMER_GROUPS = 4
#: AWS raises the quota of rules to this, with five groups: 1,000 rules for an interface.
_MOST_RULES = 200

#: Lifecycle rules of a cell's archive bucket that are not a customer's: the canary's, that of former
#: customers, and that of unfinished uploads. S3's quota of rules is fixed.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lifecycle-mgmt.html
RULES_OF_ARCHIVE = 3
RULE_LIMIT = 1_000

#: Keys of partners that the policy of the role that delivers can name: it has up to 10,240 characters.
#: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
KEYS_OF_CELL = 30

#: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html
NEW_CHECKS_A_DAY = 1_000
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/BucketRestrictions.html
BUCKET_LIMIT = 10_000


@dataclass(frozen=True, kw_only=True)
class Needs:
    """How many of each resource a registry needs in both regions together."""

    health_checks: int
    records: int
    buckets: int


def needs(customers: Iterable[Customer], cells: Collection[str] = ()) -> Needs:
    """Return what these customers and their cells need, and these cells even without a customer.

    A customer that moves to another cell is given as each of its cells has it (`Registry.placed`).
    """
    customers = list(customers)
    count, active = len(_cells(customers).union(cells)), len(_active(customers))
    own_checks = sum(each.is_checked and each.has_own_check for each in customers)
    return Needs(
        health_checks=CHECKS_OF_CELL * count + CHECKS_OF_CUSTOMER * own_checks,
        records=RECORDS_OF_ZONE + RECORDS_OF_CELL * count + RECORDS_OF_CUSTOMER * active,
        buckets=BUCKETS_OF_CELL * count + BUCKETS_OF_CUSTOMER * len(customers),
    )


def refusals(
    customers: Collection[Customer],
    *,
    health_checks: int,
    group_rules: int,
    cells: Collection[str] = (),
    before: Collection[Customer] | None = None,
) -> list[str]:
    """Return a sentence for each quota that these customers exceed, with the numbers and the remedy.

    `cells` are those that have stacks, with or without customers. `health_checks` and `group_rules` (inbound
    rules of a security group) are quotas of the account. If the deployed customers are given as `before`, the
    health checks that would be created in one day are judged too, and a remedy names new customers first.
    """
    needed, deployed = needs(customers, cells), before or ()
    found = []
    if needed.health_checks > health_checks:
        found.append(_too_many_checks(customers, deployed, needed.health_checks, health_checks))
    if before is not None:
        found += _too_many_new_checks(customers, before)
    if needed.records > ZONE_LIMIT:
        chosen = _chosen(
            _active(customers), _active(deployed), needed.records - ZONE_LIMIT, RECORDS_OF_CUSTOMER
        )
        found.append(
            f"customers: {needed.records:,} DNS records are needed, but a zone holds {ZONE_LIMIT:,};"
            " leave these onboarding, or serve them from a zone, registry and stacks of their own"
            f" ({len(chosen)}): {', '.join(chosen)}"
        )
    if needed.buckets > BUCKET_LIMIT:
        ids, there = ({each.id for each in some} for some in (customers, deployed))
        chosen = _chosen(ids, there, needed.buckets - BUCKET_LIMIT, BUCKETS_OF_CUSTOMER)
        found.append(
            f"customers: {needed.buckets:,} buckets are needed, but an account can have {BUCKET_LIMIT:,};"
            " serve these from an account, registry and stacks of their own"
            f" ({len(chosen)}): {', '.join(chosen)}"
        )
    return [
        *found,
        *_too_many_networks(_networks(customers), group_rules),
        *_too_many_keys(customers),
        *_too_many_rules(customers),
    ]


def _too_many_rules(customers: Iterable[Customer]) -> Iterator[str]:
    for cell, count in sorted(Counter(each.cell for each in customers).items()):
        if (rules := count + RULES_OF_ARCHIVE) > RULE_LIMIT:
            yield (
                f"customers: cell {cell} needs {rules:,} lifecycle rules for its archive, one for each"
                f" customer, but a bucket has up to {RULE_LIMIT:,}; serve {rules - RULE_LIMIT:,}"
                " customers from another cell"
            )


def _too_many_keys(customers: Iterable[Customer]) -> Iterator[str]:
    keys: dict[str, set[str]] = {}
    for customer in customers:
        for destination in () if customer.is_retired else customer.destinations.values():
            if isinstance(destination, S3Destination) and destination.kms_key:
                keys.setdefault(customer.cell, set()).add(destination.kms_key)
    for cell, used in sorted(keys.items()):
        if len(used) > KEYS_OF_CELL:
            yield (
                f"customers: cell {cell} delivers to buckets under {len(used)} keys of partners, but the role"
                f" that delivers can name {KEYS_OF_CELL}; serve customers with {len(used) - KEYS_OF_CELL} of"
                " the keys from another cell"
            )


def _too_many_networks(networks: Mapping[str, int], group_rules: int) -> Iterator[str]:
    allowed = CUSTOMER_GROUPS * group_rules
    for cell, count in sorted(networks.items()):
        if count > allowed:
            rules = -(-count // CUSTOMER_GROUPS)
            more = (
                f"ask AWS in both regions for {rules} rules per security group (quota L-0EA8095F) and set"
                f" mft:groupRuleQuota to that, or serve customers"
                if rules <= _MOST_RULES
                else "serve customers"
            )
            yield (
                f"customers: cell {cell} lets in {count:,} networks, but the {CUSTOMER_GROUPS} security"
                f" groups of its endpoint hold {group_rules} rules each (mft:groupRuleQuota), {allowed:,}"
                f" together; {more} with {count - allowed:,} of the networks from another cell"
            )


def _too_many_checks(
    customers: Collection[Customer], deployed: Collection[Customer], needed: int, quota: int
) -> str:
    own = _own_check(customers)
    cells = needed - CHECKS_OF_CUSTOMER * len(own)
    sentence = (
        f"customers: {needed:,} health checks are needed ({cells:,} for cells, {needed - cells:,} for"
        f" customers), but mft:healthCheckQuota is {quota:,}; ask AWS for {needed:,} (quota L-ACB674F3) and"
        " set it to that"
    )
    if cells > quota:
        return f"{sentence}, or for {cells:,} and set failover.health_check: cell for every customer"
    chosen = _chosen(own, _own_check(deployed), needed - quota, CHECKS_OF_CUSTOMER)
    return f"{sentence}, or set failover.health_check: cell for these ({len(chosen)}): {', '.join(chosen)}"


def _too_many_new_checks(customers: Collection[Customer], before: Collection[Customer]) -> list[str]:
    """Return the steps in which new health checks can be created: cells first, then customers by id."""
    new = [(f"cell {cell}", CHECKS_OF_CELL) for cell in sorted(_cells(customers) - _cells(before))]
    new += [(id, CHECKS_OF_CUSTOMER) for id in sorted(_own_check(customers) - _own_check(before))]
    total = sum(checks for _, checks in new)
    if total <= NEW_CHECKS_A_DAY:
        return []
    last: list[str] = []
    left = 0
    for name, checks in new:
        if checks > left:
            last.append(name)
            left = NEW_CHECKS_A_DAY
        last[-1] = name
        left -= checks
    days = ", ".join(f"day {day} up to {name}" for day, name in enumerate(last, start=1))
    return [
        f"customers: {total:,} health checks are new, but Route 53 creates {NEW_CHECKS_A_DAY:,} a day;"
        f" deploy what is new in {len(last)} steps, cells first and then customers by id: {days}"
    ]


def _chosen(wanted: set[str], deployed: set[str], excess: int, each: int) -> list[str]:
    """Return the fewest ids that make up for the excess, at `each` per id: new ones first, then the last."""
    order = sorted(sorted(wanted, reverse=True), key=lambda id: id in deployed)
    return sorted(order[: -(-excess // each)])


def _networks(customers: Iterable[Customer]) -> dict[str, int]:
    """Return how many networks each cell's firewall lets in; adjacent networks are merged, as there."""
    found: dict[str, set[ipaddress.IPv4Network]] = {}
    for customer in customers:
        if customer.takes_files and customer.source_cidrs:
            found.setdefault(customer.cell, set()).update(map(ipaddress.IPv4Network, customer.source_cidrs))
    return {cell: len(list(ipaddress.collapse_addresses(networks))) for cell, networks in found.items()}


def _cells(customers: Iterable[Customer]) -> set[str]:
    return {customer.cell for customer in customers}


def _active(customers: Iterable[Customer]) -> set[str]:
    return {customer.id for customer in customers if customer.is_in_service}


def _own_check(customers: Iterable[Customer]) -> set[str]:
    return {each.id for each in customers if each.is_checked and each.has_own_check}
