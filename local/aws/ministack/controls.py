"""What tests and drills can do to an emulated AWS: let regions die, come back and lag, and set quotas."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any

from runtime.contract import REGION_OF, WEST

ADMIN = "/_mft/"

#: The user agent of the local DNS server when it reads records: `Config(user_agent_extra=DNS_AGENT)`.
#: Route 53 answers DNS queries even while its API is down.
DNS_AGENT = "mft-local-dns"

#: The user agent of the local SFTP endpoint when it puts events: `Config(user_agent_extra=TRANSFER_AGENT)`.
#: Only its events may have the source `aws.transfer`.
TRANSFER_AGENT = "mft-local-transfer"

CONTROL_PLANES_IN = REGION_OF[WEST]
ANSWERS_WITHIN = 30.0


@dataclass(frozen=True, kw_only=True)
class Pending:
    """A write that has not arrived in the other region; `sent` is its time, in seconds since the epoch."""

    kind: str  # "s3" or "dynamodb"
    source: str
    target: str | None  # None if the rule's bucket does not exist
    name: str  # of the bucket or table
    key: str | dict[str, Any]  # of the object, or of the item as DynamoDB types it
    version: str | None  # of the object
    sent: float


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call from a caller that identifies itself, such as a function or an operator's command.

    `service` is IAM's name of the service, `given` are the parameters that identify the resource, by their
    names in the operation, and `status` is that of HTTP, 0 if there was no answer.
    """

    caller: str
    region: str
    service: str
    operation: str
    status: int
    given: tuple[tuple[str, str], ...]


class Controls:
    """The methods of `Emulator` that act on its regions."""

    port: int

    def region_down(self, region: str, *, control_planes: bool = False) -> None:
        """Kill a region; on return nothing in it runs any more. Also allowed for a region that is down.

        Its requests end without an answer, those under way too. Functions are killed, executions freeze,
        pollers, schedules and deliveries stop, and replication from and to it is held. With `control_planes`,
        the APIs of IAM and Route 53 die with us-gov-west-1 for callers in every region, and so does its STS;
        a client whose user agent is DNS_AGENT can still read Route 53.
        """
        if control_planes and region != CONTROL_PLANES_IN:
            raise ValueError(f"the control planes are in {CONTROL_PLANES_IN}, not in {region}")
        self._control("down", region=_known(region), control_planes=control_planes)

    def region_up(self, region: str, *, passed: float = 0) -> None:
        """Bring a region back: what was held arrives, then what was frozen goes on. No-op if it is up.

        Messages that its queues hide have been hidden for `passed` more seconds, because an outage may stand
        for a longer one. Between two writers of one key or item the later write wins, in both regions.
        """
        self._control("up", region=_known(region), passed=passed)

    @property
    def regions_down(self) -> set[str]:
        """The regions that are down."""
        return set(self._control("down"))

    def replication_lag(self, *, s3: float = 0, dynamodb: float = 0) -> None:
        """Let writes from now on arrive this many seconds later; with 0, before they are answered.

        A write that is on its way when a region dies arrives when the region is back, whatever its lag.
        """
        if s3 < 0 or dynamodb < 0:
            raise ValueError("replication lag is not negative")
        self._control("lag", s3=s3, dynamodb=dynamodb)

    def replication_catches_up(self) -> None:
        """Let what is on its way between regions that are up arrive at once."""
        self._control("catch-up")

    def replication_pending(self) -> list[Pending]:
        """Return the writes that have not arrived, oldest first: what the loss of their source would lose."""
        return [Pending(**one) for one in self._control("pending")]

    def service_quota(self, region: str, code: str, value: float | None) -> None:
        """Let Service Quotas return this value of a quota in a region; None restores the usual one."""
        self._control("quota", region=_known(region), code=code, value=value)

    def service_errors(self, region: str, share: float, *, seed: int = 0) -> None:
        """Let AWS answer this share of the functions' requests in a region, from 0 to 1, with HTTP 500.

        Half of these requests are carried out all the same.
        """
        self._control("errors", region=_known(region), share=share, seed=seed)

    def report_health(self, healthy: dict[str, bool]) -> None:
        """Let GetHealthCheckStatus return these results of health checkers, by the ids of checks."""
        self._control("health", healthy=healthy)

    def calls(self) -> list[dict[str, Any]]:
        """Return every distinct `Call` as a document with a `count`; its `given` is a dictionary."""
        return list(self._control("calls"))

    def _control(self, verb: str, **given: Any) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWERS_WITHIN)
        try:
            connection.request("POST", ADMIN + verb, json.dumps(given))
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise RuntimeError(f"the emulated AWS did not {verb}: {answer.status}; see its log")
        return json.loads(body)


def _known(region: str) -> str:
    if region not in REGION_OF.values():
        raise ValueError(f"{region!r} is not one of {', '.join(sorted(REGION_OF.values()))}")
    return region
