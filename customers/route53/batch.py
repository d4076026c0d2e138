"""One ChangeResourceRecordSets request: why it is refused, or the zone after it. All or nothing.

A batch is checked change after change, each against the result of the earlier ones: a deletion must come
before the creation in its place (for routing policies:
https://github.com/kubernetes-sigs/external-dns/issues/1411, for CNAMEs:
https://github.com/cookpad/roadworker/pull/89). Two UPSERTs that exchange PRIMARY and SECONDARY
between identifiers are refused for that; whether Route 53 takes them is not established.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from customers.route53.record import Record, absolute, faults, malformed
from customers.route53.zone import ZONE_LIMIT, Zone, conflicts, too_many_records

ACTIONS = ("CREATE", "DELETE", "UPSERT")

# Limits of one request; an UPSERT counts twice.
# https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html
RECORDS_LIMIT, CHARACTERS_LIMIT = 1_000, 32_000
#: Health checks of an account, and children of a CALCULATED check; same page.
HEALTH_CHECK_LIMIT, CHILDREN_LIMIT = 200, 255


@dataclass(frozen=True)
class RecordChange:
    """One change of a batch."""

    action: str
    record: Record

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise ValueError(f"{self.action!r} is not one of {', '.join(ACTIONS)}")


class BatchRefusedError(Exception):
    """Route 53 would refuse the request, with this error code and these messages."""

    def __init__(self, code: str, *messages: str) -> None:
        self.code, self.messages = code, messages
        super().__init__(f"{code}: {self.message}")

    @property
    def message(self) -> str:
        """The messages as the one text that an SDK shows."""
        text = ", ".join(self.messages)
        return f"[{text}]" if self.code == "InvalidChangeBatch" else text


def refusals(
    changes: Sequence[RecordChange],
    existing: Iterable[Record],
    zone: str,
    health_checks: Collection[str] | None = None,
) -> list[str]:
    """Return Route 53's messages if it refuses this batch; an empty list if it makes all of the changes."""
    try:
        apply(changes, existing, zone, health_checks)
    except BatchRefusedError as refused:
        return list(refused.messages)
    return []


def apply(
    changes: Sequence[RecordChange],
    existing: Iterable[Record],
    zone: str,
    health_checks: Collection[str] | None = None,
    *,
    zone_id: str | None = None,
) -> tuple[Record, ...]:
    """Return the records of the zone after this batch; BatchRefusedError if Route 53 would refuse it.

    `health_checks` are the ids that exist; None skips this check. The records in `existing` are not checked.
    """
    _check_requests(changes)
    _check_health_checks(changes, health_checks)
    _check_size(changes)
    _check_sets(changes)
    after = Zone(absolute(zone))
    for record in existing:
        after.put(record)
    found: list[str] = []
    # Applied even when refused, so that each message is about its own change.
    for change in changes:
        if change.action == "DELETE":
            found += _delete(change.record, after)
            after.take(change.record)
        else:
            found += _put(change, after)
            after.put(change.record)
    if after.count > ZONE_LIMIT and any(change.action != "DELETE" for change in changes):
        found.append(too_many_records(zone_id or after.name))
    if found:
        raise BatchRefusedError("InvalidChangeBatch", *dict.fromkeys(found))
    return after.records()


def check_new_health_check(children: Collection[str], existing: Collection[str]) -> None:
    """Raise BatchRefusedError if another health check over these children cannot be created."""
    check_children(children, existing)
    if len(existing) >= HEALTH_CHECK_LIMIT:  # the API reference's description of this error
        raise BatchRefusedError(
            "TooManyHealthChecks",
            "This health check can't be created because the current account has reached the limit on the"
            " number of active health checks.",
        )


def check_children(children: Collection[str], existing: Collection[str]) -> None:
    """Raise BatchRefusedError if a CALCULATED health check cannot have these children.

    The messages are not established.
    """
    if len(children) > CHILDREN_LIMIT:
        raise BatchRefusedError(
            "InvalidInput", f"{len(children)} child health checks are more than {CHILDREN_LIMIT}"
        )
    if unknown := [child for child in children if child not in existing]:
        raise BatchRefusedError("InvalidInput", f"No health check exists with the ID {', '.join(unknown)}")


def _check_requests(changes: Sequence[RecordChange]) -> None:
    # The form: https://github.com/ansible-collections/community.aws/issues/615
    found = [
        f"Invalid request: {text} in Change with [Action={change.action}, Name={change.record.host},"
        f" Type={change.record.type}, SetIdentifier={change.record.set_identifier or 'null'}]"
        for change in changes
        for text in malformed(change.record)
    ]
    if found:
        raise BatchRefusedError("InvalidInput", *found)


def _check_health_checks(changes: Sequence[RecordChange], known: Collection[str] | None) -> None:
    for change in changes:
        id = change.record.health_check
        if known is not None and change.action != "DELETE" and isinstance(id, str) and id not in known:
            # The API reference's description of this error; the API's message is not established.
            raise BatchRefusedError("NoSuchHealthCheck", "No health check exists with the specified ID.")


def _check_size(changes: Sequence[RecordChange]) -> None:
    values = [v for change in changes for v in change.record.values * (1 + (change.action == "UPSERT"))]
    found = []
    if len(values) > RECORDS_LIMIT:  # https://github.com/kubernetes-sigs/external-dns/issues/2537
        found.append(f"Number of records limit of {RECORDS_LIMIT} exceeded.")
    if sum(map(len, values)) > CHARACTERS_LIMIT:  # https://github.com/DNSControl/dnscontrol/issues/908
        found.append(f"RDATA character limit of {CHARACTERS_LIMIT} exceeded.")
    if found:
        raise BatchRefusedError("InvalidChangeBatch", *found)


def _check_sets(changes: Sequence[RecordChange]) -> None:
    """Refuse several changes of one record, except DELETE and then CREATE."""
    actions: dict[tuple[str, str, str | None], list[str]] = {}
    for change in changes:
        record = change.record
        actions.setdefault((record.host, record.type, record.set_identifier), []).append(change.action)
    # https://github.com/barnybug/cli53/issues/81 for several creations. The API reference forbids several
    # deletions; the message, and that UPSERT excludes every other change, are not established.
    found = [
        f"The request contains an invalid set of changes for a resource record set '{type} {host}'"
        for (host, type, _), done in actions.items()
        if len(done) > 1 and done != ["DELETE", "CREATE"]
    ]
    if found:
        raise BatchRefusedError("InvalidChangeBatch", *dict.fromkeys(found))


def _delete(record: Record, zone: Zone) -> list[str]:
    current = zone.find(record)
    if current is None:  # https://github.com/boto/boto/issues/2887
        return [f"Tried to delete {record.words} but it was not found"]
    if _comparable(current) != _comparable(record):  # https://github.com/airbnb/zonify/pull/23
        return [f"Tried to delete {record.words} but the values provided do not match the current values"]
    return []


def _put(change: RecordChange, zone: Zone) -> list[str]:
    found = faults(change.record, zone.name)
    if change.action == "CREATE" and zone.find(change.record):
        # https://github.com/barnybug/cli53/issues/317
        found.append(f"Tried to create {change.record.words} but it already exists")
    return found + conflicts(change.record, zone.beside(change.record), zone.name)


def _comparable(record: Record) -> Record:
    return replace(record, name=record.host, values=tuple(sorted(record.values)))
