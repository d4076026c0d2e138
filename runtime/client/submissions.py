"""What was sent and what became of it: which files have to be sent again. Pure; the caller has the clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any, assert_never

from runtime.client.messages import NOTICE
from runtime.contract import Outcome, file_id, transfer_id


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A file that S3 has acknowledged.

    `at` is the time of the acknowledgement, with its time zone; `source` is the path that the file was read
    from. `first` is the version id of the submission that this one repeats, or its own if it repeats none.
    """

    key: str
    bucket: str
    region: str
    version_id: str
    sha256: str
    size: int
    at: datetime
    source: str
    first: str

    def document(self) -> dict[str, Any]:
        """Return the submission as a document that is ready for JSON."""
        return {**asdict(self), "at": self.at.isoformat()}

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Sent:
        """Return the submission that a document describes; TypeError if a field is missing.

        Fields that a newer version has added are ignored.
        """
        known = {each.name: document[each.name] for each in fields(cls) if each.name in document}
        return cls(**{**known, "at": datetime.fromisoformat(document["at"])})


@dataclass(frozen=True, kw_only=True)
class Due:
    """Submissions that have to be sent again.

    The platform recognises those in `again` by their content, so send them now. Those in `late` were first
    sent longer ago than the window and might be delivered twice: ask the operators first.
    """

    again: tuple[Sent, ...] = ()
    late: tuple[Sent, ...] = ()


class Submissions:
    """The submissions of one customer's client, and what receipts and notices have said about them.

    Only the last content of each key counts: a file that a newer one has replaced is never sent again.
    """

    def __init__(self, customer: str) -> None:
        self._customer = customer
        self._sent: dict[str, list[Sent]] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._left: list[tuple[str, datetime, datetime]] = []

    def add(self, sent: Sent) -> None:
        """Remember a submission."""
        repeated = self._sent.get(sent.key, ())
        if not repeated or repeated[0].first != sent.first:
            self._sent[sent.key] = []
        self._sent[sent.key].append(sent)

    def receive(self, message: Mapping[str, Any], at: datetime) -> None:
        """Take in a receipt or a notice that `understood` returned, which came at the time `at`.

        A message about another customer, or about a file that this client did not send, changes nothing. Nor
        does a message without an outcome, or with one that this version does not know: the file stays without
        a receipt.
        """
        if message.get("customer") != self._customer:
            return
        outcome = message.get("outcome")
        if outcome == NOTICE:
            self._receive_notice(message, at)
        elif outcome in list(Outcome):
            self._learn(message["version_id"], Outcome(outcome))

    def due(self, now: datetime, *, patience: timedelta, window: timedelta) -> Due:
        """Return the submissions that have to be sent again at the time `now`.

        These are the ones without a receipt after `patience`, the ones that failed and, at once, the ones
        that went to a region that a notice says to leave.
        """
        again: list[Sent] = []
        late: list[Sent] = []
        for several in self._sent.values():
            last = several[-1]
            outcomes = [self._outcomes.get(each.version_id) for each in several]
            if any(outcome is not None and _is_settled(outcome) for outcome in outcomes):
                continue
            is_known = outcomes[-1] is not None  # and does not settle the file
            if is_known or now - last.at >= patience or self._is_left(last):
                (again if now - several[0].at < window else late).append(last)
        return Due(again=tuple(again), late=tuple(late))

    def outcome(self, version_id: str) -> Outcome | None:
        """Return the last known outcome of a submission, or None; a delivered file stays delivered."""
        return self._outcomes.get(version_id)

    def _receive_notice(self, notice: Mapping[str, Any], at: datetime) -> None:
        self._left.append((notice["out"], datetime.fromisoformat(notice["since"]), at))
        for outcome in (Outcome.DELIVERED, Outcome.HELD):
            for file in notice[outcome]["files"]:
                for sent in self._sent.get(file["key"], ()):
                    if self._is_of(file["transfer"], sent):
                        self._learn(sent.version_id, outcome)

    def _learn(self, version_id: str, outcome: Outcome) -> None:
        known = self._outcomes.get(version_id)
        if known is None or not _is_there(known):
            self._outcomes[version_id] = outcome

    def _is_of(self, transfer: str, sent: Sent) -> bool:
        """Return whether a transfer is this submission's. The client does not know its time in S3."""
        same = transfer_id(file_id(self._customer, sent.key), sent.version_id, sent.at)
        return transfer.partition("-")[2] == same.partition("-")[2]

    def _is_left(self, sent: Sent) -> bool:
        return any(sent.region == region and since <= sent.at <= until for region, since, until in self._left)


def _is_there(outcome: Outcome) -> bool:
    """Return whether the file is where it should be, which no later outcome of the same version changes."""
    match outcome:
        case Outcome.DELIVERED | Outcome.DUPLICATE:
            return True
        case Outcome.HELD | Outcome.REJECTED | Outcome.FAILED:
            return False
        case _:
            assert_never(outcome)


def _is_settled(outcome: Outcome) -> bool:
    """Return whether sending the file again is of no use: it is there, or somebody has to act first."""
    match outcome:
        case Outcome.DELIVERED | Outcome.DUPLICATE | Outcome.HELD | Outcome.REJECTED:
            return True
        case Outcome.FAILED:
            return False
        case _:
            assert_never(outcome)
