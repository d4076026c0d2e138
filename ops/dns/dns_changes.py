"""Changes to the hosted zone, in as few requests as Route 53 allows, and no faster than it allows.

Every request needs Route 53's control plane, which is in us-gov-west-1 for both regions
(https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/govcloud-r53.html).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError, HTTPClientError

from customers import route53 as rules
from customers.route53 import Record, RecordChange, absolute
from customers.route53.batch import CHARACTERS_LIMIT, RECORDS_LIMIT
from ops.aws_errors import blames_credentials
from ops.environment import Environment
from ops.plan import RefusedError, command
from runtime.contract import REGION_OF, WEST

CONTROL_SIDE = WEST
CONTROL_REGION = REGION_OF[CONTROL_SIDE]

#: Requests a second, and requests in a burst, in GovCloud; see the same page.
RATE, CAPACITY = 5, 40
#: The errors after which a request is tried again: another change is under way, or there are too many.
#: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html
BUSY = frozenset({"PriorRequestNotComplete", "Throttling", "ThrottlingException"})
TRIES, LONGEST_PAUSE = 10, 10.0
#: Seconds between two looks at a change that is under way, and after which to give up.
LOOK, PATIENCE = 2.0, 300.0


class ControlPlaneError(RefusedError):
    """Route 53's API does not answer."""

    def __init__(self, error: Exception) -> None:
        self.problem = (
            f"Route 53's control plane, in {CONTROL_REGION}, does not answer, and records cannot be changed"
            f" or read without it: {error}"
        ).rstrip(".")
        super().__init__(
            f"{self.problem}. Taking a whole region out of DNS needs neither:"
            f" {command('evacuate', CONTROL_REGION)}"
        )


class WrongZoneError(RefusedError):
    """The stack files name a hosted zone that is not there, or that has another name."""


