"""The records of a zone, and the conflicts between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from customers.route53.record import ROLES, Record, absolute, faults, malformed
from runtime import timing

# https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html
ZONE_LIMIT = 10_000


@dataclass
class Zone:
    """The records of a zone, added and removed one by one."""

    name: str
    count: int = 0
    _hosts: dict[str, dict[tuple[str, str | None], Record]] = field(default_factory=dict)

    def find(self, record: Record) -> Record | None:
        """Return the record with the same name, type and identifier."""
        return self._hosts.get(record.host, {}).get((record.type, record.set_identifier))

    def beside(self, record: Record) -> list[Record]:
        """Return the other records of the same name."""
        key = (record.type, record.set_identifier)
        return [other for at, other in self._hosts.get(record.host, {}).items() if at != key]

    def put(self, record: Record) -> None:
        self.count += self.find(record) is None
        self._hosts.setdefault(record.host, {})[record.type, record.set_identifier] = record

    def take(self, record: Record) -> None:
        self.count -= self.find(record) is not None
        self._hosts.get(record.host, {}).pop((record.type, record.set_identifier), None)

    def records(self) -> tuple[Record, ...]:
        return tuple(record for same in self._hosts.values() for record in same.values())


def violations(records: Iterable[Record], zone: str) -> list[str]:
    """Return what is wrong with a whole zone: what Route 53 would refuse, and incomplete failover pairs.

    The records are checked as if they were created one after the other; each message begins with its record.
    """
    made, found = Zone(absolute(zone)), []
    pairs: dict[tuple[str, str], set[str | None]] = {}
    for record in records:
        texts = malformed(record) + faults(record, made.name)
        if made.find(record):
            texts.append(f"Tried to create {record.words} but it already exists")
        texts += conflicts(record, made.beside(record), made.name)
        if record.failover:
            pairs.setdefault((record.host, record.type), set()).add(record.failover)
            if record.ttl is not None and record.ttl > timing.TTL_LIMIT:
                texts.append(
                    f"TTL {record.ttl} is over {timing.TTL_LIMIT}: clients would stay with a lost region"
                )
        subject = f"{record.host} {record.type} {record.set_identifier or ''}".rstrip()
        found += [f"{subject}: {text}" for text in texts]
        made.put(record)
    found += [
        f"{host} {type}: has no {role} record; a failover pair has one of each"
        for (host, type), roles in pairs.items()
        for role in ROLES
        if role not in roles
    ]
    if made.count > ZONE_LIMIT:
        found.append(f"{made.name}: {too_many_records(made.name)}")
    return found


def too_many_records(zone: str) -> str:
    """Return the message about a zone that exceeds its quota; Route 53 names the zone by its id."""
    # https://github.com/DNSControl/dnscontrol/issues/908
    return f"Exceeded limit MAX_RRSETS_BY_ZONE for zone: {zone}"


def conflicts(record: Record, others: list[Record], zone: str) -> list[str]:
    """Return the conflicts between a record and `others`, the other records of its name."""
    same = [other for other in others if other.type == record.type]
    types = {other.type for other in others}
    named = f"RRSet of type {record.type} with DNS name {record.host} is not permitted"
    if record.type == "CNAME" and types - {"CNAME"}:
        # https://github.com/ansible-collections/amazon.aws/issues/2694
        return [f"{named} as it conflicts with other records with the same DNS name in zone {zone}"]
    if record.type != "CNAME" and "CNAME" in types:
        # https://github.com/kubernetes-sigs/external-dns/issues/1517, two spaces and all
        return [
            f"{named} because a conflicting RRSet of type  CNAME with the same DNS name"
            f" already exists in zone {zone}"
        ]
    named = f"RRSet with DNS name {record.host}, type {record.type}"
    if not record.kind:  # https://github.com/chef-boneyard/route53/issues/100
        return [f"{named} cannot be created as other RRSets exist with the same name and type."] * bool(same)
    named += f", SetIdentifier {record.set_identifier}"
    if record.failover:
        named += f", and marked as {record.failover.lower()}"
    if any(other.kind != record.kind for other in same):
        # Combined from two messages: the part from "marked as" was seen for failover, and the whole with
        # `non-latency` and `and Region Name=...`: https://github.com/hashicorp/terraform-provider-aws/issues/1668
        return [
            f"{named} cannot be created because a non-{(record.kind or '').lower()} RRSet with the same name"
            " and type already exists."
        ]
    if record.failover and any(other.failover == record.failover for other in same):
        # The rule is the console's, https://github.com/boto/boto3/issues/1347; the message is ours.
        return [
            f"{named} cannot be created because a {record.failover.lower()} failover RRSet with the same name"
            " and type already exists."
        ]
    return []
