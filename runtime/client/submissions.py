"""What was sent and what came of it: which files have to be sent again. Pure; the clock is the caller's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from runtime.contract import file_id, transfer_id

#: Outcomes after which nothing can be better: the file is where it should be.
_THERE = {"delivered", "duplicate"}

#: Outcomes after which sending the same again helps nobody: it is there, or people have to act.
_SETTLED = {*_THERE, "held", "rejected"}


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A file that S3 has acknowledged.

    `at` is when, with its time zone; `source` is where the client had it from. `first` is the version id of
    the submission that this one repeats, its own where it repeats none.
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
        """Return it, JSON-ready."""
        return {**asdict(self), "at": self.at.isoformat()}

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Sent:
        """Return what a document describes; TypeError when a field is missing."""
        return cls(**{**document, "at": datetime.fromisoformat(document["at"])})


@dataclass(frozen=True, kw_only=True)
class Due:
    """What has no receipt in time. `again`: send it again, the platform recognises it. `late`: first ask the
    operators, for it was first sent longer ago than the window and might be delivered twice."""

    again: tuple[Sent, ...] = ()
    late: tuple[Sent, ...] = ()


class Submissions:
    """The submissions of one customer's client, and what the platform has told about them.

    Of each key only the last content counts: nothing that something newer has replaced is sent again.
    """

    def __init__(self, customer: str) -> None:
        self._customer = customer
        self._sent: dict[str, list[Sent]] = {}
        self._outcomes: dict[str, str] = {}
        self._left: list[tuple[str, datetime, datetime]] = []

    def add(self, sent: Sent) -> None:
        """Remember a submission."""
        repeated = self._sent.get(sent.key, ())
        if not repeated or repeated[0].first != sent.first:
            self._sent[sent.key] = []
        self._sent[sent.key].append(sent)

    def told(self, message: Mapping[str, Any], at: datetime) -> None:
        """Take in a message of the receipt topic that came at a moment: a receipt or a notice, from JSON.

        One about another customer, or about what this client did not send, changes nothing.
        """
        if message.get("customer") != self._customer:
            return
        if message["outcome"] != "notice":
            self._learn(message["version_id"], message["outcome"])
            return
        self._left.append((message["out"], datetime.fromisoformat(message["since"]), at))
        for outcome in ("delivered", "held"):
            for file in message[outcome]["files"]:
                for sent in self._sent.get(file["key"], ()):
                    if self._is_of(file["transfer"], sent):
                        self._learn(sent.version_id, outcome)

    def due(self, now: datetime, *, patience: timedelta, window: timedelta) -> Due:
        """Return what has to be sent again by `now`.

        That is what has no receipt after `patience`, what was not delivered, and, at once, what went to a
        region that a notice says to leave.
        """
        again: list[Sent] = []
        late: list[Sent] = []
        for several in self._sent.values():
            last = several[-1]
            outcomes = {self._outcomes.get(each.version_id) for each in several}
            if outcomes & _SETTLED:
                continue
            is_failed = self._outcomes.get(last.version_id) == "failed"
            if is_failed or now - last.at >= patience or self._is_left(last):
                (again if now - several[0].at < window else late).append(last)
        return Due(again=tuple(again), late=tuple(late))

    def outcome(self, version_id: str) -> str | None:
        """Return what was last told about a submission, or None; what was delivered stays delivered."""
        return self._outcomes.get(version_id)

    def _learn(self, version_id: str, outcome: str) -> None:
        if self._outcomes.get(version_id) not in _THERE:
            self._outcomes[version_id] = outcome

    def _is_of(self, transfer: str, sent: Sent) -> bool:
        """Return whether a transfer is this submission's. The client does not know its time in S3."""
        same = transfer_id(file_id(self._customer, sent.key), sent.version_id, sent.at)
        return transfer.partition("-")[2] == same.partition("-")[2]

    def _is_left(self, sent: Sent) -> bool:
        return any(sent.region == region and since <= sent.at <= until for region, since, until in self._left)
