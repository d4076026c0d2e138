"""Every file whose upload was acknowledged to a client during a drill, and what became of it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from local.drill.observations import Observations
from local.drill.runs import Fate
from local.drill.sender import Sender
from runtime import contract
from runtime.contract import Kind
from runtime.facts import ENDED, Fact, Status, by_transfer, status
from runtime.patterns import literal_prefix


@dataclass(frozen=True, kw_only=True)
class SentFile:
    """A file that `side` acknowledged; `at` is when, in seconds since the epoch."""

    sender: Sender
    name: str
    side: str
    at: float

    @property
    def key(self) -> str:
        """The file's key in the customer's bucket."""
        return self.sender.key(self.name)

    @property
    def id(self) -> str:
        """The file's id in the tracker."""
        return contract.file_id(self.sender.customer.id, self.key)

    @property
    def destinations(self) -> dict[str, str]:
        """The file's name at each destination of its route."""
        route = self.sender.route(self.name)
        if route is None:
            return {}
        below = contract.below_inbound(self.key).removeprefix(literal_prefix(route.match))
        return dict.fromkeys(route.to, below)

    @property
    def waits_for_a_person(self) -> bool:
        """Whether the file's route holds a file when it is unknown whether it was delivered."""
        route = self.sender.route(self.name)
        return route is not None and route.holds

    def __str__(self) -> str:
        return f"{self.sender.customer.id}: {self.name}"


@dataclass(frozen=True, kw_only=True)
class Account:
    """An acknowledged file with the facts that one region's tracker has of it."""

    file: SentFile
    facts: tuple[Fact, ...]

    @property
    def ends(self) -> set[Status]:
        """The statuses of the file's transfers."""
        return {status(facts) for facts in by_transfer(self.facts).values()}

    @property
    def has_ended(self) -> bool:
        """Whether none of the file's transfers is under way."""
        return self.ends <= ENDED

    @property
    def is_settled(self) -> bool:
        """Whether the file was delivered, or is held for a person to decide."""
        return bool(self.ends) and all(map(_is_settled, self.ends))

    def fate(self) -> Fate:
        """Return what became of the file."""
        delivered = [fact for fact in self.facts if fact.kind is Kind.DELIVERED]
        sends = Counter((fact.transfer, fact.destination) for fact in delivered if fact.detail["sent"])
        fates = Counter(status(facts).value for facts in by_transfer(self.facts).values())
        return Fate(
            file=str(self.file),
            acknowledged_in=self.file.side,
            fate=", ".join(f"{count} {fate}" if count > 1 else fate for fate, count in fates.items()),
            delivered_by=", ".join(sorted({fact.side for fact in delivered})),
            sent=max(sends.values(), default=0),
        )


def _is_settled(end: Status) -> bool:
    match end:
        case Status.DELIVERED | Status.DUPLICATE | Status.HELD:
            return True
        case Status.UNDER_WAY | Status.REJECTED | Status.FAILED:
            return False
        case _:
            assert_never(end)


class AcknowledgedFiles:
    """The acknowledged files, in order. Safe to share between threads."""

    def __init__(self, observations: Observations) -> None:
        self._observations = observations
        self._files: list[SentFile] = []
        self._lock = threading.Lock()

    def add(self, file: SentFile) -> None:
        """Add a file that was acknowledged."""
        with self._lock:
            self._files.append(file)

    def files(self) -> list[SentFile]:
        """Return the files so far."""
        with self._lock:
            return list(self._files)

    def accounts(self, side: str, files: Iterable[SentFile] | None = None) -> list[Account]:
        """Return what one region's tracker says about these files, or about all."""
        return [
            Account(file=file, facts=self._observations.facts(file.sender.customer, side, file.key))
            for file in (self.files() if files is None else files)
        ]
