"""The DNS records of a customer as values, and what Route 53 would refuse about a set of records. Pure.

Each customer has six names, each a failover pair, and each stack owns the six halves that point at its own
region. The values of a half depend on its side alone: moving a customer changes roles and health only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from customers import names
from runtime.contract import ENDPOINTS, PRIMARY, REGION_OF, BucketRecord

if TYPE_CHECKING:
    from customers.model import Customer

#: Route 53's words for the two roles of a failover pair.
ROLES = ("PRIMARY", "SECONDARY")


@dataclass(frozen=True, kw_only=True)
class Half:
    """One half of a failover pair: what one stack owns of one name."""

    name: str
    type: str
    set_identifier: str
    failover: str
    value: str
    ttl: int


@dataclass(frozen=True, kw_only=True)
class Record:
    """A record set as Route 53 judges it. A plain record has neither `set_identifier` nor `failover`.

    `health_check` is an id, or just whether there is one; an alias record has no TTL of its own.
    """

    name: str
    type: str
    ttl: int | None = None
    set_identifier: str | None = None
    failover: str | None = None
    health_check: str | bool | None = None
    alias: bool = False

    @classmethod
    def of(cls, half: Half, *, health_check: str | bool | None) -> Record:
        """Return the record that a half becomes when it carries this health check."""
        return cls(
            name=half.name,
            type=half.type,
            ttl=half.ttl,
            set_identifier=half.set_identifier,
            failover=half.failover,
            health_check=health_check,
        )


def role(customer: Customer, endpoint: str, side: str) -> str:
    """Return which half of an endpoint's pair a side is for this customer."""
    preferred = customer.primary if endpoint == PRIMARY else endpoint
    return "PRIMARY" if side == preferred else "SECONDARY"


def halves(customer: Customer, side: str, namespace: str, zone: str) -> tuple[Half, ...]:
    """Return the six halves that the stack of `side` owns for a customer, in a stable order.

    TXT values are bare: whoever talks to the API itself adds the quotes that it wants.
    """
    host = names.cell_host(side, customer.cell, zone)
    found = BucketRecord(bucket=names.bucket(namespace, customer.id, side), region=REGION_OF[side]).render()
    return tuple(
        Half(
            name=name,
            type=type,
            set_identifier=side,
            failover=role(customer, endpoint, side),
            value=value,
            ttl=customer.failover.ttl,
        )
        for endpoint in ENDPOINTS
        for name, type, value in (
            (names.endpoint_host(endpoint, customer.id, zone), "CNAME", host),
            (names.bucket_record(endpoint, customer.id, zone), "TXT", found),
        )
    )


def violations(records: Iterable[Record], zone: str) -> list[str]:
    """Return what Route 53, or a complete failover pair, would refuse about all records of a zone together.

    The sentences are Route 53's own where they are known; each begins with the record it is about.
    """
    sets: dict[tuple[str, str], list[Record]] = {}
    types: dict[str, set[str]] = {}
    for record in records:
        name = _absolute(record.name)
        sets.setdefault((name, record.type), []).append(record)
        types.setdefault(name, set()).add(record.type)
    found: list[str] = []
    for (name, type), same in sorted(sets.items()):
        found += [f"{name} {type}: {text}" for text in _alone(name, type, types[name], _absolute(zone))]
        found += [f"{name} {type}: {text}" for text in _together(name, type, same)]
        for record in same:
            found += [
                f"{name} {type} {record.set_identifier or ''}".rstrip() + f": {t}" for t in _one(record)
            ]
    return found


def _alone(name: str, type: str, beside: set[str], zone: str) -> list[str]:
    """Return what is wrong with a CNAME where it stands."""
    # https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/ResourceRecordTypes.html#CNAMEFormat
    if type == "CNAME" and name == zone:
        return [f"RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {zone}"]
    if type != "CNAME" and "CNAME" in beside:
        return [
            f"RRSet of type {type} with DNS name {name} is not permitted because a conflicting RRSet of type"
            f" CNAME with the same DNS name already exists in zone {zone}"
        ]
    return []


def _together(name: str, type: str, same: list[Record]) -> list[str]:
    """Return what is wrong among the records that share a name and a type."""
    found = [
        f"Tried to create resource record set [name='{name}', type='{type}'"
        + (f", set identifier='{identifier}'" if identifier else "")
        + "] but it already exists"
        for identifier, times in Counter(record.set_identifier for record in same).items()
        if times > 1
    ]
    roles = Counter(record.failover for record in same)
    if set(roles) == {None}:
        return found
    if None in roles:
        found.append("a record without failover stands beside failover records of the same name and type")
    for role in ROLES:
        if roles[role] != 1:
            found.append(f"has {roles[role]} {role} records; a failover pair has exactly one")
    return found


def _one(record: Record) -> list[str]:
    """Return what is wrong with a record by itself."""
    found = []
    if record.ttl is None and not record.alias:
        found.append("has no TTL; every record that is not an alias has one")
    if record.failover is None:
        return found
    if record.failover not in ROLES:
        found.append(f"failover {record.failover!r} is not one of {', '.join(ROLES)}")
    if not record.set_identifier:
        found.append("Missing field 'SetIdentifier'")
    # https://github.com/kubernetes-sigs/external-dns/issues/2362, and 1420 for TXT
    if record.failover == "PRIMARY" and not record.alias and not record.health_check:
        found.append("A non-alias primary ResourceRecordSet must have an associated health check.")
    return found


def _absolute(name: str) -> str:
    """Return a name as Route 53 writes it: lower-case, with its final dot."""
    return f"{name.rstrip('.').lower()}."
