"""The DNS records of a customer as values. Pure; the rules of Route 53 are in `customers.route53`.

Each customer has six names, each a failover pair, and each stack owns the six halves that point at its own
region. The value of a half depends only on its side: moving a customer changes only roles and health.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, assert_never

from customers import names
from customers.route53 import Record, quoted
from runtime.contract import ENDPOINTS, PRIMARY, REGION_OF, BucketRecord, stem

if TYPE_CHECKING:
    from customers.model import Customer


RecordType = Literal["CNAME", "TXT"]


@dataclass(frozen=True, kw_only=True)
class Half:
    """One half of a failover pair: the record that one stack owns under one name."""

    name: str
    type: RecordType
    set_identifier: str
    failover: str
    value: str
    ttl: int


def role(customer: Customer, endpoint: str, side: str) -> str:
    """Return whether a side's half of an endpoint's pair is its PRIMARY or SECONDARY for this customer."""
    preferred = customer.primary if endpoint == PRIMARY else endpoint
    return "PRIMARY" if side == preferred else "SECONDARY"


def halves(customer: Customer, side: str, namespace: str, zone: str) -> tuple[Half, ...]:
    """Return the six halves that the stack of `side` owns for a customer, in a stable order.

    TXT values are without quotes; code that calls the API directly adds them.
    """
    host, found = values(customer.id, side, cell=customer.cell, namespace=namespace, zone=zone)

    def half(endpoint: str, name: str, type: RecordType, value: str) -> Half:
        return Half(
            name=name,
            type=type,
            set_identifier=side,
            failover=role(customer, endpoint, side),
            value=value,
            ttl=customer.failover.ttl,
        )

    return tuple(
        each
        for endpoint in ENDPOINTS
        for each in (
            half(endpoint, names.endpoint_host(endpoint, customer.id, zone), "CNAME", host),
            half(endpoint, names.bucket_record(endpoint, customer.id, zone), "TXT", found),
        )
    )


def values(id: str, side: str, *, cell: str, namespace: str, zone: str) -> tuple[str, str]:
    """Return the values of a side's halves for a customer: the CNAME's host, the TXT's bare text."""
    found = BucketRecord(bucket=names.bucket(stem(namespace, cell), id, side), region=REGION_OF[side])
    return names.cell_host(side, cell, zone), found.render()


def record(half: Half, *, health_check: str | bool | None) -> Record:
    """Return a half as the API takes it, with this health check."""
    return Record(
        name=half.name,
        type=half.type,
        ttl=half.ttl,
        values=(_spelled(half),),
        set_identifier=half.set_identifier,
        failover=half.failover,
        health_check=health_check,
    )


def _spelled(half: Half) -> str:
    """Return the value of a half as the API takes it."""
    match half.type:
        case "CNAME":
            return half.value
        case "TXT":
            return quoted(half.value)
        case _:
            assert_never(half.type)
