"""What a test or a drill does to the regions of an emulated AWS: they die, come back, and lag."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any

from runtime.contract import REGION_OF, WEST

ADMIN = "/_mft/"

#: What the local DNS server says it is when it reads records: `Config(user_agent_extra=DNS_AGENT)`.
#: Route 53 answers queries from elsewhere, also while its API is down.
DNS_AGENT = "mft-local-dns"

#: What the local SFTP endpoint says it is when it puts events: `Config(user_agent_extra=TRANSFER_AGENT)`.
#: Only its events may have `aws.transfer` as their source.
TRANSFER_AGENT = "mft-local-transfer"

CONTROL_PLANES_IN = REGION_OF[WEST]
ANSWERS_WITHIN = 30.0


@dataclass(frozen=True, kw_only=True)
class Pending:
    """One write that has not arrived in the other region; `sent` is its time, in seconds since the epoch."""

    kind: str  # "s3" or "dynamodb"
    source: str
    target: str | None  # None when the rule's bucket does not exist
    name: str  # of the bucket or table
    key: str | dict[str, Any]  # of the object, or of the item as DynamoDB types it
    version: str | None  # of the object
    sent: float


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call of a caller that says who it is: a function, an operator's command.

    `service` is IAM's word for it; `given` is what the request says of its resource, by the operation's own
    names; `status` is HTTP's, 0 when there was no answer.
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
        """Kill a region; on return nothing of it runs any more. Also of one that is down.

        Its requests end without an answer, those under way too; functions are killed, executions freeze,
        pollers, schedules and deliveries stop, replication from and to it is held. `control_planes` lets
        the APIs of IAM and Route 53 die with us-gov-west-1, for callers of any region, and its STS; a
        client that says it is DNS_AGENT can go on reading Route 53.
        """
        if control_planes and region != CONTROL_PLANES_IN:
            raise ValueError(f"the control planes are in {CONTROL_PLANES_IN}, not in {region}")
        self._control("down", region=_known(region), control_planes=control_planes)

    def region_up(self, region: str, *, passed: float = 0) -> None:
        """Bring a region back: what was held arrives, then what was frozen goes on. No-op for one that is up.

        For what its queues hide, `passed` seconds more have gone by: an outage may stand for a longer one.

        Between two writers of one key or item the later write wins, in both regions.
        """
        self._control("up", region=_known(region), passed=passed)

    @property
    def regions_down(self) -> set[str]:
        """The regions that are down."""
        return set(self._control("down"))

    def replication_lag(self, *, s3: float = 0, dynamodb: float = 0) -> None:
        """Let writes from now on arrive that many seconds later; 0: before they are answered.

        One that is on its way when a region dies arrives when that is back, whatever its lag.
        """
        if s3 < 0 or dynamodb < 0:
            raise ValueError("replication lag is not negative")
        self._control("lag", s3=s3, dynamodb=dynamodb)

    def replication_pending(self) -> list[Pending]:
        """Return what has been written and has not arrived, oldest first: what a loss of the source loses."""
        return [Pending(**one) for one in self._control("pending")]

    def calls(self) -> list[dict[str, Any]]:
        """Return every distinct `Call` as a document, its `given` a dictionary, with a `count`."""
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
