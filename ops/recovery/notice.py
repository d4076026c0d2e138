"""What a customer is told when a region is out: where to send now, what arrived, and what to send again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from customers import names
from ops.cell import DeployedCell, known_customers, side_of
from ops.environment import Environment
from ops.plan import RefusedError, digest
from ops.recovery import notice_text
from ops.switches import standing_of
from runtime.contract import PRIMARY, REGION_OF, SIDES, Kind, is_canary, peer_of
from runtime.facts import Fact, Status, by_transfer, lacks, standing, status, submitted
from runtime.routing import RoutingDocument

#: How long before a region was taken out submissions are looked at, unless an operator says since when:
#: it may have failed for a while before anybody decided.
LOOK_BACK = timedelta(days=1)

_WHY = {
    Status.UNDER_WAY: "not finished when the region was lost",
    Status.FAILED: "not delivered",
    Status.REJECTED: "not accepted",
}


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What one customer is told.

    `out` and `region` are the region that is out and the one that serves; `hosts` are SFTP host names and
    `record` a TXT record's name. `since` is when the submissions in question begin, and `window_seconds` how
    long a file that is sent again is recognised. The lists hold a document for each transfer.
    """

    customer: str
    out: str
    region: str
    bucket: str
    hosts: dict[str, str]
    record: str
    policy: str
    window_seconds: int
    since: str
    resend: Sequence[dict[str, Any]]
    held: Sequence[dict[str, Any]]
    delivered: Sequence[dict[str, Any]]

    @property
    def files(self) -> int:
        """How many files are listed."""
        return len(self.resend) + len(self.held) + len(self.delivered)

    def document(self, room: int | None = None) -> dict[str, Any]:
        """Return the notice, ready for JSON, with `room` files in all: first those to send again.

        Where a list is cut, `whole` is how operators get all of it.
        """
        document = {**vars(self), "schema": 1, "outcome": "notice"}
        if room is not None and room < self.files:
            document["whole"] = notice_text.whole(document)
        for name in ("resend", "held", "delivered"):
            files = getattr(self, name)
            shown = list(files if room is None else files[:room])
            room = None if room is None else room - len(shown)
            document[name] = {"count": len(files), "files": shown}
        return document


