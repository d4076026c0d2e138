"""The answers of an authoritative server for one hosted zone of Route 53: records, failover roles and health.

No sockets and no clock. The algorithm is that of RFC 1034, section 4.3.2; negative answers follow RFC 2308
and RFC 8020. Simple and failover routing are supported. A record set with another policy, an alias, or a
value that Route 53 would refuse is answered with SERVFAIL, because no answer is better than a wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dnslib import AAAA, CNAME, NS, PTR, QTYPE, RD, RR, SOA, TXT, A, DNSError, DNSLabel

#: The SOA of a zone without one: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/SOA-NSrecords.html
MADE_UP_SOA = "ns-2048.awsdns-64.net. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
MADE_UP_SOA_TTL = 900

_TRANSFERS = ("AXFR", "IXFR")  # Route 53 refuses zone transfers
_OTHER_POLICIES = (
    *("Weight", "Region", "GeoLocation", "GeoProximityLocation", "CidrRoutingConfig"),
    *("MultiValueAnswer", "TrafficPolicyInstanceId", "AliasTarget"),
)

_ESCAPE = re.compile(rb"\\([0-3][0-7]{2})|\\(.)")
_STRING = re.compile(r'\s*"((?:[^"\\]|\\.)*)"')

#: The labels of a name, in lower case, without the root.
Key = tuple[bytes, ...]
RecordSet = Mapping[str, Any]


@dataclass
class Answer:
    """The sections of an answer. `authoritative` is False for referrals and refusals."""

    status: str = "NOERROR"
    answer: list[RR] = field(default_factory=list)
    authority: list[RR] = field(default_factory=list)
    authoritative: bool = True

    @property
    def values(self) -> tuple[str, ...]:
        """The values in order: the strings of a TXT record joined, names with their final dot."""
        return tuple(
            b"".join(rr.rdata.data).decode(errors="replace") if isinstance(rr.rdata, TXT) else str(rr.rdata)
            for rr in self.answer
        )


class ServedZone:
    """One state of a zone. `addresses` maps the values of A records to those that are answered instead."""

    def __init__(self, name: str, record_sets: Iterable[RecordSet], addresses: Mapping[str, str]) -> None:
        self._addresses = addresses
        self._apex = key_of(name)
        self._sets: dict[Key, dict[str, list[RecordSet]]] = {}
        self._names = {self._apex}  # names with records, and the empty names above them
        for record_set in record_sets:
            key = key_of(record_set["Name"])
            if not self._holds(key):
                continue
            self._sets.setdefault(key, {}).setdefault(record_set["Type"], []).append(record_set)
            self._names.update(key[above:] for above in range(len(key) - len(self._apex)))

    def answer(self, name: DNSLabel, type: str, healthy: Callable[[str], bool]) -> Answer:
        """Return the answer to a question; `healthy` takes the id of a health check."""
        if type in _TRANSFERS or not self._holds(_lower(name)):
            return Answer(status="REFUSED", authoritative=False)
        try:
            return self._follow(name, type, healthy)
        except (ValueError, DNSError):  # a record is unsupported, or Route 53 would refuse it
            return Answer(status="SERVFAIL", authoritative=False)

    def _follow(self, owner: DNSLabel, type: str, healthy: Callable[[str], bool]) -> Answer:
        response = Answer()
        seen: set[Key] = set()
        while self._holds(_lower(owner)) and _lower(owner) not in seen:
            seen.add(_lower(owner))
            if cut := self._delegation(_lower(owner)):
                response.authority = self._rows(DNSLabel(cut), self._sets[cut]["NS"])
                response.authoritative = bool(response.answer)
                return response
            there = self._at(_lower(owner))
            if there is not None and "CNAME" in there and type not in ("CNAME", "ANY"):
                response.answer += self._rows(owner, [choose(there["CNAME"], healthy)])
                owner = response.answer[-1].rdata.label
                continue
            for found, record_sets in (there or {}).items():
                if type in (found, "ANY"):
                    response.answer += self._rows(owner, [choose(record_sets, healthy)])
            if there is None:
                response.status = "NXDOMAIN"
            if not any(_lower(rr.rname) == _lower(owner) for rr in response.answer):
                response.authority = [self._soa()]
            break
        return response

    def _holds(self, key: Key) -> bool:
        return key[max(0, len(key) - len(self._apex)) :] == self._apex

    def _delegation(self, key: Key) -> Key | None:
        """Return the highest name below the apex, and at or above `key`, that has its own name servers."""
        above = (key[depth:] for depth in reversed(range(len(key) - len(self._apex))))
        return next((name for name in above if "NS" in self._sets.get(name, ())), None)

    def _at(self, key: Key) -> dict[str, list[RecordSet]] | None:
        """Return the record sets at a name, or at its wildcard; None if the name does not exist."""
        if key in self._names:
            return self._sets.get(key, {})
        encloser = next(key[above:] for above in range(len(key)) if key[above:] in self._names)
        return self._sets.get((b"*", *encloser))

    def _soa(self) -> RR:
        """Return the SOA of a negative answer, with the TTL for which it may be cached (RFC 2308, 5)."""
        made_up = {"Type": "SOA", "TTL": MADE_UP_SOA_TTL, "ResourceRecords": [{"Value": MADE_UP_SOA}]}
        [soa] = self._sets.get(self._apex, {}).get("SOA", [made_up])
        [row] = self._rows(DNSLabel(self._apex), [soa])
        row.ttl = min(row.ttl, row.rdata.times[-1])
        return row

    def _rows(self, owner: DNSLabel, record_sets: Iterable[RecordSet]) -> list[RR]:
        rows: list[RR] = []
        for record_set in record_sets:
            type, ttl = record_set["Type"], int(record_set["TTL"])
            for record in record_set["ResourceRecords"]:
                rdata = self._rdata(type, record["Value"])
                row = RR(owner, getattr(QTYPE, type), ttl=ttl, rdata=rdata)
                if (
                    row not in rows
                ):  # two public addresses can have one loopback address, and a set no duplicates
                    rows.append(row)
        return rows

    def _rdata(self, type: str, value: str) -> RD:
        match type:
            case "A":
                return A(self._addresses.get(value, value))
            case "AAAA":
                return AAAA(value)
            case "CNAME":
                return CNAME(_label(value))
            case "NS":
                return NS(_label(value))
            case "PTR":
                return PTR(_label(value))
            case "SOA":
                primary, mailbox, *times = value.split()
                return SOA(_label(primary), _label(mailbox), [int(time) for time in times])
            case "TXT":
                return TXT(strings(value))
            case _:
                raise ValueError(f"records of type {type} are not answered")


def choose(record_sets: list[RecordSet], healthy: Callable[[str], bool]) -> RecordSet:
    """Return the record set of a name and type that Route 53 answers with.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-how-route-53-chooses-records.html
    A record without a health check counts as healthy, and if none is healthy, the primary answers. Raises
    ValueError for a routing policy that is neither simple nor failover.
    """
    for each in record_sets:
        if other := [policy for policy in _OTHER_POLICIES if policy in each]:
            raise ValueError(f"{each['Name']} {each['Type']} has {other[0]}")
    by_role = {each.get("Failover"): each for each in record_sets}
    primary, secondary = by_role.get("PRIMARY"), by_role.get("SECONDARY")
    if primary is None or secondary is None:
        return record_sets[0]
    well = [each for each in (primary, secondary) if healthy(each.get("HealthCheckId", ""))]
    return (well or [primary])[0]


def strings(value: str) -> list[bytes]:
    """Return the strings of a TXT value as Route 53 stores it: in quotes, with octal escapes.

    Raises ValueError if the value is not in quotes.
    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/ResourceRecordTypes.html#TXTFormat
    """
    found, end = [], 0
    while match := _STRING.match(value, end):
        found.append(_unescaped(match[1].encode()))
        end = match.end()
    if not found or value[end:].strip():
        raise ValueError(f"not the strings of a TXT record: {value}")
    return found


def key_of(name: str) -> Key:
    """Return the key of a name that is written as in Route 53, with or without a final dot."""
    return _lower(_label(name))


def _label(name: str) -> DNSLabel:
    labels = [_unescaped(label) for label in name.rstrip(".").encode().split(b".")]
    if not all(0 < len(label) <= 63 for label in labels) or sum(map(len, labels)) + len(labels) > 254:
        raise ValueError(f"not a domain name: {name}")
    return DNSLabel(labels)


def _lower(name: DNSLabel) -> Key:
    return tuple(label.lower() for label in name.label)


def _unescaped(text: bytes) -> bytes:
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 8)]) if found[1] else found[2], text)
