"""A record set as the API takes it, and the faults that it has by itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

#: The two roles of a failover pair.
ROLES = ("PRIMARY", "SECONDARY")

# https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html
VALUES_LIMIT = 400
# https://docs.aws.amazon.com/Route53/latest/APIReference/API_ResourceRecordSet.html
TTL_LIMIT = 2**31 - 1
VALUE_LIMIT = 4_000
#: Of one string of a TXT value, in bytes (RFC 1035 section 3.3).
STRING_LIMIT = 255
#: Of a label and of a whole name without its final dot, in bytes (RFC 1035 section 2.3.4).
LABEL_LIMIT, NAME_LIMIT = 63, 253
_ESCAPED = re.compile(r"\\[0-7]{3}|\\.|.", re.DOTALL)
_STRING = r'"((?:[^"\\]|\\.)*)"'
_STRINGS = re.compile(rf"\s*{_STRING}(?:\s*{_STRING})*\s*", re.DOTALL)
_UNSUPPORTED = re.compile(r"[^ -~]")


@dataclass(frozen=True, kw_only=True)
class Record:
    """A record set as the API takes it: TXT values are quoted. Without `set_identifier` it is simple.

    `health_check` is an id, or only whether there is one; `alias` is a target, or only whether there is one.
    `policy` is the field of a routing policy other than failover (`Weight`), which is not checked.
    """

    name: str
    type: str
    ttl: int | None = None
    values: tuple[str, ...] = ()
    set_identifier: str | None = None
    failover: str | None = None
    health_check: str | bool | None = None
    alias: str | bool = False
    policy: str | None = None

    @property
    def kind(self) -> str | None:
        """The routing policy's field; None for a simple record."""
        return "Failover" if self.failover else self.policy

    @property
    def host(self) -> str:
        """The name as Route 53 writes it."""
        return absolute(self.name)

    @property
    def words(self) -> str:
        """The record as the messages about creation and deletion name it."""
        identifier = f", set-identifier='{self.set_identifier}'" if self.set_identifier else ""
        return f"resource record set [name='{self.host}', type='{self.type}'{identifier}]"


def absolute(name: str) -> str:
    """Return a name as Route 53 writes it: lower-case, with its final dot."""
    return f"{name.rstrip('.').lower()}."


def quoted(text: str) -> str:
    """Return a text of up to 255 bytes as the value of a TXT record."""
    escaped = text.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'


def malformed(record: Record) -> list[str]:
    """Return the faults that make a request with this record an InvalidInput, whatever the zone contains."""
    found = []
    # https://github.com/ansible-collections/community.aws/issues/615
    if record.kind and not record.set_identifier:
        found.append("Missing field 'SetIdentifier'")
    # https://github.com/hashicorp/terraform-provider-aws/issues/1668
    if record.set_identifier and not record.kind:
        fields = "Weight, Region, Failover, GeoLocation, or MultiValueAnswer"
        found.append(f"Expected exactly one of [{fields}], but found none")
    # https://github.com/ministryofjustice/modernisation-platform/pull/10072 for none,
    # https://github.com/ansible-collections/community.aws/issues/545 for more than one
    plain = record.ttl is not None and bool(record.values)
    extra = record.alias and (record.ttl is not None or record.values)
    if extra or not (record.alias or plain):
        fields = "AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId"
        found.append(f"Expected exactly one of [{fields}], but found {'more than one' if extra else 'none'}")
    # The limits are documented; these messages are not established.
    if record.ttl is not None and not 0 <= record.ttl <= TTL_LIMIT:
        found.append(f"TTL {record.ttl} is not from 0 to {TTL_LIMIT}")
    found += [
        f"Value of {len(value)} characters is longer than {VALUE_LIMIT}"
        for value in record.values
        if len(value) > VALUE_LIMIT
    ]
    if record.failover and record.failover not in ROLES:
        found.append(f"Failover {record.failover!r} is not one of {', '.join(ROLES)}")
    return found


def faults(record: Record, zone: str) -> list[str]:
    """Return the faults that a record in a zone has by itself."""
    found = _name_faults(record.name, "FATAL problem: {} encountered with '{}'".format)
    # https://github.com/kcp-dev/kcp-glbc/issues/475
    if record.host != zone and not record.host.endswith(f".{zone}"):
        found.append(f"RRSet with DNS name {record.host} is not permitted in zone {zone}")
    # https://blog.serverworks.co.jp/dns-cname-record-error
    if record.type == "CNAME" and record.host == zone:
        found.append(f"RRSet of type CNAME with DNS name {zone} is not permitted at apex in zone {zone}")
    # https://github.com/kubernetes-sigs/external-dns/issues/2362, and 1420 for TXT
    if record.failover == "PRIMARY" and not record.alias and not record.health_check:
        found.append(
            "A non-alias primary ResourceRecordSet must have an associated health check. No changes made."
        )
    return found + _value_faults(record)


def _value_faults(record: Record) -> list[str]:
    # The form of these three: https://github.com/virtualmin/virtualmin-gpl/issues/355
    problem = "Invalid Resource Record: 'FATAL problem: {} encountered with '{}''".format
    found = []
    if record.type == "CNAME" and len(record.values) > 1:  # documented; the message is not established
        found.append(f"RRSet of type CNAME with DNS name {record.host} has more than one value")
    # https://github.com/rancher/rancher/issues/10253, when the limit was 100
    if len(record.values) > VALUES_LIMIT:
        found.append(f"Cannot have more than {VALUES_LIMIT} records in a RRSet.")
    # https://github.com/kubernetes-sigs/external-dns/issues/1929
    repeated = dict.fromkeys(value for value in record.values if record.values.count(value) > 1)
    found += [f"Duplicate Resource Record: '{value}'" for value in repeated]
    for value in record.values:
        if record.type == "CNAME":
            found += _name_faults(value, problem)
        elif record.type != "TXT":
            continue
        # https://github.com/kubernetes-sigs/external-dns/issues/4792
        elif not _STRINGS.fullmatch(value):
            found.append(
                problem("InvalidCharacterString (Value should be enclosed in quotation marks)", value)
            )
        # https://github.com/plesk/ext-route53/issues/13
        elif _UNSUPPORTED.search(value):
            found.append(problem("UnsupportedCharacter (Value contains unsupported characters)", value))
        elif any(
            len(_ESCAPED.findall(text)) > STRING_LIMIT for text in re.findall(_STRING, value, re.DOTALL)
        ):
            found.append(problem("CharacterStringTooLong (Value is too long)", value))
    return found


def _name_faults(name: str, problem: Callable[[str, str], str]) -> list[str]:
    """Return the faults of a domain name: lengths of its parts, and unsupported characters."""
    bare = name.removesuffix(".")
    labels = bare.split(".")
    # https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DomainNameFormat.html
    if " " in bare or _UNSUPPORTED.search(bare):  # seen for a value, not for a name: plesk/ext-route53#13
        return [problem("UnsupportedCharacter (Value contains unsupported characters)", name)]
    if "" in labels:  # https://github.com/hashicorp/terraform/issues/18482
        return [problem("DomainLabelEmpty (Domain label is empty)", name)]
    # https://github.com/ministryofjustice/cloud-platform/issues/4294
    found = [
        problem("DomainLabelTooLong (Domain label is too long)", label)
        for label in labels
        if len(_ESCAPED.findall(label)) > LABEL_LIMIT
    ]
    if not found and len(_ESCAPED.findall(bare)) > NAME_LIMIT:  # the message is not established
        found.append(problem("DomainNameTooLong (Domain name is too long)", name))
    return found