class Notices:
    """The notices of an environment while one region is out. Asks the other region only."""

    def __init__(
        self, environment: Environment, *, out_of: str | None = None, since: datetime | None = None
    ) -> None:
        """`out_of` is the region that is out; without it, the one that its switch says is.

        Raises RefusedError when neither is.
        """
        self._environment = environment
        declared: datetime | None = None
        if out_of is None:
            self._lost, declared = self._evacuated()
        else:
            self._lost = side_of(out_of)
            declared = self._declared(self._lost) if since is None else None
        self.out = REGION_OF[self._lost]
        self.since = (since or (declared or datetime.now(UTC)) - LOOK_BACK).replace(microsecond=0)
        self._cell = DeployedCell(environment=environment, side=peer_of(self._lost))

    def customers(self, wanted: Iterable[str]) -> list[str]:
        """Return these customers, or all when none is wanted; RefusedError, with the nearest, for others."""
        known = [name for name in self._cell.directory.names() if not is_canary(name)]
        return known_customers(wanted, known) or known

    def notice(self, name: str) -> Notice:
        """Return the notice for a customer, from the facts."""
        customer, environment = self._cell.directory.customer(name), self._environment
        zone, side = environment.zone, self._cell.side
        resend, held, delivered = [], [], []
        for facts in self._transfers(customer):
            match status(facts):
                case Status.DELIVERED | Status.DUPLICATE:
                    delivered.append(_delivered(facts))
                case Status.HELD:
                    held.append(_held(facts))
                case Status.UNDER_WAY if _origin(facts) != self._lost:
                    continue  # goes on in the region that serves, and ends in a receipt
                case other:
                    resend.append({**_about(facts), "why": _WHY[other]})
        return Notice(
            customer=customer.id,
            out=self.out,
            region=self._cell.region,
            bucket=names.bucket(environment.namespace, customer.id, side),
            hosts={
                "primary": names.endpoint_host(PRIMARY, customer.id, zone),
                "region": names.endpoint_host(side, customer.id, zone),
                "cell": names.cell_host(side, environment.cell, zone),
            },
            record=names.bucket_record(PRIMARY, customer.id, zone),
            policy=customer.policy,
            window_seconds=int(customer.window.total_seconds()),
            since=_stamp(self.since),
            resend=resend,
            held=held,
            delivered=delivered,
        )

    def publish(self, notice: Notice) -> str:
        """Publish a notice to its customer's receipt topic; return the message's id.

        Programs tell it from a receipt by its `outcome`, which is `notice`.
        """
        published = self._cell.client("sns").publish(
            TopicArn=self._cell.directory.customer(notice.customer).receipts_topic,
            Subject=notice_text.subject(notice.document()),
            Message=notice_text.message(notice.document, notice.files),
            MessageStructure="json",
            MessageAttributes={"outcome": {"DataType": "String", "StringValue": "notice"}},
        )
        return str(published["MessageId"])

    def _transfers(self, customer: RoutingDocument) -> Iterator[list[Fact]]:
        day, today = self.since.date(), datetime.now(UTC).date()
        tracker = self._cell.tracker()
        while day <= today:
            for transfer, facts in by_transfer(tracker.day(customer.id, day.isoformat())).items():
                if submitted(transfer) >= self.since:
                    yield facts
            day += timedelta(days=1)

    def _evacuated(self) -> tuple[str, datetime]:
        """Return the side that is out, and since when."""
        silent = []
        for side in SIDES:
            try:
                if declared := self._declared(side):
                    return side, declared
            except RefusedError as error:
                silent.append(f"; {error}")
        raise RefusedError(
            f"no region is known to be out{''.join(silent)};"
            " name the one that customers are to leave: --region REGION"
        )

    def _declared(self, side: str) -> datetime | None:
        """Return when a side was taken out, None while it is in; RefusedError when its peer does not say."""
        standing = standing_of(self._environment, side)
        return standing.since.astimezone(UTC) if standing.position.is_out else None


def plan_of(notices: Iterable[Notice]) -> dict[str, dict[str, Any]]:
    """Return what the digest of notices stands for, by customer; each list by its length and a hash."""
    return {
        notice.customer: {
            **vars(notice),
            "resend": _fingerprint(notice.resend),
            "held": _fingerprint(notice.held),
            "delivered": _fingerprint(notice.delivered),
        }
        for notice in notices
    }


def _fingerprint(files: Sequence[dict[str, Any]]) -> str:
    return f"{len(files):,} ({digest({'files': files})})"


def _origin(facts: Iterable[Fact]) -> str:
    """Return the side that received a transfer, as far as its facts tell."""
    facts = list(facts)
    return next((fact.side for fact in facts if fact.kind is Kind.RECEIVED), facts[0].side)


def _about(facts: Sequence[Fact]) -> dict[str, Any]:
    first = facts[0]
    return {"key": first.key, "transfer": first.transfer, "submitted": _stamp(submitted(first.transfer))}


def _delivered(facts: Sequence[Fact]) -> dict[str, Any]:
    destinations = []
    for fact in standing(facts):
        if fact.kind is Kind.DELIVERED:
            told = {"name": fact.destination, "delivered": fact.at, "sha256": fact.detail["sha256"]}
            destinations.append(told)
        elif fact.kind is Kind.DUPLICATE:
            destinations.append({"name": fact.destination, "duplicate_of": fact.detail["of"]})
    return {**_about(facts), "destinations": destinations}


def _held(facts: Sequence[Fact]) -> dict[str, Any]:
    """Return what is told of a file that a destination holds: that one, and those that were given up."""
    lacking = lacks(facts)
    destinations = [
        {"name": fact.destination, told: fact.detail["reason"]}
        for kind, is_so, told in (
            (Kind.HELD, Status.HELD, "held"),
            (Kind.FAILED, Status.FAILED, "not_delivered"),
        )
        for fact in standing(facts)
        if fact.kind is kind and fact.destination in lacking.get(is_so, ())
    ]
    return {**_about(facts), "destinations": destinations}


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
