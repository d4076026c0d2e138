"""What was sent and what became of it: which files have to be sent again. Pure; the caller has the clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, Self, assert_never

from mft_client.errors import MessageError
from mft_client.messages import delivered_contents
from mft_client.protocol import NOTICE, Outcome, is_transfer_of


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A file that is to be sent, as it was when this was decided at the time `at`.

    `source` is the path that it is read from, and `sha256` its hash as receipts state it. `first` is the
    version id of the submission that this one repeats, empty if it repeats none.
    """

    key: str
    source: str
    sha256: str
    size: int
    at: datetime
    first: str = ""
    mtime_ns: int = 0

    def document(self) -> dict[str, Any]:
        """Return this as a document that is ready for JSON."""
        return {**asdict(self), "at": self.at.isoformat()}

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        """Return what a document describes; TypeError if a field is missing.

        Fields that a newer version has added are ignored.
        """
        known = {each.name: document[each.name] for each in fields(cls) if each.name in document}
        return cls(**{**known, "at": datetime.fromisoformat(document["at"])})


@dataclass(frozen=True, kw_only=True)
class Sent(Planned):
    """A file that S3 has acknowledged at the time `at`, as a version of its key.

    `first` is the version id of the submission that this one repeats, or its own if it repeats none.
    """

    bucket: str
    region: str
    version_id: str


@dataclass(frozen=True, kw_only=True)
class Due:
    """Files that have to be sent again.

    The platform recognises those in `again` by their content, so send them now. Those in `late` were first
    sent longer ago than the window and might be delivered twice: ask the operators first.
    """

    again: tuple[Planned, ...] = ()
    late: tuple[Planned, ...] = ()


@dataclass
class _File:
    """The last content of a key: what is planned to be sent of it, and every submission of it.

    `arrived` is whether a receipt shows that an upload arrived whose acknowledgement was lost. `before` is
    the content that this one replaces, until one of its submissions is acknowledged.
    """

    planned: Planned | None = None
    sent: list[Sent] = field(default_factory=list)
    arrived: bool = False
    before: _File | None = None

    @property
    def last(self) -> Planned:
        """What was sent last, or is about to be sent."""
        return self.planned or self.sent[-1]


