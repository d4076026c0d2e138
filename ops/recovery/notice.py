"""Notices to customers when a region is out: where to send now, what has arrived, what to send again."""

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
from ops.recovery.notice_document import NoticeDocument, NoticeFile, NoticeHosts, NoticeList
from ops.recovery.notice_entries import DELIVERED, HELD, LISTS, RESEND, entry, stamp
from ops.switches import standing_of
from runtime.contract import PRIMARY, REGION_OF, SIDES, is_canary, peer_of
from runtime.facts import Fact, by_transfer, submitted
from runtime.routing import DuplicatesPolicy, RoutingDocument

#: Submissions are listed from this long before a region was taken out, unless an operator gives another time:
#: the region may have failed for a while before anybody decided.
LOOK_BACK = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Notice:
    """The notice to one customer.

    `out` is the region that is out of service, and `region` the one that serves; `hosts` are SFTP host names
    and `record` is a TXT record's name. Submissions since `since` are listed, and for `window_seconds` a file
    that is sent again is recognised. The lists hold a document for each transfer.
    """

    customer: str
    out: str
    region: str
    bucket: str
    hosts: NoticeHosts
    record: str
    policy: DuplicatesPolicy
    window_seconds: int
    since: str
    resend: Sequence[NoticeFile]
    held: Sequence[NoticeFile]
    delivered: Sequence[NoticeFile]

    @property
    def files(self) -> int:
        """The number of files in all lists."""
        return len(self.resend) + len(self.held) + len(self.delivered)

    def document(self, room: int | None = None) -> NoticeDocument:
        """Return the notice, ready for JSON, with at most `room` files: first those to send again.

        If a list is cut, `whole` is the command by which operators get all of it.
        """
        shown: dict[str, NoticeList] = {}
        left = room
        for name in LISTS:
            files = getattr(self, name)
            listed = list(files if left is None else files[:left])
            left = None if left is None else left - len(listed)
            shown[name] = {"count": len(files), "files": listed}
        document: NoticeDocument = {
            "schema": 1,
            "outcome": "notice",
            "customer": self.customer,
            "out": self.out,
            "region": self.region,
            "bucket": self.bucket,
            "hosts": self.hosts,
            "record": self.record,
            "policy": self.policy,
            "window_seconds": self.window_seconds,
            "since": self.since,
            "resend": shown[RESEND],
            "held": shown[HELD],
            "delivered": shown[DELIVERED],
        }
        if room is not None and room < self.files:
            document["whole"] = notice_text.whole(document)
        return document


class Notices:
    """The notices of an environment while one region is out. Only the other region is asked."""

    def __init__(
        self, environment: Environment, *, out_of: str | None = None, since: datetime | None = None
    ) -> None:
        """`out_of` is the region that is out; without it, the one whose switch says so.

        Raises RefusedError if neither switch does.
        """
        self._environment = environment
        declared: datetime | None = None
        if out_of is None:
            self._lost, declared = self._evacuated()
        else:
            self._lost = side_of(out_of)
            if since is None:
                declared = self._declared(self._lost)
        self.out = REGION_OF[self._lost]
        self.since = (since or (declared or datetime.now(UTC)) - LOOK_BACK).replace(microsecond=0)
        self._cell = DeployedCell(environment=environment, side=peer_of(self._lost))

    def customers(self, wanted: Iterable[str]) -> list[str]:
        """Return these customers, or all if none is named; RefusedError for unknown ones."""
        known = [name for name in self._cell.directory.names() if not is_canary(name)]
        return known_customers(wanted, known) or known

    def notice(self, name: str) -> Notice:
        """Return the notice for a customer, from the facts."""
        customer, environment = self._cell.directory.customer(name), self._environment
        zone, side = environment.zone, self._cell.side
        lists: dict[str, list[NoticeFile]] = {name: [] for name in LISTS}
        for facts in self._transfers(customer):
            route = customer.route(facts[0].key)
            if found := entry(facts, self._lost, holds=route is not None and route.holds):
                name, document = found
                lists[name].append(document)
        return Notice(
            customer=customer.id,
            out=self.out,
            region=self._cell.region,
            bucket=names.bucket(environment.stem, customer.id, side),
            hosts={
                "primary": names.endpoint_host(PRIMARY, customer.id, zone),
                "region": names.endpoint_host(side, customer.id, zone),
                "cell": names.cell_host(side, environment.cell, zone),
            },
            record=names.bucket_record(PRIMARY, customer.id, zone),
            policy=customer.policy,
            window_seconds=int(customer.window.total_seconds()),
            since=stamp(self.since),
            resend=lists[RESEND],
            held=lists[HELD],
            delivered=lists[DELIVERED],
        )

    def publish(self, notice: Notice) -> str:
        """Publish a notice to its customer's receipt topic; return the message's id.

        Its `outcome`, which is `notice`, distinguishes it from a receipt.
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
        """Return when a side was taken out, None while it is in; RefusedError if its peer does not say."""
        standing = standing_of(self._environment, side)
        return standing.since.astimezone(UTC) if standing.position.is_out else None


def plan_of(notices: Iterable[Notice]) -> dict[str, dict[str, Any]]:
    """Return the document of which the digest is made, by customer; each list by its length and a hash."""
    return {
        notice.customer: {**vars(notice), **{name: _fingerprint(getattr(notice, name)) for name in LISTS}}
        for notice in notices
    }


def _fingerprint(files: Sequence[NoticeFile]) -> str:
    return f"{len(files):,} ({digest({'files': files})})"