class RequestPace:
    """A token bucket, full at first: 40 requests at once, then 5 a second."""

    def __init__(self, *, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._clock, self._sleep = clock, sleep
        self._tokens, self._at = float(CAPACITY), clock()

    def take(self) -> None:
        """Block until one more request may be made."""
        now = self._clock()
        self._tokens = min(CAPACITY, self._tokens + (now - self._at) * RATE) - 1
        self._at = now
        if self._tokens < 0:
            self._sleep(-self._tokens / RATE)


def batches(groups: Iterable[Sequence[RecordChange]]) -> Iterator[list[RecordChange]]:
    """Yield batches as large as Route 53 accepts; the changes of one group stay in one batch."""
    batch: list[RecordChange] = []
    elements = characters = 0
    for group in groups:
        # An UPSERT counts twice.
        values = [v for change in group for v in change.record.values * (1 + (change.action == "UPSERT"))]
        length = sum(map(len, values))
        is_full = elements + len(values) > RECORDS_LIMIT or characters + length > CHARACTERS_LIMIT
        if batch and is_full:
            yield batch
            batch, elements, characters = [], 0, 0
        batch += group
        elements, characters = elements + len(values), characters + length
    if batch:
        yield batch


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A quota: how many are allowed, and how many are used."""

    allowed: int
    used: int


class HostedZone:
    """The zone of an environment, read and changed through Route 53's API."""

    def __init__(
        self,
        environment: Environment,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client, self._id = environment.client("route53", CONTROL_SIDE), environment.zone_id
        self._name, self._clock, self._sleep = environment.zone, clock, sleep
        self._pace = RequestPace(clock=clock, sleep=sleep)
        self._records: tuple[Record, ...] = ()

    def records(self) -> tuple[Record, ...]:
        """Return all current records.

        Raises ControlPlaneError if Route 53 does not answer, and WrongZoneError if the zone is another one.
        """
        found: list[Record] = []
        start: dict[str, str] = {}
        while True:
            page = self._ask("list_resource_record_sets", HostedZoneId=self._id, MaxItems="300", **start)
            found += map(_record, page["ResourceRecordSets"])
            if not page["IsTruncated"]:
                self._records = tuple(found)
                self._check_name()
                return self._records
            start = {
                f"StartRecord{field}": page[f"NextRecord{field}"]
                for field in ("Name", "Type", "Identifier")
                if f"NextRecord{field}" in page
            }

    def _check_name(self) -> None:
        for record in self._records:
            if record.type == "SOA" and record.host != absolute(self._name):
                raise WrongZoneError(
                    f"mft:zoneId: {self._id} is the zone {record.host}, not {absolute(self._name)};"
                    " correct it in both stack files"
                )

    def checks(self) -> Iterator[dict[str, Any]]:
        """Yield every health check of the account, as ListHealthChecks returns it."""
        start: dict[str, str] = {}
        while True:
            page = self._ask("list_health_checks", **start)
            yield from page["HealthChecks"]
            if not page["IsTruncated"]:
                return
            start = {"Marker": page["NextMarker"]}

    def limits(self) -> tuple[Limit, Limit]:
        """Return the quotas of health checks in the account and of records in the zone."""
        checks = self._ask("get_account_limit", Type="MAX_HEALTH_CHECKS_BY_OWNER")
        records = self._ask("get_hosted_zone_limit", HostedZoneId=self._id, Type="MAX_RRSETS_BY_ZONE")
        of_checks, of_records = (
            Limit(allowed=each["Limit"]["Value"], used=each["Count"]) for each in (checks, records)
        )
        return of_checks, of_records

    def change(self, batch: Sequence[RecordChange], comment: str) -> str | None:
        """Make all changes of a batch, or none; return the id of the change.

        Returns None if Route 53 refuses them because they have already been made, and only the answer was
        lost. Raises RefusedError if Route 53 refuses them otherwise, or would. Call `records` first.
        """
        try:
            after = rules.apply(batch, self._records, self._name, zone_id=self._id)
        except rules.BatchRefusedError as error:
            raise RefusedError(f"Route 53 would refuse this, so it was not sent: {error.message}") from error
        changes = [{"Action": change.action, "ResourceRecordSet": _fields(change.record)} for change in batch]
        try:
            answer = self._ask(
                "change_resource_record_sets",
                HostedZoneId=self._id,
                ChangeBatch={"Comment": comment, "Changes": changes},
            )
        except ClientError as error:
            if blames_credentials(error):
                raise
            wanted = {change.record for change in batch if change.action != "DELETE"}
            if error.response["Error"]["Code"] == "InvalidChangeBatch" and wanted <= set(self.records()):
                return None
            raise RefusedError(
                f"Route 53 refused the changes, and made none of them: {error.response['Error']['Message']};"
                " plan again: somebody may have changed these records"
            ) from error
        self._records = after
        return str(answer["ChangeInfo"]["Id"])

    def wait(self, changes: Iterable[str]) -> None:
        """Block until all name servers of Route 53 have these changes; RefusedError after five minutes."""
        give_up = self._clock() + PATIENCE
        for change in changes:
            while self._ask("get_change", Id=change)["ChangeInfo"]["Status"] != "INSYNC":
                if self._clock() > give_up:
                    raise RefusedError(
                        f"Route 53 has accepted all changes, but {change} is not on all of its name servers"
                        f" after {PATIENCE:.0f} s; only waiting is left: run this again"
                    )
                self._sleep(LOOK)

    def _ask(self, operation: str, **request: Any) -> Any:
        for attempt in range(TRIES):
            self._pace.take()
            try:
                return getattr(self._client, operation)(**request)
            except HTTPClientError as error:
                raise ControlPlaneError(error) from error
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
                    raise ControlPlaneError(error) from error
                if error.response["Error"]["Code"] == "NoSuchHostedZone":
                    raise WrongZoneError(
                        f"mft:zoneId: Route 53 has no hosted zone {self._id} in the account of these"
                        " credentials; correct it in both stack files, or use credentials of mft:accountId"
                    ) from error
                if error.response["Error"]["Code"] not in BUSY or attempt == TRIES - 1:
                    raise
            self._sleep(random.uniform(0, min(LONGEST_PAUSE, 0.5 * 2**attempt)))  # noqa: S311
        raise AssertionError


def _record(fields: dict[str, Any]) -> Record:
    policies = (
        "Weight",
        "Region",
        "GeoLocation",
        "MultiValueAnswer",
        "GeoProximityLocation",
        "CidrRoutingConfig",
    )
    return Record(
        name=fields["Name"],
        type=fields["Type"],
        ttl=fields.get("TTL"),
        values=tuple(each["Value"] for each in fields.get("ResourceRecords", ())),
        set_identifier=fields.get("SetIdentifier"),
        failover=fields.get("Failover"),
        health_check=fields.get("HealthCheckId"),
        alias="AliasTarget" in fields,
        policy=next((policy for policy in policies if policy in fields), None),
    )


def _fields(record: Record) -> dict[str, Any]:
    """Return one record of a failover pair as the API expects it."""
    return {
        "Name": record.name,
        "Type": record.type,
        "TTL": record.ttl,
        "ResourceRecords": [{"Value": value} for value in record.values],
        "SetIdentifier": record.set_identifier,
        "Failover": record.failover,
        **({"HealthCheckId": record.health_check} if record.health_check else {}),
    }