class Submissions:
    """The submissions of one customer's client, and what receipts and notices have said about them.

    Only the last content of each key counts: a file that a newer one has replaced is never sent again.
    """

    def __init__(self, customer: str) -> None:
        self._customer = customer
        self._files: dict[str, _File] = {}
        self._versions: dict[str, Sent] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._early: dict[str, list[Mapping[str, Any]]] = {}
        self._left: list[tuple[str, datetime, datetime]] = []

    def plan(self, planned: Planned) -> None:
        """Remember that a file is about to be sent."""
        file = self._file(planned)
        if file.planned and file.planned.sha256 != planned.sha256:
            file.arrived = False
        file.planned = planned

    def withdraw(self, key: str) -> None:
        """Forget what was about to be sent under a key, and had not been acknowledged."""
        if file := self._files.get(key):
            file.planned = None
            if not file.sent and file.before:
                self._files[key] = file.before
            elif not file.sent:
                del self._files[key]

    def add(self, sent: Sent) -> None:
        """Remember a submission."""
        file = self._file(sent)
        file.planned = file.before = None
        file.sent.append(sent)
        self._versions[sent.version_id] = sent
        for receipt in self._early.pop(sent.version_id, ()):
            if contradiction(receipt, sent) is None:
                self._learn(sent.version_id, Outcome(receipt["outcome"]))

    def receive(self, message: Mapping[str, Any], at: datetime) -> None:
        """Take in a receipt or a notice that `understood` returned, which came at the time `at`.

        A message about another customer, or about a file that this client did not send, changes nothing. Nor
        does a message without an outcome, or with one that this version does not know: the file stays without
        a receipt. MessageError, and nothing changes, if a receipt contradicts what was sent.
        """
        if message.get("customer") != self._customer:
            return
        outcome = message.get("outcome")
        if outcome == NOTICE:
            self._receive_notice(message, at)
        elif outcome in list(Outcome):
            sent = self._versions.get(message["version_id"])
            if sent is None:
                self._early.setdefault(message["version_id"], []).append(message)
                self._recognise(message)
                return
            if problem := contradiction(message, sent):
                raise MessageError(problem)
            self._learn(sent.version_id, Outcome(outcome))

    def due(self, now: datetime, *, patience: timedelta, window: timedelta) -> Due:
        """Return the files that have to be sent again at the time `now`.

        These are the ones that were never acknowledged, the ones without a receipt after `patience`, the ones
        that failed and, at once, the ones that went to a region that a notice says to leave.
        """
        again: list[Planned] = []
        late: list[Planned] = []
        for file in self._files.values():
            if self._is_settled(file) or not (owed := self._owed(file, now, patience)):
                continue
            begun = file.sent[0].at if file.sent else owed.at
            (again if now - begun < window else late).append(owed)
        return Due(again=tuple(again), late=tuple(late))

    def last(self, key: str) -> Planned | None:
        """Return what was sent last under a key, or was about to be; None if nothing was."""
        file = self._files.get(key)
        return file.last if file else None

    def files(self) -> Iterator[tuple[Planned, Outcome | None]]:
        """Yield the last content of every key, and the outcome that settles or describes it."""
        for file in self._files.values():
            known = [outcome for each in file.sent if (outcome := self._outcomes.get(each.version_id))]
            settling = [outcome for outcome in known if _is_settled(outcome)]
            found = [Outcome.DELIVERED] if file.arrived else [*settling, *known[-1:]]
            yield file.last, next(iter(found), None)

    def outcome(self, version_id: str) -> Outcome | None:
        """Return the last known outcome of a submission, or None; a delivered file stays delivered."""
        if version_id not in self._outcomes:
            early = [Outcome(each["outcome"]) for each in self._early.get(version_id, ())]
            return early[-1] if early else None
        return self._outcomes[version_id]

    def _file(self, submission: Planned) -> _File:
        """Return the file of a submission's key: a new one, unless the submission repeats its first."""
        file = self._files.get(submission.key)
        if file is None or (file.sent and file.sent[0].first != submission.first):
            file = self._files[submission.key] = _File(before=file)
        return file

    def _recognise(self, receipt: Mapping[str, Any]) -> None:
        """Note that a file has arrived whose acknowledgement was lost, if this is its receipt.

        Its version is not known then, but the hash of what was delivered under its name is in the receipt.
        """
        file = self._files.get(receipt["key"])
        if file and file.planned and delivered_contents(receipt) == {file.planned.sha256}:
            file.arrived = file.arrived or Outcome(receipt["outcome"]) is Outcome.DELIVERED

    def _is_settled(self, file: _File) -> bool:
        outcomes = [self._outcomes.get(each.version_id) for each in file.sent]
        return file.arrived or any(outcome is not None and _is_settled(outcome) for outcome in outcomes)

    def _owed(self, file: _File, now: datetime, patience: timedelta) -> Planned | None:
        if file.planned:
            return file.planned
        last = file.sent[-1]
        is_known = last.version_id in self._outcomes  # and does not settle the file
        return last if is_known or now - last.at >= patience or self._is_left(last) else None

    def _receive_notice(self, notice: Mapping[str, Any], at: datetime) -> None:
        self._left.append((notice["out"], datetime.fromisoformat(notice["since"]), at))
        for outcome in (Outcome.DELIVERED, Outcome.HELD):
            for listed in notice[outcome]["files"]:
                file = self._files.get(listed["key"])
                for sent in file.sent if file else ():
                    if is_transfer_of(listed["transfer"], self._customer, sent.key, sent.version_id):
                        self._learn(sent.version_id, outcome)

    def _learn(self, version_id: str, outcome: Outcome) -> None:
        known = self._outcomes.get(version_id)
        if known is None or not _is_there(known):
            self._outcomes[version_id] = outcome

    def _is_left(self, sent: Sent) -> bool:
        return any(sent.region == region and since <= sent.at <= until for region, since, until in self._left)


def contradiction(receipt: Mapping[str, Any], sent: Sent) -> str | None:
    """Return in what a receipt of a version differs from what was sent as that version; None if in nothing.

    A receipt states at which destinations it is, and the hash of what is there.
    """
    delivered = delivered_contents(receipt)
    for what, said, known in (
        ("key", receipt["key"], sent.key),
        ("size", receipt.get("size", sent.size), sent.size),
        ("SHA-256", ", ".join(sorted(delivered)), sent.sha256),
    ):
        if said != known and (what != "SHA-256" or delivered):
            return f"it is a receipt of {sent.version_id} with the {what} {said!r}, and {known!r} was sent"
    return None


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
